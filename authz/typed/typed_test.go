package typed_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/typed"
)

func TestPlain(t *testing.T) {
	for code, want := range map[string]string{
		"k4tm-9pwx7-rvd2": "k4tm9pwx7rvd2", "k4tm – 9pwx7 — rvd2": "k4tm9pwx7rvd2", "Ｋ４ｔｍ−9": "K4tm9",
		"\u2066١٢\u2069\u00ad": "12", "": "", "½²": "½²", "a_b": "a_b",
	} {
		if got := typed.Plain(code); got != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"Do Dodo": "Do Dodo", " Do \u00a0 Dodo ": "Do Dodo", "عَلِي": "عَلِي", "می\u200cخواهم": "می\u200cخواهم", "👩\u200d🚀": "👩\u200d🚀", "❤️": "❤️", "O’Brien-Ó": "O’Brien-Ó", "": "", "  ": "",
		strings.Repeat("é", 20): strings.Repeat("é", 20),
	} {
		if got, ok := typed.Name(name, 20); got != want || !ok {
			t.Errorf("%q: got %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{
		"a\r\nBcc: b@example.com", "a\nb", "a\x00b", "a\tb", "a\u0085b", "a\u2028b", "a\u2029b", // lines
		"a\u202eb", "a\u2066b", "a\u200fb", "a\u061cb", "a\ufeffb", "a\u200bb", "a\u00adb", "a\U000e0041b", // no look, or the order of others
		"a\u3164b", "a\u115fb", "a\u034fb", "a\ue000b", // fillers, private use
		"\u200d", "\u200c \u200d", "\u0301", "\ufe0f", "\u2800", "\u3164", // nothing to see
		"a\xffb", strings.Repeat("a", 21), strings.Repeat("é", 21),
	} {
		if got, ok := typed.Name(name, 20); ok {
			t.Errorf("%q: accepted as %q", name, got)
		}
	}
}

func FuzzDigits(f *testing.F) {
	for _, s := range []string{"12345678", "1234 5678", "١٢٣٤٥٦٧٨", "𝟏𝟐𝟑𝟒", "\xff1", "1234-5678-", "１２３４"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		got := typed.Digits(code, 8)
		if len(got) > 8 || strings.Trim(got, "0123456789") != "" || typed.Digits(got, 8) != got {
			t.Errorf("%q: %q", code, got)
		}
		if plain := typed.Plain(code); typed.Plain(plain) != plain {
			t.Errorf("%q: %q, then %q", code, plain, typed.Plain(plain))
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Do Dodo", "a\u202eb", " \u200d ", "\xff", "👩\u200d🚀", "a\r\nb", "\u3164"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := typed.Name(name, 60)
		if !ok {
			return
		}
		if again, ok := typed.Name(got, 60); !ok || again != got || !utf8.ValidString(got) || utf8.RuneCountInString(got) > 60 || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q: %q, then %q", name, got, again)
		}
	})
}
