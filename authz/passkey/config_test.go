package passkey_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz/passkey"
)

func TestNewNeedsADomain(t *testing.T) {
	for issuer, want := range map[string]error{
		"http://127.0.0.1:9010":       passkey.ErrNoDomain,
		"http://[::1]:9010":           passkey.ErrNoDomain,
		"http://localhost:9010":       nil,
		"https://id.example.com/auth": nil,
	} {
		u, err := url.Parse(issuer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := passkey.New(passkey.Config{Issuer: u, RPName: "Example"}); !errors.Is(err, want) {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestCheckRPID(t *testing.T) {
	for _, id := range []string{"example.com", "id.example.com", "localhost", "xn--mnchen-3ya.example"} {
		if err := passkey.CheckRPID(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "https://example.com", "example.com:443", "example.com/", "192.0.2.1", "[::1]", "example", "münchen.example", "Example.com", "a..b"} {
		if passkey.CheckRPID(id) == nil {
			t.Errorf("%q was accepted", id)
		}
	}
}

func TestLabels(t *testing.T) {
	if n := passkey.Labels([]string{"id.example.com", "id.example.co.uk", "example.de", "shop.example.fr", "other.com"}); n != 2 {
		t.Errorf("%d labels, want example and other", n)
	}
}
