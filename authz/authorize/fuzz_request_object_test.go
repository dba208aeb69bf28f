package authorize_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// A signed request is refused or leads to the sign-in page, and nothing is stored. Only a request that names the
// client and this server gets so far.
func FuzzRequestObject(f *testing.F) {
	key := blackbox.NewSigningKey(f, jose.EdDSA)
	s := authztest.Start(f, authz.Config{Issuer: "https://id.example.com"}, blackbox.WithKeys(f, key)) // the seeds hold in every worker
	plain, err := json.Marshal(blackbox.RequestObject(s.URL, map[string]any{"exp": nil, "nbf": nil}))
	if err != nil {
		f.Fatal(err)
	}
	for _, payload := range []string{string(plain), `{"scope":"openid",` + string(plain[1:]), "{}", "[]", "null", "", string(plain[:len(plain)-1]), strings.Replace(string(plain), `"openid`, `["openid"],"x":"`, 1)} {
		f.Add(payload, "JWT")
		f.Add(payload, "at+jwt")
	}
	before := blackbox.Dump(f, s.Store)
	f.Fuzz(func(t *testing.T, payload, typ string) {
		object := blackbox.SignWith(t, jose.SigningKey{Algorithm: key.Alg, Key: key.Private}, map[jose.HeaderKey]any{"kid": key.ID, "typ": typ}, payload)
		request := httptest.NewRequest(http.MethodGet, "/authorize?"+byValue(object).Encode(), nil)
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		location := response.Header().Get("Location")
		var claims struct {
			ClientID string `json:"client_id"`
			Audience any    `json:"aud"`
		}
		_ = json.Unmarshal([]byte(payload), &claims)
		honest := claims.ClientID == authztest.Web && strings.Contains(fmt.Sprint(claims.Audience), s.URL)
		switch {
		case response.Code == http.StatusBadRequest && location == "":
		case !honest, response.Code >= 500:
			t.Errorf("%q got %d %s", payload, response.Code, location)
		case response.Code == http.StatusSeeOther && !strings.HasPrefix(location, s.URL+"/login?flow=") && !strings.HasPrefix(location, authztest.RedirectURI):
			t.Errorf("%q led to %s", payload, location)
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%q changed the store", payload)
		}
	})
}

// No request_uri but those that were registered or handed out begins anything.
func FuzzRequestURI(f *testing.F) {
	s := authztest.Start(f, authz.Config{}, func(m *client.Metadata) { m.RequestURIs = []string{"https://127.0.0.1:1/object"} })
	for _, uri := range []string{
		"https://127.0.0.1:1/object", "https://127.0.0.1:1/object#x", blackbox.PushedPrefix, blackbox.PushedPrefix + "x", strings.ToUpper(blackbox.PushedPrefix), "http://169.254.169.254/", "file:///etc/passwd", "#", "%zz", "\x00",
	} {
		f.Add(uri)
	}
	before := blackbox.Dump(f, s.Store)
	f.Fuzz(func(t *testing.T, uri string) {
		if uri == "" { // as if omitted
			return
		}
		request := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		request.URL.RawQuery = url.Values{"client_id": {authztest.Web}, "redirect_uri": {authztest.RedirectURI}, "request_uri": {uri}}.Encode()
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		location := response.Header().Get("Location")
		refused := response.Code == http.StatusBadRequest || strings.HasPrefix(location, authztest.RedirectURI+"?error=invalid_request")
		if !refused || strings.Contains(location, s.URL+"/login") {
			t.Errorf("%q got %d %s", uri, response.Code, location)
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%q changed the store", uri)
		}
	})
}
