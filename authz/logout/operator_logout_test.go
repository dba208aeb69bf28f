package logout_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
)

// Back-Channel Logout 1.0 section 2.5: whatever an operator does that ends a session, the clients of it are
// told: of that session, or, where all of the user's are over, of the user.
func TestBackChannelLogoutByOperator(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, target, contentType, body string
		ofUser                            bool
	}{
		"session revoked":   {"DELETE", "/v1/sessions/SID", "", "", false},
		"user disabled":     {"PATCH", "/v1/users/SUB", "application/merge-patch+json", `{"disabled":true}`, true},
		"user deleted":      {"DELETE", "/v1/users/SUB", "", "", true},
		"user signed out":   {"POST", "/v1/users/SUB/end-sessions", "", "", true},
		"password replaced": {"POST", "/v1/users/SUB/set-password", "application/json", `{"password":"some other words"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListeners(t)
			s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Operator: &operator.Config{}}, l.hear)
			b := s.NewBrowser(t)
			id := blackbox.Claims(t, b.SignIn(t, authztest.SPA, nil).IDToken)
			b.SignIn(t, authztest.Web, nil)
			sid, sub := id["sid"].(string), id["sub"].(string)

			target := strings.NewReplacer("SID", sid, "SUB", sub).Replace(test.target)
			request := httptest.NewRequest(test.method, "http://localhost"+target, strings.NewReader(test.body))
			if test.contentType != "" {
				request.Header.Set("Content-Type", test.contentType)
			}
			answer := httptest.NewRecorder()
			s.AdminSocket().ServeHTTP(answer, request)
			if answer.Code >= http.StatusMultipleChoices {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
			for _, clientID := range []string{authztest.SPA, authztest.Web} {
				told := verified(t, s, clientID, l.wait(clientID))
				if told.Subject != sub || !test.ofUser && told.SessionID != sid || test.ofUser && told.SessionID != "" {
					t.Errorf("%s was told of %q, session %q", clientID, told.Subject, told.SessionID)
				}
			}
			l.nothingLeft(s)
			if n := len(l.of(authztest.SPA)) + len(l.of(authztest.Web)); n != 2 {
				t.Errorf("%d logout tokens for two clients", n)
			}
		})
	}
}
