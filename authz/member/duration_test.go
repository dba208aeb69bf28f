package member

import "testing"

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"0s": "0s", "90s": "1m30s", "60s": "1m", "3600s": "1h", "1h0m1s": "1h0m1s", "720h": "720h", "100m": "1h40m", "10s": "10s", "1500ms": "1.5s",
	} {
		d, _ := ParseDuration(text)
		if got := Duration(d).String(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
