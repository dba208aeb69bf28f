package member

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestSecretNeverPrints tries every way in which a value slips into output.
func TestSecretNeverPrints(t *testing.T) {
	const s Secret = "hunter2"
	type holder struct{ S Secret }
	var out bytes.Buffer
	for _, verb := range "vsqxXdTtbcoOUeEfgG" { // all but %p, which has no say in how it prints
		for _, flag := range []string{"", "+", "#", "-20", ".3"} {
			format := "%" + flag + string(verb) + " "
			fmt.Fprintf(&out, format, s)
			fmt.Fprintf(&out, format, holder{s})
			fmt.Fprintf(&out, format, []Secret{s})
			fmt.Fprintf(&out, format, map[Secret]Secret{s: s})
		}
	}
	fmt.Fprintln(&out, s, holder{s}, &holder{s}, fmt.Errorf("x: %v", s))
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info(s.String(), "secret", s, "holder", holder{s}, "list", []Secret{s})
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		for _, v := range []any{s, holder{s}, []Secret{s}, map[string]Secret{"s": s}} {
			b, err := marshal(v)
			if err != nil {
				t.Error(err)
			}
			out.Write(b)
		}
	}
	for _, form := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2")} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Errorf("printed as …%s…", out.String()[max(0, i-40):i+len(form)])
		}
	}
	if fmt.Sprint(Secret("")) != "" {
		t.Error("no secret looks like one")
	}
}
