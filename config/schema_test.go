package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func schema(t *testing.T, of func() ([]byte, error)) (root object, defs object) {
	t.Helper()
	text, err := of()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root, root["$defs"].(object)
}

// TestSchemaDescribesEveryKey proves that no comment is missing from the manual.
func TestSchemaDescribesEveryKey(t *testing.T) {
	describesEveryKey(t, Schema)
	describesEveryKey(t, BFFSchema)
}

func describesEveryKey(t *testing.T, of func() ([]byte, error)) {
	t.Helper()
	root, defs := schema(t, of)
	var walk func(s object, path string)
	walk = func(s object, path string) {
		properties, _ := s["properties"].(object)
		for key, value := range properties {
			property := value.(object)
			doc, _ := property["description"].(string)
			if len(doc) < 10 || regexp.MustCompile(`[a-z][A-Z][a-z]`).MatchString(strings.NewReplacer("OpenID", "", "PostgreSQL", "", "WebSocket", "", "EventSource", "").Replace(doc)) {
				t.Errorf("%s: description %q", child(path, key), doc)
			}
			walk(property, child(path, key))
		}
	}
	walk(root, "")
	for name, def := range defs {
		walk(def.(object), name)
	}
}

// TestSchemaFitsExample proves that an editor does not underline what Load accepts.
func TestSchemaFitsExample(t *testing.T) {
	root, defs := schema(t, Schema)
	var doc any
	if err := yaml.Unmarshal(exampleYAML(t), &doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range violations(root, defs, doc, "") {
		t.Error(e)
	}
	for bad, want := range map[string]string{
		`{"isuer": "x"}`:                               `isuer: unknown`,
		`{"listen": ["x"]}`:                            `listen: not string`,
		`{"log": {"level": "loud"}}`:                   `log.level: not in enum`,
		`{"lifetimes": {"code": "1 day"}}`:             `lifetimes.code: pattern`,
		`{"clients": [{"preset": "spa"}]}`:             `clients[0]: lacks client_id`,
		`{"clients": [{"client_id": "a", "x": 1}]}`:    `clients[0].x: unknown`,
		`{"trusted_proxies": ["intranet"]}`:            `trusted_proxies[0]: pattern`,
		`{"secret_file": {}}`:                          `secret_file: none of anyOf`,
		`{"users": [{"username": "a", "roles": "x"}]}`: `users[0].roles: not array`,
	} {
		var doc any
		if err := json.Unmarshal([]byte(bad), &doc); err != nil {
			t.Fatal(err)
		}
		if got := violations(root, defs, doc, ""); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", bad, got, want)
		}
	}
}

// violations applies as much of JSON Schema as Schema uses, and fails on any other keyword.
func violations(s, defs object, doc any, path string) (found []string) {
	for keyword, value := range s {
		switch keyword {
		case "$schema", "$defs", "title", "description", "default":
		case "$ref":
			name := strings.TrimPrefix(value.(string), "#/$defs/")
			found = append(found, violations(defs[name].(object), defs, doc, path)...)
		case "type":
			if !hasType(doc, value.(string)) {
				return []string{fmt.Sprintf("%s: not %s", path, value)}
			}
		case "enum":
			if !slices.Contains(value.([]any), doc) {
				found = append(found, path+": not in enum")
			}
		case "pattern":
			if text, ok := doc.(string); ok && !regexp.MustCompile(value.(string)).MatchString(text) {
				found = append(found, path+": pattern")
			}
		case "uniqueItems":
			if list, ok := doc.([]any); ok && len(slices.CompactFunc(slices.Clone(list), reflect.DeepEqual)) != len(list) {
				found = append(found, path+": twice")
			}
		case "items":
			list, _ := doc.([]any)
			for i, item := range list {
				found = append(found, violations(value.(object), defs, item, element(path, i))...)
			}
		case "required":
			for _, key := range value.([]any) {
				if _, ok := doc.(object)[key.(string)]; !ok {
					found = append(found, fmt.Sprintf("%s: lacks %s", path, key))
				}
			}
		case "properties":
			for key, member := range doc.(object) {
				if property, ok := value.(object)[key]; ok {
					found = append(found, violations(property.(object), defs, member, child(path, key))...)
				}
			}
		case "additionalProperties":
			for key, member := range doc.(object) {
				properties, _ := s["properties"].(object)
				if _, known := properties[key]; known {
					continue
				}
				if rest, ok := value.(object); ok {
					found = append(found, violations(rest, defs, member, child(path, key))...)
				} else {
					found = append(found, child(path, key)+": unknown")
				}
			}
		case "anyOf":
			if !slices.ContainsFunc(value.([]any), func(s any) bool { return len(violations(s.(object), defs, doc, path)) == 0 }) {
				found = append(found, path+": none of anyOf")
			}
		default:
			found = append(found, "unexpected keyword "+keyword)
		}
	}
	return found
}

func hasType(doc any, name string) bool {
	switch name {
	case "object":
		return is[object](doc)
	case "array":
		return is[[]any](doc)
	case "string":
		return is[string](doc)
	case "boolean":
		return is[bool](doc)
	}
	return name == "integer" && (is[uint64](doc) || is[int64](doc) || is[float64](doc))
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}
