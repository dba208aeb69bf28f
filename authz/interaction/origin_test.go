package interaction_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// A form of our own pages counts even if a proxy changes Host and drops Sec-Fetch-Site, which older browsers
// lack. A form of another site never does.
func TestFormsOfOurOrigin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Issuer: "https://id.example.com/sso"}, nil)
	const own, inside = "https://id.example.com", "10.0.0.5:9010"
	for name, c := range map[string]struct {
		host, origin, site string
		refused            bool
	}{
		"a browser of today":                      {"id.example.com", own, "same-origin", false},
		"without Sec-Fetch-Site":                  {"id.example.com", own, "", false},
		"a proxy with another Host":               {inside, own, "", false},
		"a proxy with another Host, today":        {inside, own, "same-origin", false},
		"a page of before, with no referrer":      {"id.example.com", "null", "same-origin", false},
		"no browser":                              {inside, "", "", false},
		"another site":                            {"id.example.com", "https://evil.example", "cross-site", true},
		"another site, without Sec-Fetch-Site":    {"id.example.com", "https://evil.example", "", true},
		"another site, another Host":              {inside, "https://evil.example", "", true},
		"a neighbour":                             {inside, "https://www.example.com", "same-site", true},
		"another port":                            {inside, "https://id.example.com:8443", "", true},
		"plain http":                              {inside, "http://id.example.com", "", true},
		"a sandboxed frame":                       {"id.example.com", "null", "cross-site", true},
		"a sandboxed frame, no Sec-Fetch-Site":    {"id.example.com", "null", "", true},
		"a name that begins like ours":            {inside, own + ".evil.example", "", true},
		"a sandboxed frame behind another Host":   {inside, "null", "", true},
		"an opaque origin that is no null either": {inside, "file://", "", true},
	} {
		for _, path := range []string{"/login", "/select-account", "/consent", "/account", "/device"} {
			r := httptest.NewRequest(http.MethodPost, "https://id.example.com/sso"+path, strings.NewReader(url.Values{"username": {"x"}, "password": {"y"}}.Encode()))
			r.Host = c.host
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for header, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if refused := w.Code == http.StatusForbidden; refused != c.refused {
				t.Errorf("%s: %s: %d", name, path, w.Code)
			}
		}
	}
}

// The button of the logout page counts too, and a form of another site does not.
func TestLogoutFormOfOurOrigin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Issuer: "https://id.example.com"}, nil)
	for origin, want := range map[string]int{"https://id.example.com": http.StatusOK, "https://evil.example": http.StatusSeeOther, "null": http.StatusSeeOther} {
		r := httptest.NewRequest(http.MethodPost, "https://id.example.com/logout", strings.NewReader("confirm=yes"))
		r.Host = "10.0.0.5:9010"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %s: %d, want %d", origin, w.Code, want)
		}
	}
}
