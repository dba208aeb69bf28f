package main

import (
	"testing"

	"github.com/authzd/authzd/config"
)

func TestReadyURL(t *testing.T) {
	for _, tc := range []struct{ issuer, listen, cert, want string }{
		{"https://id.example.com", ":9010", "", "http://127.0.0.1:9010/readyz"},
		{"https://id.example.com", "0.0.0.0:9010", "", "http://127.0.0.1:9010/readyz"},
		{"https://id.example.com", "[::]:9010", "", "http://[::1]:9010/readyz"},
		{"https://id.example.com", "192.0.2.1:443", "x", "https://192.0.2.1:443/readyz"},
		{"https://example.com/auth/v1", "[2001:db8::1]:1", "", "http://[2001:db8::1]:1/auth/v1/readyz"},
		{"http://localhost:9010", "localhost:9010", "", "http://127.0.0.1:9010/readyz"},
	} {
		c := &config.Config{Issuer: tc.issuer, Listen: tc.listen, TLS: config.TLS{CertFile: tc.cert}}
		if got := readyURL(c); got != tc.want {
			t.Errorf("listen %s: %s, want %s", tc.listen, got, tc.want)
		}
	}
}
