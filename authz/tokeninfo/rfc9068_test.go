package tokeninfo_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
)

func typeOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Type string `json:"typ"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	return header.Type
}

// Section 2.1, and for stacks that refuse at+jwt (Spring, older .NET) the type that they want.
func TestRFC9068Section2_1_Type(t *testing.T) {
	t.Parallel()
	for configured, want := range map[string]string{"": "at+jwt", resource.TokenTypeAT: "at+jwt", resource.TokenTypeJWT: "JWT"} {
		s := authztest.Start(t, authz.Config{Resources: []resource.Resource{
			{URI: authztest.API, Scopes: []string{"orders.read"}, TokenType: configured},
		}}, nil)
		tokens := s.SignIn(t, authztest.SPA, "", nil)
		if got := typeOf(t, tokens.AccessToken); got != want {
			t.Errorf("token_type %q: typ %q, want %q", configured, got, want)
		}
		if got := typeOf(t, tokens.IDToken); got != "JWT" {
			t.Errorf("ID token: typ %q", got)
		}
		// An ID token of any type is not an access token (section 4).
		if status := blackbox.UserinfoStatus(t, s, tokens.IDToken); status != http.StatusUnauthorized {
			t.Errorf("token_type %q: userinfo by an ID token: %d", configured, status)
		}
	}
}

// Section 2.2: who the token is about, for an app token and for a user's.
func TestRFC9068Section2_2_Subject(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.Claims(t, s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}}).AccessToken)
	if app["sub"] != authztest.Worker || app["client_id"] != authztest.Worker || app["auth_time"] != nil || app["sid"] != nil || app["roles"] != nil {
		t.Errorf("app token: %v", app)
	}
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} { // all REQUIRED
		if app[name] == nil {
			t.Errorf("app token without %s", name)
		}
	}
	first, second := s.SignIn(t, authztest.SPA, "", nil), s.SignIn(t, authztest.SPA, "", nil)
	if a, b := blackbox.Claims(t, first.AccessToken), blackbox.Claims(t, second.AccessToken); a["sub"] != b["sub"] || a["jti"] == b["jti"] {
		t.Errorf("two tokens of one user: %v, %v", a, b)
	}
}

// Section 2.2.3.1: roles whenever there are any, groups when the user has granted that scope.
func TestRFC9068Section2_2_3_1_RolesAndGroups(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for scope, want := range map[string]string{"openid orders.read": "<nil>", "openid groups": "[staff]"} {
		claims := blackbox.Claims(t, s.SignIn(t, authztest.SPA, "", url.Values{"scope": {scope}}).AccessToken)
		if fmt.Sprint(claims["roles"]) != "[admin]" || fmt.Sprint(claims["groups"]) != want {
			t.Errorf("%s: roles %v, groups %v", scope, claims["roles"], claims["groups"])
		}
	}
}

// Section 6: every client can read its tokens. One that the operator has not named learns no roles, unless
// an API needs them.
func TestRFC9068Section6_RolesAreForAPIs(t *testing.T) {
	t.Parallel()
	c := blackbox.OpenRegistration()
	for resource, want := range map[string]string{"": "<nil>", authztest.API: "[admin]"} {
		if c.Registration.Resources = nil; resource != "" {
			c.Registration.Resources = []string{resource}
		}
		s := authztest.Start(t, c, nil)
		id := blackbox.Register(t, s, blackbox.WebClient(nil)).Text("client_id")
		claims := blackbox.Claims(t, s.SignIn(t, id, "", url.Values{"scope": {"openid"}}).AccessToken)
		if got := fmt.Sprint(claims["roles"]); got != want {
			t.Errorf("for %v: roles %s", claims["aud"], got)
		}
	}
}

// Section 3: the audience is what was asked for, and there always is one.
func TestRFC9068Section3_Audience(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.Resources, m.Scopes = nil, []string{"openid"}
		}
	})
	for clientID, want := range map[string]string{authztest.SPA: authztest.API, authztest.ThirdParty: s.URL + "/userinfo"} {
		claims := blackbox.Claims(t, s.SignIn(t, clientID, "", url.Values{"scope": {"openid"}}).AccessToken)
		if got := fmt.Sprint(claims["aud"]); got != "["+want+"]" {
			t.Errorf("%s: aud %s, want %s", clientID, got, want)
		}
	}
}
