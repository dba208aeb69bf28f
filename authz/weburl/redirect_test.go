package weburl

import (
	"net/url"
	"strings"
	"testing"
)

func TestMatchesRedirect(t *testing.T) {
	for _, c := range []struct {
		registered, raw     string
		exactly, localhosts bool // it matches, without and with localhostPorts
	}{
		{"https://app.example.com/cb", "https://app.example.com/cb", true, true},
		{"http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true, true},
		{"http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true, true},
		{"http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:65535/cb?x=1", true, true},
		{"http://127.0.0.1", "http://127.0.0.1:80", true, true},
		{"http://[::1]/cb", "http://[::1]:8080/cb", true, true},
		{"http://localhost/cb", "http://localhost:8080/cb", false, true},
		{"http://localhost/cb", "http://localhost/cb", true, true},
		{"http://127.0.0.1/cb", "http://localhost:8080/cb", false, false},
		{"http://localhost/cb", "http://127.0.0.1:8080/cb", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.2:8080/cb", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:8080/cb/", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:08080/cb", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:/cb", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false, false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb", false, false},
		{"http://127.0.0.1/cb", "HTTP://127.0.0.1:80/cb", false, false},
		{"http://127.0.0.1/cb", "https://127.0.0.1:80/cb", false, false},
		{"https://127.0.0.1/cb", "https://127.0.0.1:80/cb", false, false},
		{"https://app.example.com/cb", "https://app.example.com:443/cb", false, false},
	} {
		if got := MatchesRedirect(c.registered, c.raw, false); got != c.exactly {
			t.Errorf("%s and %s: %t", c.registered, c.raw, got)
		}
		if got := MatchesRedirect(c.registered, c.raw, true); got != c.localhosts {
			t.Errorf("%s and %s: %t with ports of localhost", c.registered, c.raw, got)
		}
	}
}

// A matching URI is equal except for the port of a loopback host, and leads nowhere else.
func FuzzMatchesRedirect(f *testing.F) {
	f.Add("http://127.0.0.1/cb", "http://127.0.0.1:8080/cb")
	f.Add("http://[::1]:1", "http://[::1]:2")
	f.Add("http://localhost/cb", "http://localhost:80@evil.example/cb")
	f.Add("https://app.example.com/cb", "https://app.example.com/cb")
	f.Fuzz(func(t *testing.T, registered, raw string) {
		matches := MatchesRedirect(registered, raw, true)
		if matches != MatchesRedirect(raw, registered, true) {
			t.Errorf("%q and %q match in one direction", registered, raw)
		}
		if !matches || registered == raw {
			return
		}
		a, errA := url.Parse(registered)
		b, errB := url.Parse(raw)
		if errA != nil || errB != nil {
			return // both have the same flaw behind the port
		}
		if a.Scheme != "http" || b.Scheme != "http" || a.Hostname() != b.Hostname() || !IsLocalhost(a.Hostname()) {
			t.Errorf("%q matches %q", raw, registered)
		}
		if strings.TrimPrefix(registered, "http://"+a.Host) != strings.TrimPrefix(raw, "http://"+b.Host) {
			t.Errorf("%q matches %q", raw, registered)
		}
	})
}

// It is the same in both directions, and differs by one slash at most.
func FuzzSameResource(f *testing.F) {
	f.Add("https://api.example.com", "https://api.example.com/")
	f.Add("https://api.example.com/?x", "https://api.example.com?x")
	f.Add("urn:api", "urn:api/")
	f.Fuzz(func(t *testing.T, a, b string) {
		same := SameResource(a, b)
		if same != SameResource(b, a) || !SameResource(a, a) {
			t.Errorf("%q and %q: %t", a, b, same)
		}
		if d := len(a) - len(b); same && (d < -1 || d == 0 && a != b || d > 1) {
			t.Errorf("%q is the same as %q", a, b)
		}
	})
}
