package authorize_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// With any query, a browser that is not signed in is shown an error, sent to a page of ours or to the registered
// address, and nothing is stored.
func FuzzAuthorizationRequest(f *testing.F) {
	s := authztest.Start(f, authz.Config{}, nil)
	_, challenge := authztest.PKCE()
	whole := authztest.AuthorizationParams(authztest.SPA, challenge).Encode()
	for _, seed := range []string{
		whole, whole + "&prompt=none", whole + "&state=x", whole + "&flow=AAAA", whole + "&response_mode=form_post", whole + "&redirect_uri=https%3A%2F%2Fevil.example",
		whole + "&prompt=none&max_age=0&claims=%7B%7D&resource=" + url.QueryEscape(authztest.API), "client_id=spa", "client_id=spa&redirect_uri=//evil.example", "%zz", "",
	} {
		f.Add(seed)
	}
	before := blackbox.Dump(f, s.Store)
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		request.URL.RawQuery = query
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		location := response.Header().Get("Location")
		switch {
		case response.Code == http.StatusSeeOther && strings.HasPrefix(location, s.URL+"/login?flow="):
		case response.Code == http.StatusSeeOther && strings.HasPrefix(location, authztest.RedirectURI) && strings.ContainsAny(location[len(authztest.RedirectURI):][:1], "?#"):
			if !strings.Contains(location, "error=") || strings.Contains(location, "code=azc_") {
				t.Errorf("%q got %s", query, location)
			}
		case location != "", response.Code >= 500, response.Code == http.StatusOK && !strings.Contains(query, "form_post"):
			t.Errorf("%q got %d %s", query, response.Code, location)
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%q changed the store", query)
		}
	})
}
