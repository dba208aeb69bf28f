package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/authzd/authzd/authz/member"
)

// decode sets v from a node of the tree. What has been set before stays: files are decoded from
// the one that wins to the one that only fills gaps.
func (d *document) decode(n ast.Node, v reflect.Value, f field, path string) {
	if isEmpty(n) {
		return
	}
	t := v.Type()
	switch {
	case isEntries(t):
		d.decodeEntries(n, v, path)
	case t.Kind() == reflect.Struct && !isScalar(t):
		d.locate(n, path)
		d.decodeMapping(n, v, path)
	case d.given(path):
		d.secretTwice(n, path, path)
	case t == typeJWKS:
		d.locate(n, path)
		d.decodeJWKS(n, v, f, path)
	case isScalar(t):
		d.locate(n, path)
		d.decodeScalar(n, v, f, path)
	case t.Kind() == reflect.Map:
		d.locate(n, path)
		d.decodeMap(n, v, path)
	default:
		d.locate(n, path)
		d.decodeList(n, v, f, path)
	}
}

func (d *document) locate(n ast.Node, path string) {
	if pos := position(n); path != "" {
		d.origins[path] = origin{file: d.file, line: pos.Line, column: pos.Column}
	}
}

func (d *document) decodeScalar(n ast.Node, v reflect.Value, f field, path string) {
	s, ok := text(n)
	if !ok {
		hint := "write a single value"
		if v.Type() == typeScopes {
			hint = "write the scopes in one string, separated by spaces"
		}
		d.report(path, nil, problemf(hint, "expected a single value, found %s", kind(n)))
		return
	}
	if f.path == "true" {
		s = d.inFolder(s)
	}
	d.set(v, s, f, path)
}

// set parses a scalar from the file or a variable, and reports what is wrong with it.
func (d *document) set(v reflect.Value, s string, f field, path string) {
	var shown any = s
	switch v.Type() {
	case typeSecret:
		shown = member.Secret(s)
		d.holdsSecrets = d.holdsSecrets || d.originOf(path).variable == "" && d.file == d.name
	case typeJWKS:
		shown = nil // somebody may have put a private key into it
	}
	if flaw := member.ControlFlaw(s, f.multiline); flaw != nil {
		d.report(path, shown, flaw)
		return
	}
	d.report(path, shown, setScalar(v, s, f))
}

func (d *document) decodeMapping(n ast.Node, v reflect.Value, path string) {
	members, ok := pairs(n)
	if !ok {
		d.report(path, nil, problemf("write its keys below it, indented", "expected a mapping, found %s", kind(n)))
		return
	}
	fields := fieldsOf(v.Type())
	seen := map[string]int{} // key -> line
	for _, m := range members {
		key := keyOf(m)
		if !d.unique(m, key, child(path, key), seen) {
			continue
		}
		isKey := func(f field) bool { return f.key == key }
		isFile := func(f field) bool { return f.typ == typeSecret && f.fileKey() == key }
		if i := slices.IndexFunc(fields, isKey); i >= 0 {
			d.decode(m.Value, v.Field(fields[i].index), fields[i], child(path, key))
		} else if i := slices.IndexFunc(fields, isFile); i >= 0 {
			d.decodeSecretFile(m.Value, v.Field(fields[i].index), child(path, fields[i].key))
		} else {
			d.unknownKey(m, fields, path)
		}
	}
	if v.CanAddr() {
		if r, ok := v.Addr().Interface().(*Resource); ok {
			d.describeScopes(r, path)
		}
	}
}

// unique reports a key that stands twice in one mapping.
func (d *document) unique(m *ast.MappingValueNode, key, path string, seen map[string]int) bool {
	at := m.Key.GetToken().Position
	if line, dup := seen[key]; dup {
		d.add(&Error{
			File: d.file, Line: at.Line, Column: at.Column, Key: path,
			Reason: fmt.Sprintf("given twice, first on line %d", line), Hint: "remove one of the two",
		})
		return false
	}
	seen[key] = at.Line
	return true
}

func (d *document) unknownKey(m *ast.MappingValueNode, fields []field, path string) {
	var known []string
	for _, f := range fields {
		known = append(known, f.key)
		if f.typ == typeSecret {
			known = append(known, f.fileKey())
		}
	}
	key := keyOf(m)
	hint := "the keys here are " + strings.Join(known, ", ")
	if near := member.Nearest(key, known); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if elsewhere := findKey(d.root.Type(), key); elsewhere != "" {
		hint = fmt.Sprintf("did you mean %s?", elsewhere)
	}
	at := m.Key.GetToken().Position
	d.add(&Error{
		File: d.file, Line: at.Line, Column: at.Column, Key: child(path, key), Reason: "unknown key", Hint: hint,
	})
}

// findKey is the path of a key of this name anywhere in a configuration.
func findKey(root reflect.Type, key string) string {
	var walk func(t reflect.Type, path string) string
	walk = func(t reflect.Type, path string) string {
		for _, f := range fieldsOf(t) {
			p := child(path, f.key)
			if f.key == key {
				return p
			}
			next := f.typ
			if isEntries(next) {
				next, p = next.Elem(), p+"[]"
			}
			if next.Kind() == reflect.Struct && !isScalar(next) {
				if found := walk(next, p); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return walk(root, "")
}

// decodeEntries appends the entries of a list, except those whose identifier is there already
// from a file that wins over this one.
func (d *document) decodeEntries(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.locate(n, path)
		d.report(path, nil, problemf("begin each entry with \"- \"", "expected a list, found %s", kind(n)))
		return
	}
	t := v.Type().Elem()
	taken := identifiers(v)
	for _, item := range seq.Values {
		i := v.Len()
		at := element(path, i)
		d.locate(item, at)
		if isEmpty(item) {
			d.report(at, nil, problemf("remove the dash", "empty entry"))
		}
		if id := entryID(item, fieldsOf(t)[0].key); id != "" && slices.Contains(taken, id) {
			continue
		}
		v.Set(reflect.Append(v, reflect.Zero(t)))
		d.decode(item, v.Index(i), field{}, at)
	}
}

// identifiers are those of the entries; secrets are none.
func identifiers(entries reflect.Value) []string {
	if entries.Type().Elem().Field(0).Type == typeSecret {
		return nil
	}
	ids := make([]string, entries.Len())
	for i := range ids {
		ids[i] = entries.Index(i).Field(0).String()
	}
	return ids
}

func entryID(n ast.Node, key string) string {
	members, _ := pairs(n)
	for _, m := range members {
		if keyOf(m) == key {
			id, _ := text(m.Value)
			return id
		}
	}
	return ""
}

// decodeList sets a list of scalars. A PathList may be a single one.
func (d *document) decodeList(n ast.Node, v reflect.Value, f field, path string) {
	items := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		items = seq.Values
	} else if v.Type() != typePaths {
		d.report(path, nil, problemf("write it in brackets, or as lines that begin with \"- \"",
			"expected a list, found %s", kind(n)))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := element(path, i)
		d.locate(item, at)
		if isEmpty(item) {
			d.report(at, nil, problemf("quote a value that begins with #, or remove the entry", "empty entry"))
			continue
		}
		if v.Type() == typeScopeList {
			if item = d.scopeName(item, path, at); item == nil {
				continue
			}
		}
		d.decodeScalar(item, list.Index(i), f, at)
	}
	d.setList(v, list, path)
}

// setList sets a list and reports what stands in it twice.
func (d *document) setList(v, list reflect.Value, path string) {
	seen := map[any]bool{}
	for i := range list.Len() {
		item := list.Index(i).Interface()
		if seen[item] {
			d.report(element(path, i), item, problemf("remove one of the two", "given twice"))
		}
		seen[item] = true
	}
	v.Set(list)
}

func (d *document) decodeMap(n ast.Node, v reflect.Value, path string) {
	members, ok := pairs(n)
	if !ok {
		d.report(path, nil, problemf("write names and values below it, indented", "expected a mapping, found %s", kind(n)))
		return
	}
	m := reflect.MakeMap(v.Type())
	seen := map[string]int{}
	for _, member := range members {
		key := keyOf(member)
		at := child(path, key)
		if !d.unique(member, key, at, seen) {
			continue
		}
		d.locate(member.Value, at)
		if isEmpty(member.Value) {
			d.report(at, nil, problemf("quote a value that begins with #, or remove the key", "no value"))
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.decodeScalar(member.Value, value, field{}, at)
		m.SetMapIndex(reflect.ValueOf(key), value)
	}
	v.Set(m)
}
