package authz_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

func TestBrowserBasedAppsSection6_3_CrossOriginCalls(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.AllowedOrigins = []string{"https://partner.example.com"}
		}
	})
	send := func(method, path, origin, body string) http.Header {
		request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", origin)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if method == http.MethodOptions {
			request.Header.Set("Access-Control-Request-Method", "POST")
			request.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.Header
	}
	const app, partner, evil = "https://app.example.com", "https://partner.example.com", "https://evil.example"
	for _, r := range []struct {
		method, path, origin, body, want string
	}{
		{"OPTIONS", "/token", app, "", app},
		{"OPTIONS", "/token", partner, "", partner},
		{"OPTIONS", "/token", evil, "", ""},
		{"OPTIONS", "/userinfo", app, "", app},
		{"OPTIONS", "/revoke", app, "", app},
		{"OPTIONS", "/session/activity", app, "", app},
		{"OPTIONS", "/device_authorization", app, "", app},
		{"POST", "/token", app, "grant_type=authorization_code&client_id=spa&code=x", app}, // an error
		{"POST", "/device_authorization", app, "client_id=spa", app},                       // an error
		{"POST", "/device_authorization", evil, "client_id=spa", ""},
		{"OPTIONS", "/par", app, "", app},
		{"POST", "/par", app, "client_id=spa&scope=nope", app}, // an error
		{"POST", "/par", partner, "client_id=spa", ""},
		{"POST", "/token", partner, "grant_type=authorization_code&client_id=spa&code=x", ""},
		{"POST", "/token", app, "grant_type=authorization_code&client_id=partner&code=x", ""},
		{"POST", "/token", evil, "grant_type=authorization_code&client_id=spa&code=x", ""},
		{"POST", "/revoke", app, "client_id=spa&token=x", app},
		{"GET", "/userinfo", app, "", app}, // 401
		{"GET", "/userinfo", evil, "", ""},
		{"GET", "/jwks.json", evil, "", "*"},
		{"GET", "/.well-known/openid-configuration", evil, "", "*"},
		{"GET", "/authorize", app, "", ""},
		{"OPTIONS", "/authorize", app, "", ""},
		{"GET", "/login", app, "", ""},
		{"GET", "/device", app, "", ""},
		{"GET", "/account", app, "", ""},
	} {
		header := send(r.method, r.path, r.origin, r.body)
		if got := header.Get("Access-Control-Allow-Origin"); got != r.want {
			t.Errorf("%s %s from %s: %q, want %q", r.method, r.path, r.origin, got, r.want)
		}
		if header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s allows credentials", r.method, r.path)
		}
	}
	if got := send("GET", "/userinfo", app, "").Get("Access-Control-Expose-Headers"); !strings.Contains(strings.ToLower(got), "www-authenticate") {
		t.Errorf("exposed: %q", got)
	}
}
