package config

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// keysOfSchema are the paths of all keys that hold a value, such as clients[].redirect_uris.
func keysOfSchema(t *testing.T, of func() ([]byte, error)) (keys []string) {
	t.Helper()
	root, defs := schema(t, of)
	var walk func(s object, path string)
	walk = func(s object, path string) {
		properties, _ := s["properties"].(object)
		for key, value := range properties {
			property, at := value.(object), child(path, key)
			items, _ := property["items"].(object)
			switch ref, _ := items["$ref"].(string); {
			case ref != "":
				walk(defs[strings.TrimPrefix(ref, "#/$defs/")].(object), at+"[]")
			case property["properties"] != nil:
				walk(property, at)
			default:
				keys = append(keys, at)
			}
		}
	}
	walk(root, "")
	slices.Sort(keys)
	return keys
}

var index = regexp.MustCompile(`\[[0-9]+\]`)

// TestEveryMistakeAtOnce: a file with a mistake in every key is told all of them in one run, each with its line, its
// key and what to do. The keys are those of the schema: one that is added needs a mistake in mistakes.yaml.
func TestEveryMistakeAtOnce(t *testing.T) {
	_, err := Load("testdata/mistakes.yaml", nil)
	everyMistake(t, "testdata/mistakes.yaml", err, Schema)
	_, err = LoadBFF("testdata/bff_mistakes.yaml", nil)
	everyMistake(t, "testdata/bff_mistakes.yaml", err, BFFSchema)
}

// everyMistake looks for each key of the schema among the errors of a file.
func everyMistake(t *testing.T, name string, of error, schema func() ([]byte, error)) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var errs Errors
	if !errors.As(of, &errs) {
		t.Fatalf("%v", of)
	}
	said := map[string]bool{}
	for _, e := range errs {
		if e.Hint == "" || e.Line == 0 || e.Key == "" || emptyName.MatchString(e.Hint) {
			t.Errorf("%v -> %q", e, e.Hint)
			continue
		}
		key, found := index.ReplaceAllString(e.Key, "[]"), false
		for k := key; k != ""; k = k[:max(strings.LastIndexAny(k, ".["), 0)] {
			last := strings.TrimSuffix(k[strings.LastIndexByte(k, '.')+1:], "[]")
			said[k] = said[k] || strings.Contains(lines[e.Line-1], last+":")
			found = found || strings.Contains(lines[e.Line-2]+lines[e.Line-1], last+":") // a section begins with its first key
		}
		if !found {
			t.Errorf("%v: this is not the line of the key", e)
		}
	}
	keys := keysOfSchema(t, schema)
	for _, key := range keys {
		if !said[key] {
			t.Errorf("no error has the key %s and its line", key)
		}
	}
	t.Logf("%d keys, %d errors", len(keys), len(errs))
	if t.Failed() {
		for _, e := range errs {
			t.Logf("%v\n\t%s", e, e.Hint)
		}
	}
}

// TestMistakesOfOneFile: what is told at once does not wait for the rest to be mended.
func TestMistakesOfOneFile(t *testing.T) {
	compare(t, errorsOf(t, `issuer: https://id.example.com
branding: {css: {accent: red}}
clients:
  - client_id: a
    preset: native
    first_pary: true
    jwks: {keys: []}
    redirect_uris: ["http://LOCALHOST:4200/cb", "com.example.app://a!b/cb"]
users:
  - username: a b
`), []string{
		`f:2:26: branding.css.accent "red": is not a colour`,
		"f:6:5: clients[0].first_pary: unknown key",
		"f:7:11: clients[0].jwks: has no keys",
		`f:8:21: clients[0].redirect_uris[0] "http://LOCALHOST:4200/cb": must be https`,
		`f:8:49: clients[0].redirect_uris[1] "com.example.app://a!b/cb": its host has a character that is in no name, or belongs in Punycode`,
		`f:10:15: users[0].username "a b": has a character that is not allowed`,
	})
}
