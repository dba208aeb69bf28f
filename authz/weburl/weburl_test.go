package weburl

import (
	"strings"
	"testing"
)

func TestSchemes(t *testing.T) {
	for _, scheme := range ForeignSchemes {
		if !IsScheme(scheme) || scheme != strings.ToLower(scheme) || !IsForeign(strings.ToUpper(scheme)) {
			t.Error(scheme)
		}
	}
	for scheme, want := range map[string]bool{
		"myapp": true, "com.example.app": true, "a+b-c.1": true, strings.Repeat("a", 64): true,
		"": false, "1app": false, "my app": false, "myapp:": false, "-a": false, "ä": false, "a\n": false, strings.Repeat("a", 65): false,
	} {
		if IsScheme(scheme) != want || IsForeign(scheme) {
			t.Errorf("%q", scheme)
		}
	}
}

func TestSameResource(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://api.example.com", "https://api.example.com/", true},
		{"https://api.example.com?x", "https://api.example.com/?x", true},
		{"urn:api", "urn:api", true},
		{"https://api.example.com/a", "https://api.example.com/a/", false},
		{"https://api.example.com", "https://api.example.com//", false},
		{"https://api.example.com", "https://API.example.com/", false},
		{"https://api.example.com", "http://api.example.com/", false},
		{"urn:api", "urn:api/", false},
		{"https://", "https:///", false},
		{"", "/", false},
	} {
		if SameResource(c.a, c.b) != c.want || SameResource(c.b, c.a) != c.want {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}
