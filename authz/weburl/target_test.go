package weburl_test

import (
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/weburl"
)

// returnPlaces reads testdata/return.txt.
func returnPlaces(t testing.TB) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/return.txt")
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		place, err := strconv.Unquote(`"` + strings.ReplaceAll(line[4:], `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		places[place] = strings.HasPrefix(line, "yes")
	}
	if len(places) != 300 {
		t.Fatalf("%d places", len(places))
	}
	return places
}

func TestIsLocalTarget(t *testing.T) {
	for place, want := range returnPlaces(t) {
		if got := weburl.IsLocalTarget(place); got != want {
			t.Errorf("%q: %t", place, got)
		}
	}
}

// FuzzIsLocalTarget: a target that is accepted stays on its origin when a URL parser resolves it.
func FuzzIsLocalTarget(f *testing.F) {
	for place := range returnPlaces(f) {
		f.Add(place)
	}
	base, _ := url.Parse("https://app.example.com/a/b")
	f.Fuzz(func(t *testing.T, target string) {
		if !weburl.IsLocalTarget(target) {
			return
		}
		u, err := base.Parse(target)
		if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil {
			t.Errorf("%q leads to %v, %v", target, u, err)
		}
		if target[0] != '/' || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\t\r\n") {
			t.Errorf("%q", target)
		}
	})
}
