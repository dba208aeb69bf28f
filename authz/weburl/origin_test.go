package weburl

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for raw, want := range map[string]string{
		"https://App.example.com:443/a":       "https://app.example.com",
		"https://app.example.com:8443/b?x#y":  "https://app.example.com:8443",
		"https://app.example.com:80":          "https://app.example.com:80",
		"HTTP://LOCALHOST:80/":                "http://localhost",
		"http://localhost:4200/":              "http://localhost:4200",
		"http://[::1]:80/":                    "http://[::1]",
		"http://[::1]:8080/":                  "http://[::1]:8080",
		"https://user@app.example.com/":       "https://app.example.com",
		"https://evil.example/https://a.b:80": "https://evil.example",
		"com.example.app:/callback":           "",
		"capacitor://localhost":               "",
		"https:app.example.com":               "",
		"https://:443/":                       "",
		"//app.example.com/":                  "",
		"app.example.com":                     "",
		"null":                                "",
		"%":                                   "",
		"":                                    "",
	} {
		if got := Origin(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	if u, _ := url.Parse("Capacitor://LocalHost"); OriginOf(u) != "capacitor://localhost" {
		t.Errorf("%q", OriginOf(u))
	}
}

func TestOrigins(t *testing.T) {
	got := Origins([]string{
		"https://App.example.com:443/a", "https://app.example.com/b", "http://localhost:4200/", "com.example.app:/x", "%", "http://localhost:4200",
	})
	if want := []string{"https://app.example.com", "http://localhost:4200"}; !slices.Equal(got, want) {
		t.Errorf("origins %q", got)
	}
}

// An origin is one of itself, and of the same host as the URL.
func FuzzOrigin(f *testing.F) {
	for _, raw := range []string{
		"https://App.example.com:443/a", "http://[::1]:80/", "HTTP://LOCALHOST:80", "https://user@a.example/", "https:x", "https://a:/", "https://\u0130.example/",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		origin := Origin(raw)
		if origin == "" {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("%q is no URL of the web: %v", raw, err)
		}
		rest, found := strings.CutPrefix(origin, u.Scheme+"://")
		if !found || rest == "" || strings.ContainsAny(rest, "/?#@") {
			t.Errorf("%q has the origin %q", raw, origin)
		}
		if o, err := url.Parse(origin); err == nil && !strings.EqualFold(o.Hostname(), strings.ToLower(u.Hostname())) {
			t.Errorf("%q has the origin %q of another host", raw, origin)
		} else if err == nil && Origin(origin) != origin {
			t.Errorf("%q has the origin %q, and that one %q", raw, origin, Origin(origin))
		}
	})
}
