package bff_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
)

// TestRecordOfSignIn: the issuer's audit log has each sign-in with the client of the BFF, and its end. The log of the BFF
// says whether a sign-in arrived, and why not.
func TestRecordOfSignIn(t *testing.T) {
	t.Parallel()
	s := start(t, options{server: authz.Config{Operator: &operator.Config{}}})
	b := s.browser(t)
	b.signIn("/")
	location, _ := b.call(http.MethodPost, "/bff/logout").json(t)["location"].(string)
	b.idp.Get(t, location)
	b.signInAttempt(t, "another code", func(callback url.Values) { callback.Set("code", "azc_another") })

	alice := blackbox.AliceID(t, s.issuer)
	events := func() string {
		w := httptest.NewRecorder()
		s.issuer.AdminSocket().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/v1/audit/events", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for _, want := range []string{"user.signed_in", "grant.issued", "grant.revoked", "user.signed_out"} {
		blackbox.Until(t, want+" is recorded", func() bool { return strings.Contains(events(), `"`+want+`"`) })
	}
	if all := events(); !strings.Contains(all, `"client_id":"`+clientID+`"`) || !strings.Contains(all, alice) {
		t.Errorf("%s", all)
	}
	log := s.log.String()
	for _, want := range []string{"route=bff_callback", "frontend=orders", "client_id=" + clientID, "sub=" + alice, "login_outcome=success", "login_outcome=failure", "error=sign_in_failed", "route=bff_logout"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(log, "azc_") {
		t.Error("the log has a code")
	}
}
