package interaction

import (
	"strings"
	"testing"
)

// Codes are drawn evenly, and are read as they are shown.
func TestUserCode(t *testing.T) {
	t.Parallel()
	seen := map[rune]int{}
	for range 5000 {
		code := newUserCode()
		normal, ok := normalUserCode(code)
		if !ok || normal != strings.ReplaceAll(code, "-", "") || len(code) != 9 || code[4] != '-' {
			t.Fatalf("%q is read as %q", code, normal)
		}
		for _, r := range normal {
			seen[r]++
		}
	}
	for _, r := range userCodeLetters { // 2000 of each on average; 6 sigma
		if seen[r] < 1735 || seen[r] > 2265 {
			t.Errorf("%c %d times", r, seen[r])
		}
	}
	if len(seen) != len(userCodeLetters) {
		t.Errorf("%d letters", len(seen))
	}
}

func FuzzUserCode(f *testing.F) {
	for _, typed := range []string{"WDJB-MJHT", "wdjbmjht", " w d j b – m j h t.", "WDJB-MJH", "AEIO-UYAE", "ſ", "\xff", "WDJB-MJHTX", "ＷＤＪＢＭＪＨＴ"} {
		f.Add(typed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := normalUserCode(typed)
		if !ok {
			return
		}
		if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
			t.Errorf("%q is read as %q", typed, code)
		}
		if again, ok := normalUserCode(code[:4] + "-" + code[4:]); !ok || again != code {
			t.Errorf("%q is read as %q", code, again)
		}
	})
}
