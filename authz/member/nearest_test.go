package member

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	candidates := []string{"client_id", "client_secret", "redirect_uris", "scope", "listen"}
	for word, want := range map[string]string{
		"clientid": "client_id", "CLIENT-SECRET": "client_secret", "redirect_uri": "redirect_uris", "scopes": "scope",
		"secret": "client_secret", "port": "", "id": "", "": "", strings.Repeat("x", 10_000): "",
	} {
		if got := Nearest(word, candidates); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if slices.Contains(candidates, "") {
		t.Fatal("no candidate may be empty")
	}
}
