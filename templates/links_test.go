package templates

import (
	"regexp"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	for _, c := range []struct{ in, web, app, image, host string }{
		{"https://app.example.com/a?b=c", "https://app.example.com/a?b=c", "https://app.example.com/a?b=c", "https://app.example.com", "app.example.com"},
		{"http://localhost:4200/cb", "http://localhost:4200/cb", "http://localhost:4200/cb", "http://localhost:4200", "localhost:4200"},
		{"http://127.0.0.1/cb", "http://127.0.0.1/cb", "http://127.0.0.1/cb", "http://127.0.0.1", "127.0.0.1"},
		{"http://app.example.com/", "http://app.example.com/", "http://app.example.com/", "", "app.example.com"},
		{"com.example.app:/cb", "", "com.example.app:/cb", "", "com.example.app"},
		{"myapp://cb", "", "myapp://cb", "", "myapp"},
		{"MyApp://cb?x=y", "", "MyApp://cb?x=y", "", "myapp"},
		{"intent://x", "", "", "", "intent"},
		{"FILE:///etc/passwd", "", "", "", "file"},
		{"mailto:a", "", "", "", "mailto"},
		{"javascript:alert(1)", "", "", "", "javascript"},
		{"javascript://a.example/%0aalert(1)", "", "", "", "javascript"},
		{"JaVaScRiPt:alert(1)", "", "", "", "javascript"},
		{"data:text/html,x", "", "", "", "data"},
		{"//evil.example/", "", "", "", ""},
		{"/path", "", "", "", ""},
		{"https://", "", "", "", "https"},
		{"https://user:pw@app.example.com/", "", "", "", "https"},
		{"https://a;script-src *", "", "", "", ""},
		{"https://a;b/", "https://a;b/", "https://a;b/", "", "a;b"},
		{"https://a,b/", "https://a,b/", "https://a,b/", "", "a,b"},
		{"", "", "", "", ""},
	} {
		if got := webLink(c.in); got != c.web {
			t.Errorf("webLink(%q) = %q, want %q", c.in, got, c.web)
		}
		if got := string(appLink(c.in)); got != c.app {
			t.Errorf("appLink(%q) = %q, want %q", c.in, got, c.app)
		}
		if got := foreignOrigin(c.in); got != c.image {
			t.Errorf("foreignOrigin(%q) = %q, want %q", c.in, got, c.image)
		}
		if got := redirectHost(c.in); got != c.host {
			t.Errorf("redirectHost(%q) = %q, want %q", c.in, got, c.host)
		}
	}
}

func FuzzLinks(f *testing.F) {
	for _, attack := range attacks {
		f.Add(attack)
	}
	f.Add("https://[::1]:80/")
	origin := regexp.MustCompile(`^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?$`)
	scheme := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	f.Fuzz(func(t *testing.T, s string) {
		if link := string(appLink(s)); link != "" && (!scheme.MatchString(link) || bearsScript(link)) {
			t.Errorf("appLink(%q) = %q", s, link)
		}
		if link := webLink(s); link != "" && !strings.HasPrefix(link, "http") {
			t.Errorf("webLink(%q) = %q", s, link)
		}
		if got := foreignOrigin(s); !origin.MatchString(got) {
			t.Errorf("foreignOrigin(%q) = %q", s, got)
		}
		redirectHost(s)
	})
}
