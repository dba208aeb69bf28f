package weburl

import (
	"net/url"
	"testing"
)

func TestLoopback(t *testing.T) {
	for host, want := range map[string]struct{ loopback, localhost bool }{
		"localhost":         {true, true},
		"127.0.0.1":         {true, true},
		"::1":               {true, true},
		"127.0.0.2":         {true, false},
		"127.255.255.255":   {true, false},
		"0:0:0:0:0:0:0:1":   {true, false},
		"::ffff:127.0.0.1":  {true, false},
		"":                  {},
		"LOCALHOST":         {},
		"localhost.":        {},
		"localhost.example": {},
		"app.localhost":     {},
		"127.0.0.1.example": {},
		"127.1":             {},
		"127.0.0.01":        {},
		"2130706433":        {},
		"0x7f000001":        {},
		"0.0.0.0":           {},
		"::":                {},
		"[::1]":             {},
		"::1%lo":            {},
		"127.0.0.1:80":      {},
		"128.0.0.1":         {},
		"::ffff:128.0.0.1":  {},
		"10.0.0.1":          {},
	} {
		if got := IsLoopback(host); got != want.loopback {
			t.Errorf("IsLoopback(%q) is %t", host, got)
		}
		if got := IsLocalhost(host); got != want.localhost {
			t.Errorf("IsLocalhost(%q) is %t", host, got)
		}
	}
}

func TestIsSecure(t *testing.T) {
	for raw, want := range map[string]bool{
		"https://app.example.com":       true,
		"HTTPS://app.example.com:8443/": true,
		"http://localhost:4200/":        true,
		"http://[::1]/":                 true,
		"http://127.0.0.2/":             true,
		"http://app.example.com":        false,
		"http://localhost.example/":     false,
		"http://[::1%25lo]/":            false,
		"https:app.example.com":         false,
		"https://:443/":                 false,
		"http:///":                      false,
		"http:localhost":                false,
		"ws://localhost/":               false,
		"ftp://127.0.0.1/":              false,
		"//app.example.com/":            false,
		"app.example.com":               false,
		"":                              false,
	} {
		u, err := url.Parse(raw)
		if err != nil || IsSecure(u) != want {
			t.Errorf("%q: %v, %v", raw, !want, err)
		}
	}
}
