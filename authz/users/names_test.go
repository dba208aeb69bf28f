package users

import (
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestNormalizeUsername(t *testing.T) {
	for name, want := range map[string]string{
		"alice":                  "alice",
		" Alice\t":               "alice",
		"ＡＬＩＣＥ":                  "alice", // full width
		"ZOË":                    "zoë",
		"Zoe\u0308":              "zoë",
		"o'brien-2_x.y":          "o'brien-2_x.y",
		"Alice@Example.com":      "alice@example.com",
		"Alice＠example.com":      "alice@example.com",
		"a@BÜCHER.example":       "a@xn--bcher-kva.example",
		"алиса":                  "алиса",
		strings.Repeat("a", 128): strings.Repeat("a", 128),

		"":                         "",
		"   ":                      "",
		"two words":                "",
		"no\u00a0break":            "",
		"nul\x00":                  "",
		"line\nbreak":              "",
		"escape\x1b[31m":           "",
		"delete\x7f":               "",
		"zero\u200bwidth":          "",
		"right\u202eleft":          "",
		"bom\ufeff":                "",
		"bad\xffutf8":              "",
		"😀":                        "",
		strings.Repeat("a", 129):   "",
		strings.Repeat("a", 1<<20): "",
	} {
		got, err := NormalizeUsername(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: got %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestNormalizeEmail(t *testing.T) {
	for address, want := range map[string]string{
		"alice@example.com":           "alice@example.com",
		" Alice@EXAMPLE.com ":         "alice@example.com",
		"a.b+c@example.com":           "a.b+c@example.com",
		"alice@localhost":             "alice@localhost",
		"alice@bücher.example":        "alice@xn--bcher-kva.example",
		"alice@XN--BCHER-KVA.example": "alice@xn--bcher-kva.example",
		"zoë@example.com":             "zoë@example.com",

		"":                                       "",
		"@":                                      "",
		"alice":                                  "",
		"alice@":                                 "",
		"@example.com":                           "",
		"alice@.":                                "",
		"alice@example..com":                     "",
		"alice@example.com.":                     "",
		"a b@example.com":                        "",
		"a@b@example.com":                        "",
		`"a b"@example.com`:                      "",
		"alice@[127.0.0.1]":                      "",
		"Alice <alice@example.com>":              "",
		"alice@example.com,bob@example.com":      "",
		"ali\x00ce@example.com":                  "",
		"alice@example.com\r\nBcc: x":            "",
		"ali\u200bce@example.com":                "",
		"\u202ealice@example.com":                "",
		"mi\u212ae@example.com":                  "", // the Kelvin sign, which lower case turns into k
		"zoe\u0308@example.com":                  "",
		"\xff@example.com":                       "",
		strings.Repeat("a", 65) + "@example.com": "",
		"a@" + strings.Repeat("a.", 130) + "com": "",
		"a@" + strings.Repeat("a", 64) + ".example": "",
	} {
		got, err := NormalizeEmail(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: got %q, %v; want %q", address, got, err, want)
		}
	}
}

// The profile of golang.org/x/text is shared by all requests.
func TestNormalizeConcurrently(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if got, err := NormalizeUsername("ＺＯË"); got != "zoë" || err != nil {
					t.Errorf("got %q, %v", got, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func FuzzUsername(f *testing.F) {
	for _, s := range []string{"Alice", "ＺＯË", "ΣΑΣ", "İ", "ß", "a@BÜCHER.example", "Alice＠example.com", "\u212a", "ǅ", "1a\u05d0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := NormalizeUsername(s)
		if err != nil {
			return
		}
		checkKey(t, s, key, maxUsername)
		if again, err := NormalizeUsername(key); err != nil || again != key {
			t.Errorf("%q: %q, then %q, %v", s, key, again, err)
		}
		if address, err := NormalizeEmail(s); err == nil && len(address) <= maxUsername && address != key {
			t.Errorf("%q: is %q as a username and %q as an address", s, key, address)
		}
	})
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"Alice@Example.com", "a@BÜCHER.example", "a@xn--bcher-kva.example", "mi\u212ae@example.com", "a@\u212a.com", "a@ẞ.de", "a@1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := NormalizeEmail(s)
		if err != nil {
			return
		}
		checkKey(t, s, key, maxEmail)
		if again, err := NormalizeEmail(key); err != nil || again != key {
			t.Errorf("%q: %q, then %q, %v", s, key, again, err)
		}
		if strings.Count(key, "@") != 1 {
			t.Errorf("%q: %q", s, key)
		}
	})
}

// checkKey checks what holds for every key of an index.
func checkKey(t *testing.T, s, key string, limit int) {
	hidden := func(r rune) bool { return r == ' ' || unicode.IsControl(r) }
	if key == "" || len(key) > limit || !utf8.ValidString(key) || strings.ContainsFunc(key, hidden) {
		t.Errorf("%q: normalised to %q", s, key)
	}
}
