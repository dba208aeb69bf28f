package templates

import (
	"reflect"
	"strings"
	"testing"
)

func TestDiffer(t *testing.T) {
	long := strings.Repeat("x", maxDiffer)
	for _, c := range []struct {
		value, other string
		want         []Part
	}{
		{"https://a/cb", "", []Part{{"https://a/cb", false}}},
		{"https://a/cb/", "https://a/cb", []Part{{"https://a/cb", false}, {"/", true}}},
		{"https://a/cb", "https://a/cb/", []Part{{"https://a/cb", false}}},
		{"http://a/cb/", "https://a/cb", []Part{{"http://a/cb", false}, {"/", true}}},
		{"é", "e", []Part{{"é", true}}},
		{"", "x", nil},
		{long, "xy", []Part{{long, false}}},
	} {
		if got := differ(c.value, c.other); !reflect.DeepEqual(got, c.want) {
			t.Errorf("differ(%.20q, %.20q) = %.60v, want %.60v", c.value, c.other, got, c.want)
		}
	}
}

func FuzzDiffer(f *testing.F) {
	f.Add("http://localhost:4200/calback/", "http://localhost:4200/callback")
	f.Fuzz(func(t *testing.T, value, other string) {
		var joined strings.Builder
		for _, part := range differ(value, other) {
			joined.WriteString(part.Text)
		}
		if got := joined.String(); got != value && got != string([]rune(value)) {
			t.Errorf("differ(%q, %q) says %q", value, other, got)
		}
	})
}
