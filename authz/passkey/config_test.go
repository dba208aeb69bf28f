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
