package config

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

func jwksSchema() object {
	keys := object{"type": "array", "items": object{"type": "object"}}
	return object{"anyOf": []object{
		{"type": "object", "properties": object{"keys": keys}, "required": []string{"keys"}},
		{"type": "string"},
	}}
}

// decodeJWKS takes a mapping, or its JSON in a string.
func (l *loader) decodeJWKS(n ast.Node, v reflect.Value, f field, path string) {
	if s, ok := text(n); ok {
		l.set(v, s, f, path)
		return
	}
	set, err := json.Marshal(l.plain(n, path))
	if err != nil { // strings, lists and objects always encode
		panic(fmt.Sprintf("encode %s: %v", path, err))
	}
	v.SetBytes(set)
}

// plain is a node as JSON has it. All scalars are strings, as those of a JWK are.
func (l *loader) plain(n ast.Node, path string) any {
	if path != "" && n != nil {
		l.locate(n, path)
	}
	if members, ok := pairs(n); ok {
		m := object{}
		seen := map[string]int{} // key -> line
		for _, member := range members {
			key := keyOf(member)
			if at := child(path, key); l.unique(member, key, at, seen) {
				m[key] = l.plain(member.Value, at)
			}
		}
		return m
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		list := []any{}
		for i, item := range seq.Values {
			list = append(list, l.plain(item, element(path, i)))
		}
		return list
	}
	s, _ := text(n)
	return s
}
