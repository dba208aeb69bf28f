package resource

import (
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

func FuzzDecodeDetails(f *testing.F) {
	for _, seed := range []string{
		`[{"type":"payment","amount":{"value":"1.50","limit":12345678901234567890},"actions":["a","b"]}]`, `[{"type":"a"},{"type":"b","identifier":"x"}]`,
		`[]`, `null`, `{`, `[{"type":"a","type":"b"}]`, `[{"type":"a"}]]`, `[{"type":"a","x":[[[[[[[[[[]]]]]]]]]]}]`, `[{"type":"a","x":1e999}]`, "[{\"type\":\"\u202e\"}]",
		`[{"type":"a","x":"\ud800"}]`, `[{"type":"a","X":1,"x":2}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		details, err := decodeDetails(raw)
		if err != nil {
			if oauth.AsError(err).Code != oauth.InvalidDetails {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		again, err := GrantedDetails(EncodeDetails(details))
		if err != nil || !reflect.DeepEqual(again, details) {
			t.Errorf("%q is %v, stored and read it is %v, %v", raw, details, again, err)
		}
		for i, d := range details {
			if d.typ() == "" || !d.within(again[i]) {
				t.Errorf("%q: %v is more than itself", raw, d)
			}
			for name, value := range d {
				if shown := shownValue(value); !utf8.ValidString(name+shown) || utf8.RuneCountInString(shown) > templates.MaxDetailValue {
					t.Errorf("%q: %q can't be shown", raw, name)
				}
			}
		}
	})
}
