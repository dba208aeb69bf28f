package factor

import (
	"strings"
	"testing"
)

func FuzzCode(f *testing.F) {
	for _, s := range []string{"123456", "123 456", " 1-2-3-4-5-6 ", "١٢٣٤٥٦", "12345", "1234567", "", "\u00a0123456", "+12345", "\xff23456"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := NormalCode(s)
		if ok && (len(code) != 6 || strings.Trim(code, "0123456789") != "") {
			t.Errorf("%q: %q", s, code)
		}
	})
}

func FuzzRecoveryCode(f *testing.F) {
	for _, s := range []string{"k4tm-9pwx7-rvd2", "K4TM 9PWX7 RVD2", "oil0-00000-0000", "", "k4tm9pwx7rvd", strings.Repeat(" ", 200), "ｋ4tm-9pwx7-rvd2", "k4tm\x009pwx7rvd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := normalRecovery(s)
		if !ok {
			return
		}
		if len(code) != codeLength || strings.Trim(code, crockford) != "" {
			t.Errorf("%q: %q", s, code)
		}
		if again, ok := normalRecovery(code); !ok || again != code {
			t.Errorf("%q: %q, then %q", s, code, again)
		}
	})
}

func FuzzReadSecret(f *testing.F) {
	f.Add("J5QX 6ZTM KN2W 4RCD P7EA HV3U")
	f.Fuzz(func(t *testing.T, s string) {
		secret, err := ReadSecret(s)
		if err != nil {
			return
		}
		if again, err := ReadSecret(Typed(secret)); err != nil || string(again) != string(secret) {
			t.Errorf("%q: %q, then %q, %v", s, secret, again, err)
		}
	})
}
