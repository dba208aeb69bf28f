package authz_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// many are so many different values, as short as they can be.
func many(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%x", i)
	}
	return values
}

// hugeForms are requests whose number of values costs more than the rest of them. At each endpoint they are
// refused before anybody asks who sends them.
func hugeForms() map[string]url.Values {
	return map[string]url.Values{
		"audience":    {"audience": many(4500)},
		"resource":    {"resource": many(65)},
		"same again":  {"resource": strings.Split(strings.Repeat("a ", 65), " ")},
		"scope":       {"scope": {strings.Join(many(4000), " ")}},
		"few scopes":  {"scope": {strings.Join(many(257), " ")}},
		"other space": {"scope": {strings.Join(many(257), "\u2003")}},
		"prompt":      {"prompt": {strings.Join(many(257), " ")}},
		"acr_values":  {"acr_values": {strings.Join(many(257), " ")}},
		"ui_locales":  {"ui_locales": {strings.Join(many(257), " ")}},
		"bytes":       {"login_hint": {strings.Repeat("a", 16<<10+1)}},
		"all bytes":   {"resource": strings.Split(strings.Repeat(strings.Repeat("a", 1000)+" ", 17)[:17*1001-1], " ")},
		"names":       {"p": {strings.Repeat("a", 1)}, "q": {strings.Repeat("&p=", 300)}}, // see encode
	}
}

// encode writes a form; the value of q, if there is one, is more parameters.
func encode(form url.Values) string {
	raw := form.Get("q")
	copied := url.Values{}
	for name, values := range form {
		if name != "q" {
			copied[name] = values
		}
	}
	return copied.Encode() + raw
}

func TestBoundsBeforeAuthentication(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, path := range []string{"/token", "/par", "/device_authorization", "/introspect", "/revoke", "/userinfo", "/login", "/consent", "/device", "/logout"} {
		for name, form := range hugeForms() {
			response, err := http.Post(s.URL+path, "application/x-www-form-urlencoded", strings.NewReader(encode(form)))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with too much %s: %d", path, name, response.StatusCode)
			}
		}
	}
	client := url.Values{"client_id": {authztest.SPA}, "redirect_uri": {authztest.RedirectURI}, "response_type": {"code"}}
	b := s.NewBrowser(t)
	for name, form := range hugeForms() {
		for key, values := range client {
			form[key] = values
		}
		if len(encode(form)) > 16<<10 {
			continue // the query as a whole is too long
		}
		page := b.Get(t, s.URL+"/authorize?"+encode(form))
		if location := page.Header.Get("Location"); page.Status != http.StatusBadRequest && !strings.Contains(location, "error=invalid_request") {
			t.Errorf("/authorize with too much %s: %d %s", name, page.Status, location)
		}
	}
}

// A query beside a form is bounded too: it is looked through for secrets.
func TestBoundsOfQueryBesideForm(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, query := range []string{strings.Repeat("&a=", 300), "a=" + strings.Repeat("a", 17<<10)} {
		if response := s.PostForm(t, "/token?"+query, url.Values{"grant_type": {"client_credentials"}}, nil); blackbox.ErrorOf(t, response) != "invalid_request" {
			t.Errorf("%s", response.Body)
		}
	}
}

// A request within the bounds is judged by its content.
func TestBoundsLeaveRoom(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	form := func(name string, values ...string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, name: values}
	}
	if tokens := s.Token(t, authztest.Worker, authztest.Secret, form("scope", strings.Join(many(256), " "))); tokens.Error != "invalid_scope" {
		t.Errorf("256 scopes: %s", tokens.Error)
	}
	if tokens := s.Token(t, authztest.Worker, authztest.Secret, form("scope", strings.Repeat("orders.read   ", 256))); tokens.Status != http.StatusOK {
		t.Errorf("256 times the same scope: %s", tokens.Error)
	}
	if tokens := s.Token(t, authztest.Worker, authztest.Secret, form("resource", many(64)...)); tokens.Error != "invalid_target" {
		t.Errorf("64 resources: %s", tokens.Error)
	}
}

// A request object is bounded as a form is, once its signature has been verified.
func TestBoundsOfRequestObjects(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(authztest.Web) + ":" + url.QueryEscape(authztest.Secret)))
	header := http.Header{"Authorization": {"Basic " + credentials}}
	for name, claim := range map[string]map[string]any{
		"resource": {"resource": many(65)}, "scope": {"scope": strings.Join(many(257), " ")}, "audience": {"login_hint": strings.Repeat("a", 16<<10+1)},
	} {
		object := key.Sign(t, nil, blackbox.RequestObject(s.URL, claim))
		form := url.Values{"request": {object}}
		if response := s.PostForm(t, "/par", form, header); blackbox.ErrorOf(t, response) != "invalid_request_object" {
			t.Errorf("%s: %s", name, response.Body)
		}
	}
}
