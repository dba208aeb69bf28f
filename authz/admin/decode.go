package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/strictjson"
)

// decode reads a JSON object into the struct that v points to. The error is a *Problem with everything that
// is wrong. Members that the type lacks are wrong too, because a caller that sends one expects an effect.
func decode(body []byte, v any) error {
	members, err := parseObject(body)
	if err != nil {
		return err
	}
	if errs := decodeMembers(members, reflect.ValueOf(v).Elem(), ""); len(errs) > 0 {
		return Invalid(errs...)
	}
	return nil
}

func parseObject(body []byte) (map[string]json.RawMessage, error) {
	members, err := strictjson.Object(body)
	if err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Detail: "The body is not a usable JSON object: " + err.Error() + "."}
	}
	return members, nil
}

// maxErrors bounds the length of a problem: a body can have a hundred thousand unknown members.
const maxErrors = 100

// Invalid is the problem of a request with these errors, or the first of them.
func Invalid(errs ...FieldError) *Problem {
	errs = errs[:min(len(errs), maxErrors)]
	return &Problem{Status: http.StatusUnprocessableEntity, Code: CodeInvalid, Detail: "The request has members that are wrong.", Errors: errs}
}

// Wrong returns the problem of a description with these wrong members, or nil if there is none.
func Wrong(members member.Problems) error {
	if len(members) == 0 {
		return nil
	}
	errs := make([]FieldError, len(members))
	for i, p := range members {
		errs[i] = FieldError{Pointer: p.Pointer(), Detail: p.Reason, Hint: p.Hint}
	}
	return Invalid(errs...)
}

// decodeMembers sets the fields of a struct. null counts as absent.
func decodeMembers(members map[string]json.RawMessage, v reflect.Value, at string) []FieldError {
	fields := fieldsOf(v.Type())
	var errs []FieldError
	for name, raw := range members {
		pointer := at + "/" + escapePointer(name)
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return jsonName(f) == name })
		switch {
		case i < 0:
			errs = append(errs, FieldError{Pointer: pointer, Detail: "unknown, or not to be set", Hint: nearest(name, fields)})
		case string(raw) != "null":
			errs = append(errs, decodeMember(raw, v.FieldByIndex(fields[i].Index), pointer)...)
		}
	}
	slices.SortFunc(errs, func(a, b FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
	return errs
}

func decodeMember(raw json.RawMessage, field reflect.Value, pointer string) []FieldError {
	t := field.Type()
	if t.Kind() == reflect.Struct && t != typeTime {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return []FieldError{{Pointer: pointer, Detail: "must be an object"}}
		}
		return decodeMembers(members, field, pointer)
	}
	if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
		if flaw := new(member.Flaw); errors.As(err, &flaw) {
			return []FieldError{{Pointer: pointer, Detail: flaw.Reason, Hint: flaw.Hint}}
		}
		return []FieldError{{Pointer: pointer, Detail: "must be " + shape(t)}}
	}
	var errs []FieldError
	check := func(s, at string) {
		if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
			errs = append(errs, FieldError{Pointer: at, Detail: "has a control character"})
		}
	}
	switch value := field.Interface().(type) {
	case string:
		check(value, pointer)
	case member.Duration:
		if value == 0 {
			errs = append(errs, FieldError{Pointer: pointer, Detail: "must be at least 1s", Hint: "remove it, and the server's default holds"})
		}
	case []string:
		for i, s := range value {
			check(s, fmt.Sprintf("%s/%d", pointer, i))
		}
	}
	return errs
}

// shape describes a type in words.
func shape(t reflect.Type) string {
	switch {
	case t == typeScopes, t == typeDuration:
		return "a string"
	case t == typeJWKS:
		return "JSON of another form"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list of strings"
	}
	return "JSON of another form"
}

// fieldsOf returns the members of a struct, including those of embedded ones.
func fieldsOf(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.Anonymous || !f.IsExported() || jsonName(f) == "-"
	})
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// nearest returns a hint for a name that is nearly right.
func nearest(name string, fields []reflect.StructField) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	for _, f := range fields {
		known := jsonName(f)
		a, b := strings.TrimSuffix(plain(name), "s"), strings.TrimSuffix(plain(known), "s")
		if a == b {
			return "did you mean " + known + "?"
		}
	}
	return ""
}

// escapePointer follows RFC 6901 section 3, and leaves out unreadable characters.
func escapePointer(name string) string {
	const most = 64
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func parsePatch(body []byte) (MergePatch, error) { return parseObject(body) }

// Apply changes the struct that v points to as the patch says, and leaves other members unchanged. The error
// is a *Problem.
func (p MergePatch) Apply(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode what is to be patched: %w", err)
	}
	patch, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	if raw, err = merge(raw, patch); err != nil {
		return err
	}
	into := reflect.ValueOf(v).Elem()
	into.SetZero()
	return decode(raw, v)
}

// merge is MergePatch of RFC 7396 section 2.
func merge(target, patch json.RawMessage) (json.RawMessage, error) {
	var changes map[string]json.RawMessage
	if json.Unmarshal(patch, &changes) != nil || changes == nil {
		return patch, nil // not an object: it replaces the old value
	}
	merged := map[string]json.RawMessage{}
	_ = json.Unmarshal(target, &merged) // a value that is not an object counts as empty
	if merged == nil {
		merged = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if string(change) == "null" {
			delete(merged, name)
			continue
		}
		value, err := merge(merged[name], change)
		if err != nil {
			return nil, err
		}
		merged[name] = value
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("encode what was patched: %w", err)
	}
	return raw, nil
}
