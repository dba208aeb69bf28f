package session

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func FuzzTicket(f *testing.F) {
	f.Add(random(sidBytes) + "." + random(secretBytes))
	f.Add("." + strings.Repeat("A", secretLength))
	f.Add(strings.Repeat("\n", sidLength) + "." + strings.Repeat("\r", secretLength))
	f.Add(strings.Repeat("A", sidLength-1) + "B." + strings.Repeat("=", secretLength))
	sessions := New(nil, Config{})
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := parseTicket(value)
		if ok && got.String() != value {
			t.Errorf("%q and %q are one ticket", value, got)
		}
		if ok && strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			t.Errorf("%q was accepted", value)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "authzd="+value)
		if n := len(sessions.tickets(r)[0]); n > maxCookies {
			t.Errorf("%d tickets of one request", n)
		}
	})
}
