package interaction_test

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

// Every request of a device gets codes or an error, never a server error.
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
