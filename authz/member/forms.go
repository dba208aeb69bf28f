package member

import (
	"fmt"
	"reflect"
	"strings"
)

// Name returns the name of the member that a field of a description holds: that of its yaml tag, or else of its json
// tag. It is empty if the field holds none.
func Name(f reflect.StructField) string {
	for _, kind := range []string{"yaml", "json"} {
		if name, _, _ := strings.Cut(f.Tag.Get(kind), ","); name != "" && name != "-" && f.IsExported() {
			return name
		}
	}
	return ""
}

// Forms returns what is wrong with the forms of single values of a description, which is a pointer to a struct. It
// knows what the tags of the fields demand: enum lists the values that a field or its elements may have, known those
// of a standard's registry that this server knows, and multiline allows line breaks.
func Forms(description any) Problems {
	var found Problems
	found.forms(reflect.ValueOf(description).Elem(), "")
	return found
}

func (ps *Problems) forms(v reflect.Value, path string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := Name(f)
		if name == "" {
			continue
		}
		at, allowed, multiline := Child(path, name), Enum(f), f.Tag.Get("multiline") != ""
		switch value := v.Field(i); {
		case value.Kind() == reflect.String:
			ps.Add(at, value.Interface(), formFlaw(value.String(), allowed, multiline))
		case value.Kind() == reflect.Struct:
			ps.forms(value, at)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.String:
			ps.list(value, at, allowed)
		}
	}
}

func (ps *Problems) list(values reflect.Value, path string, allowed []string) {
	seen := map[string]bool{}
	for i := range values.Len() {
		value, at := values.Index(i).String(), Element(path, i)
		switch {
		case value == "":
			ps.Add(at, nil, Flawf("quote a value that begins with #, or remove the entry", "empty entry"))
		case seen[value]:
			ps.Add(at, value, Flawf("remove one of the two", "given twice"))
		default:
			ps.Add(at, value, formFlaw(value, allowed, false))
		}
		seen[value] = true
	}
}

func formFlaw(value string, allowed []string, multiline bool) *Flaw {
	if flaw := ControlFlaw(value, multiline); flaw != nil {
		return flaw
	}
	return EnumFlaw(value, allowed)
}

// ControlFlaw refuses control characters. A line break is none if the value may have several lines.
func ControlFlaw(value string, multiline bool) *Flaw {
	control := func(r rune) bool { return (r < ' ' && !(r == '\n' && multiline)) || r == 0x7f }
	if strings.ContainsFunc(value, control) {
		return Flawf("remove line breaks, tabs and the like", "contains a control character")
	}
	return nil
}

// Enum returns the only values that a field may have; nil: any.
func Enum(f reflect.StructField) []string {
	for _, tag := range []string{"enum", "known"} {
		if values := f.Tag.Get(tag); values != "" {
			return strings.Split(values, ",")
		}
	}
	return nil
}

// EnumFlaw refuses a value that is not among those allowed. An empty one counts as not given.
func EnumFlaw(value string, allowed []string) *Flaw {
	if allowed == nil || value == "" {
		return nil
	}
	for _, one := range allowed {
		if value == one {
			return nil
		}
	}
	hint := "one of " + strings.Join(allowed, ", ")
	if len(allowed) == 1 {
		hint = "only " + allowed[0] + " is possible"
	}
	if near := Nearest(value, allowed); near != "" && len(allowed) > 1 {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return Flawf(hint, "not a value of this key")
}

// LabelFlaw is for names that people see.
func LabelFlaw(s string) *Flaw {
	const most = 100 // characters
	switch {
	case strings.TrimSpace(s) == "":
		return Flawf("give it a name", "is blank")
	case len([]rune(s)) > most:
		return Flawf("shorten it", "longer than %d characters", most)
	}
	return nil
}
