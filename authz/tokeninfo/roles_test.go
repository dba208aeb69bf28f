package tokeninfo_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/resource"
)

// TestOlderTokensOfOtherRoles: after a change of roles or groups, introspection says of an older token what the revocation
// feed says to APIs that check by themselves, and the next token counts. Other changes of the user end nothing.
func TestOlderTokensOfOtherRoles(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{resource.TokenTypeAT, resource.TokenTypeOpaque} {
		t.Run(kind, func(t *testing.T) {
			s := authztest.Start(t, authz.Config{
				Operator:  &operator.Config{},
				Resources: []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: kind, Alg: "RS256"}},
			}, nil)
			alice := blackbox.AliceID(t, s)
			patch := func(change string) {
				r := httptest.NewRequest(http.MethodPatch, "http://localhost/v1/users/"+alice, strings.NewReader(change))
				r.Header.Set("Content-Type", "application/merge-patch+json")
				w := httptest.NewRecorder()
				if s.AdminSocket().ServeHTTP(w, r); w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			introspect := func(token string) map[string]any {
				_, got := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {token}})
				return got
			}
			tokens := s.SignIn(t, authztest.Web, authztest.Secret, url.Values{"scope": {"openid offline_access orders.read"}, "resource": {authztest.API}})
			if strings.HasPrefix(tokens.AccessToken, "ey") != (kind == resource.TokenTypeAT) {
				t.Fatalf("not of the kind: %.10s", tokens.AccessToken)
			}
			if patch(`{"name":"Alice Pleasance Liddell"}`); introspect(tokens.AccessToken)["active"] != true {
				t.Error("another name has ended the token")
			}
			for _, change := range []string{`{"roles":["clerk"]}`, `{"groups":["other"]}`} {
				patch(change)
				if got := introspect(tokens.AccessToken); got["active"] != false || len(got) != 1 {
					t.Errorf("after %s: %v", change, got)
				}
				if got := introspect(tokens.RefreshToken); got["active"] != true {
					t.Errorf("the refresh token after %s: %v", change, got)
				}
				tokens = s.Token(t, authztest.Web, authztest.Secret, authztest.RefreshForm(tokens.RefreshToken))
				if got := introspect(tokens.AccessToken); got["active"] != true || !strings.Contains(strings.Join(texts(got["roles"]), " "), "clerk") {
					t.Errorf("the next token after %s: %v", change, got)
				}
			}
		})
	}
}

func texts(list any) (all []string) {
	items, _ := list.([]any)
	for _, item := range items {
		text, _ := item.(string)
		all = append(all, text)
	}
	return all
}
