package authz_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Whatever the query is, a browser that is not signed in is shown an error, sent to a page of ours
// or to the registered address, and nothing is stored.
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

// Whatever a device asks for, it gets codes or an error, never a failure of ours.
func FuzzDeviceAuthorizationRequest(f *testing.F) {
	s := authztest.Start(f, authz.Config{}, nil)
	for _, seed := range []string{
		"client_id=tv", "client_id=tv&scope=openid+orders.read&resource=" + url.QueryEscape(authztest.API), "client_id=tv&max_age=-1", "client_id=tv&claims=%7B%7D",
		"client_id=tv&acr_values=x&login_hint=%00", "client_id=spa", "client_id=tv&client_secret=x", "scope=openid", "%zz", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		request := httptest.NewRequest(http.MethodPost, "/device_authorization", strings.NewReader(body))
		request.Header = blackbox.FormHeader()
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		var answer struct {
			Error  string
			Device string `json:"device_code"`
		}
		if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil || response.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q got %s", body, response.Body)
		}
		if (answer.Error == "") != (response.Code == http.StatusOK) || (answer.Device == "") == (answer.Error == "") || response.Code >= 500 {
			t.Errorf("%q got %d %s", body, response.Code, response.Body)
		}
	})
}
