package strictjson

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	josejson "github.com/go-jose/go-jose/v4/json"
)

// ambiguous are texts that two readers could understand in two ways, or that are no JSON.
var ambiguous = map[string]string{
	"empty":                      ``,
	"blank":                      " \n",
	"cut":                        `{"a":1`,
	"no JSON":                    `a=1`,
	"a name twice":               `{"a":1,"a":1}`,
	"a name twice, escaped":      `{"a":1,"\u0061":2}`,
	"a name twice, further in":   `{"a":[{"b":{"c":1,"d":2,"c":3}}]}`,
	"an empty name twice":        `{"":1,"":2}`,
	"a second value":             `{"a":1}{"a":2}`,
	"something after":            `{"a":1}x`,
	"a bracket after":            `{"a":1}]`,
	"not UTF-8":                  "{\"a\":\"\xff\"}",
	"not UTF-8, in a name":       "{\"\xc3\":1}",
	"a comment":                  `{"a":1} // x`,
	"a comma too many":           `{"a":1,}`,
	"a byte order mark":          "\ufeff{}",
	"nested nine deep":           strings.Repeat(`{"a":`, 9) + `1` + strings.Repeat(`}`, 9),
	"nested very deep":           `{"a":` + strings.Repeat("[", 100_000),
	"a control character":        "{\"a\":\"\n\"}",
	"a number with a plus":       `{"a":+1}`,
	"a number that begins with0": `{"a":01}`,
}

func TestObject(t *testing.T) {
	for name, text := range ambiguous {
		if members, err := Object([]byte(text)); err == nil {
			t.Errorf("%s: %q", name, members)
		} else if len(text) > 3 && strings.Contains(err.Error(), text[1:4]) {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
	for _, text := range []string{`[]`, `null`, `"a"`, `1`, `true`} {
		if members, err := Object([]byte(text)); err == nil {
			t.Errorf("%s is no object: %q", text, members)
		}
	}
	for text, want := range map[string][]string{
		`{}`:                          nil,
		" {\n} ":                      nil,
		`{"a":1,"A":2,"b":null}`:      {"A", "a", "b"},
		`{"a":{"x":1},"b":{"x":1}}`:   {"a", "b"},
		`{"a":[{"x":1},{"x":1},"x"]}`: {"a"},
		`{"a":1e999}`:                 {"a"},
		`{"\u0061":"\ud800"}`:         {"a"},
		strings.Repeat(`{"a":`, 7) + `[]` + strings.Repeat(`}`, 7): {"a"},
	} {
		members, err := Object([]byte(text))
		if got := slices.Sorted(maps.Keys(members)); err != nil || !slices.Equal(got, want) || members == nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// thing is what Unmarshal reads in these tests.
type thing struct {
	Sub   string `json:"sub,omitempty"`
	Count int    `json:"count,omitempty"`
	List  []struct {
		Key string `json:"key,omitempty"`
	} `json:"list,omitempty"`
	Any any `json:"any,omitempty"`
}

func TestUnmarshal(t *testing.T) {
	for name, text := range ambiguous {
		if err := Unmarshal([]byte(text), new(any)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	for name, text := range map[string]string{
		"an unknown member":               `{"sub":"a","other":1}`,
		"an unknown member, further in":   `{"list":[{"other":1}]}`,
		"another type":                    `{"count":"1"}`,
		"a list":                          `[]`,
		"names that are one to the field": `{"sub":"a","Sub":"b"}`,
		"a long s":                        "{\"sub\":\"a\",\"\u017fub\":\"b\"}",
		"a Kelvin sign":                   "{\"list\":[{\"key\":\"a\",\"\u212aey\":\"b\"}]}",
	} {
		if err := Unmarshal([]byte(text), new(thing)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if err := Unmarshal([]byte(`{"other":1}`), new(thing)); err == nil || err.Error() != `unknown field "other"` {
		t.Errorf("an unknown member: %v", err)
	}
	var got thing
	if err := Unmarshal([]byte(` {"sub":"a","count":3,"list":[{"key":"b"}],"any":{"n":1e999}} `), &got); err != nil {
		t.Fatal(err)
	}
	if got.Sub != "a" || got.Count != 3 || got.List[0].Key != "b" || !reflect.DeepEqual(got.Any, map[string]any{"n": json.Number("1e999")}) {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]any{`null`: nil, `"a"`: "a", `[1]`: []any{json.Number("1")}} {
		var got any
		if err := Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func addSeeds(f *testing.F) {
	for _, text := range ambiguous {
		f.Add([]byte(text[:min(len(text), 1000)]))
	}
	f.Add([]byte(`{"sub":"a","count":3,"list":[{"key":"b"}],"any":{"n":1e999}}`))
	f.Add([]byte(`{"a":1,"A":2,"b":{"\u0061":[null,true,"\ud800"]}}`))
	f.Add([]byte("{\"\u017fub\":\"a\"}"))
}

// Another strict reader accepts everything that Object accepts, and finds the same members in it.
func FuzzObject(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		members, err := Object(text)
		if err != nil {
			return
		}
		other := map[string]josejson.RawMessage{}
		if err := josejson.Unmarshal(text, &other); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(other) != len(members) {
			t.Errorf("%q: %d members, and %d", text, len(members), len(other))
		}
		for name, raw := range members {
			if string(other[name]) != string(raw) || !json.Valid(raw) {
				t.Errorf("%q: member %q is %q, and %q", text, name, raw, other[name])
			}
		}
	})
}

// A value that Unmarshal accepts is the same after it was written and read again.
func FuzzUnmarshal(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var got thing
		if Unmarshal(text, &got) != nil {
			return
		}
		written, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var again thing
		if err := Unmarshal(written, &again); err != nil || len(got.List) > 0 && !reflect.DeepEqual(got, again) || got.Sub != again.Sub || got.Count != again.Count {
			t.Errorf("%q became %+v, and %q %+v: %v", text, got, written, again, err)
		}
	})
}
