package oauth

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzParseParams(f *testing.F) {
	for _, seed := range []string{"a=b&c=d", "a=1&a=2", "resource=x&resource=x&resource=y", "a=%zz", "a=%00", "a;b", "=", "a=&b", "%ff=1", "claims=%7B%0A%09%7D", "claims=%7B%00%7D", "a=%0A", "resource=&resource=x", "resource=&resource="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params, err := ParseParams(raw)
		if err != nil {
			return
		}
		for name, values := range params {
			if len(values) == 0 || (len(values) > 1 && !MayRepeat[name]) {
				t.Errorf("%q has %d values", name, len(values))
			}
			for i, v := range values {
				if holdJSON[name] {
					v = betweenJSON.Replace(v)
				}
				if !utf8.ValidString(name+v) || strings.ContainsFunc(name+v, unicode.IsControl) || slices.Contains(values[:i], v) {
					t.Errorf("%q = %q", name, values)
				}
			}
		}
		again, err := ParseParams(params.Encode()) // as flows do
		if err != nil || again.Encode() != params.Encode() {
			t.Errorf("%q became %q: %v", params.Encode(), again.Encode(), err)
		}
	})
}

// The parameters of a client are those with known names, under the same rules.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{"state=b&utm=a&utm=b&x=%00", "scope=a&scope=b&x", "%00=a", "x=%zz", "resource=x&resource=y&audience=z", "state=%0a&y=%0a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params, err := parseRequest(raw)
		if err != nil {
			return
		}
		for name := range params {
			if !KnownParameters[name] {
				t.Errorf("%q is left of %q", name, raw)
			}
		}
		strict, err := ParseParams(params.Encode())
		if err != nil || strict.Encode() != params.Encode() {
			t.Errorf("%q became %q: %v", params.Encode(), strict.Encode(), err)
		}
	})
}
