package authorize_test

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

func TestJARMSection2_1_Claims(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	state := `s+/"=& ü<>`
	claims, alg := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, b.Ask(t, authztest.SPA, url.Values{"response_mode": {"jwt"}, "state": {state}}).Redirect(t)))
	exp, _ := claims["exp"].(float64)
	left := time.Until(time.Unix(int64(exp), 0))
	code, _ := claims["code"].(string)
	if claims["iss"] != s.URL || claims["aud"] != authztest.SPA || claims["state"] != state || left <= 0 || left > 10*time.Minute || len(claims) != 5 {
		t.Errorf("claims %v", claims)
	}
	if !strings.HasPrefix(code, "azc_") || alg != "ES256" {
		t.Errorf("code %q, alg %s", code, alg)
	}
}

func TestJARMSection2_1_Errors(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for code, change := range map[string]url.Values{
		"invalid_scope": {"scope": {"admin"}}, "login_required": {"prompt": {"none"}, "max_age": {"0"}},
		"invalid_request": {"code_challenge": nil}, "unsupported_response_type": {"response_type": {"none"}},
	} {
		change.Set("response_mode", "query.jwt")
		claims, _ := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, b.Ask(t, authztest.SPA, change).Redirect(t)))
		if claims["error"] != code || claims["state"] != "state of the app" || claims["iss"] != s.URL || claims["aud"] != authztest.SPA || claims["code"] != nil {
			t.Errorf("%s: %v", code, claims)
		}
	}
	page := b.Ask(t, authztest.SPA, url.Values{"response_mode": {"jwt"}, "redirect_uri": {"https://evil.example"}})
	if page.Status != 400 || page.Header.Get("Location") != "" {
		t.Errorf("another redirect URI: %d %s", page.Status, page.Header.Get("Location"))
	}
}

func TestJARMSection2_3_Modes(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for _, mode := range []string{"jwt", "query.jwt"} {
		page := b.Ask(t, authztest.SPA, url.Values{"response_mode": {mode}})
		if location := page.Header.Get("Location"); !strings.HasPrefix(location, authztest.RedirectURI+"?response=ey") {
			t.Errorf("%s: %s", mode, location)
		}
	}
	page := b.Ask(t, authztest.SPA, url.Values{"response_mode": {"fragment.jwt"}})
	if location := page.Header.Get("Location"); !strings.HasPrefix(location, authztest.RedirectURI+"#response=ey") {
		t.Errorf("fragment.jwt: %s", location)
	}
	page = b.Ask(t, authztest.SPA, url.Values{"response_mode": {"form_post.jwt"}})
	_, after, found := strings.Cut(page.Body, `name="response" value="`)
	response, _, _ := strings.Cut(after, `"`)
	if !found || strings.Contains(page.Body, "azc_") || strings.Contains(page.Body, `name="state"`) || page.Status != 200 {
		t.Fatalf("form_post.jwt: %d %.500s", page.Status, page.Body)
	}
	if claims, _ := blackbox.OpenResponse(t, s, html.UnescapeString(response)); claims["code"] == nil {
		t.Errorf("form_post.jwt: %v", claims)
	}
	for _, mode := range []string{"web_message", ".jwt", "query.", "web_message.jwt", "JWT", "jwt.jwt", "query.jwt.jwt"} {
		if got := b.Ask(t, authztest.SPA, url.Values{"response_mode": {mode}}).Redirect(t); got.Get("error") != "unsupported_response_mode" {
			t.Errorf("%s: %v", mode, got)
		}
	}
	// Errors of response types that are not on offer go where their clients look for them.
	page = b.Ask(t, authztest.SPA, url.Values{"response_mode": {"jwt"}, "response_type": {"token"}})
	if location := page.Header.Get("Location"); !strings.HasPrefix(location, authztest.RedirectURI+"#response=ey") {
		t.Errorf("an implicit request: %s", location)
	}
}

func TestJARMSection3_ClientMetadata(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.AuthorizationAlg, m.RequireJARM = "EdDSA", true
		}
	})
	b := s.SignedIn(t, nil)
	claims, alg := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, b.Ask(t, authztest.Web, url.Values{"response_mode": {"jwt"}}).Redirect(t)))
	if alg != "EdDSA" || claims["code"] == nil {
		t.Errorf("%s %v", alg, claims)
	}
	for _, mode := range []string{"", "query", "form_pos"} {
		claims, _ := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, b.Ask(t, authztest.Web, url.Values{"response_mode": {mode}}).Redirect(t)))
		if claims["error"] != "invalid_request" && claims["error"] != "unsupported_response_mode" {
			t.Errorf("response_mode %q: %v", mode, claims)
		}
	}
}

// A client that registered itself counts on the default of the standard, whatever the operator's is.
func TestJARMSection3_DefaultAlg(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	client := blackbox.Register(t, s, blackbox.WebClient(nil))
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(client.Text("client_id"), challenge)
	params.Set("response_mode", "jwt")
	if _, claims := s.Verify(t, blackbox.SignedResponse(t, s.NewBrowser(t).Authorize(t, params).Params), jose.RS256); claims["code"] == nil {
		t.Errorf("%v", claims)
	}
}

func TestJARMSection4_ServerMetadata(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.AuthorizationAlg = "EdDSA" })
	metadata := blackbox.Discovery(t, s)
	texts := func(name string) (texts []string) {
		values, _ := metadata[name].([]any)
		for _, v := range values {
			texts = append(texts, v.(string))
		}
		return texts
	}
	if got := texts("authorization_signing_alg_values_supported"); !slices.Equal(got, []string{"ES256", "EdDSA"}) {
		t.Errorf("algorithms %v", got)
	}
	for _, mode := range []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		if !slices.Contains(texts("response_modes_supported"), mode) {
			t.Errorf("%s is not announced", mode)
		}
	}
}

// A response says who the client is, but proves nothing about a user: it passes for no other token.
func TestJARMSection5_NoOtherToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	response := blackbox.SignedResponse(t, b.Ask(t, authztest.SPA, url.Values{"response_mode": {"jwt"}}).Redirect(t))
	if got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {response}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("as a hint: %v", got)
	}
	if status := blackbox.UserinfoStatus(t, s, response); status != http.StatusUnauthorized {
		t.Errorf("as an access token: %d", status)
	}
	if page := b.Get(t, s.URL+"/logout?id_token_hint="+response); !page.Has("logout-confirm") {
		t.Errorf("as a hint at logout: %d", page.Status)
	}
}

// A pushed request asks for it too, and its error is signed as well.
func TestJARMPushed(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	signed := url.Values{"response_mode": {"jwt"}}
	silent := maps.Clone(signed)
	silent.Set("prompt", "none")
	claims, _ := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, s.NewBrowser(t).Open(t, blackbox.Push(t, s, silent)).Redirect(t)))
	if claims["error"] != "login_required" {
		t.Errorf("silent: %v", claims)
	}
	claims, _ = blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, s.SignedIn(t, nil).Open(t, blackbox.Push(t, s, signed)).Redirect(t)))
	if claims["code"] == nil {
		t.Errorf("signed in: %v", claims)
	}
}
