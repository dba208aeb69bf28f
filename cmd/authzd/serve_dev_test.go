package main

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/config"
)

// Who develops at an IP address is told why there are no passkeys, and where there are.
func TestWelcomeSpeaksOfPasskeys(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://127.0.0.1:9010": "passkeys      none at an IP address; set the issuer to http://localhost:9010\n",
		"http://[::1]:9010":     "set the issuer to http://localhost:9010\n",
		"http://localhost:9010": "",
	} {
		var out strings.Builder
		welcome(&out, &config.Config{Issuer: issuer})
		if got := out.String(); want != "" && !strings.Contains(got, want) || want == "" && strings.Contains(got, "passkeys") {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}
