package observe

import (
	"slices"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 32, ""},
		{"plain", 32, "plain"},
		{"with space", 32, "with space"},
		{"é 世界", 32, "é 世界"},
		{"a\nb\r\tc\x00\x7f", 64, `a\u000ab\u000d\u0009c\u0000\u007f`},
		{"\x1b[31mred", 32, `\u001b[31mred`},
		{"a\u202eb\u200bc\u00a0d", 32, `a\u202eb\u200bc\u00a0d`},
		{"bad \xff utf", 32, `bad \ufffd utf`},
		{"azr_abc-_1 rest", 32, "[redacted] rest"},
		{"x=1&code=abc&y=2", 32, "x=1&[redacted]&y=2"},
		{"error_code=5", 32, "error_code=5"},
		{"Token=abc", 32, "[redacted]"},
		{"code%3Dabc", 32, "[redacted]"},
		{"a basic mistake", 32, "a basic mistake"},
		{"the token was rotated", 32, "the token was rotated"},
		{strings.Repeat("x", 33), 32, strings.Repeat("x", 29) + "…"},
		{strings.Repeat("é", 17), 32, strings.Repeat("é", 14) + "…"},
	} {
		if got := Clean(test.in, test.limit); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range slices.Concat(secrets, []string{"a\nb", "code=x", "\xff", "Bearer abcdefghij", "é"}) {
		f.Add(s, 32)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 8 || limit > 4096 {
			return
		}
		got := Clean(s, limit)
		if len(got) > limit {
			t.Errorf("%d bytes, limit %d", len(got), limit)
		}
		if strings.ContainsFunc(got, hidden) {
			t.Errorf("%q: hidden characters in %q", s, got)
		}
		if len(s) <= limit {
			// The short cuts must not let anything through that the expression finds.
			if slow := cut(escape(credentials.ReplaceAllString(s, redacted)), limit); got != slow {
				t.Errorf("%q: %q, without short cuts %q", s, got, slow)
			}
		}
	})
}
