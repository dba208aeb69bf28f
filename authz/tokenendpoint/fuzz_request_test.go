package tokenendpoint_test

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

// Every body gets JSON that may not be cached, and without a code nothing is stored.
func FuzzTokenRequest(f *testing.F) {
	s := authztest.Start(f, authz.Config{}, nil)
	code, _ := s.NewBrowser(f).Code(f, authztest.SPA, nil)
	for _, form := range []url.Values{
		authztest.CodeForm(code, ""), authztest.CodeForm("azc_x", strings.Repeat("v", 43)), authztest.RefreshForm("azr_x"),
		{"grant_type": {"client_credentials"}}, {"grant_type": {"password"}}, {"client_assertion": {"x"}}, {},
	} {
		f.Add("client_id=spa&"+form.Encode(), "")
		f.Add(form.Encode(), "Basic d2ViOnNlY3JldA==")
	}
	before := blackbox.Dump(f, s.Store)
	f.Fuzz(func(t *testing.T, body, authorization string) {
		request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
		request.Header = blackbox.FormHeader()
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response := httptest.NewRecorder()
		s.ServeHTTP(response, request)
		var answer struct{ Error string }
		if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil || response.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q got %s", body, response.Body)
		}
		if wrong := answer.Error == "" || (response.Code == http.StatusUnauthorized) != (answer.Error == "invalid_client"); wrong || response.Code >= 500 {
			t.Errorf("%q got %d %s", body, response.Code, response.Body)
		}
		if after := blackbox.Dump(t, s.Store); after != before {
			t.Errorf("%q changed the store", body)
		}
	})
}
