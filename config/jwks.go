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
func (d *document) decodeJWKS(n ast.Node, v reflect.Value, f field, path string) {
	if s, ok := text(n); ok {
		d.set(v, s, f, path)
		return
	}
	set, err := json.Marshal(d.plain(n, path))
	if err != nil { // strings, lists and objects always encode
		panic(fmt.Sprintf("encode %s: %v", path, err))
	}
	v.SetBytes(set)
}

// plain is a node as JSON has it. All scalars are strings, as those of a JWK are.
func (d *document) plain(n ast.Node, path string) any {
	if path != "" && n != nil {
		d.locate(n, path)
	}
	if members, ok := pairs(n); ok {
		m := object{}
		seen := map[string]int{} // key -> line
		for _, member := range members {
			key := keyOf(member)
			if at := child(path, key); d.unique(member, key, at, seen) {
				m[key] = d.plain(member.Value, at)
			}
		}
		return m
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		list := []any{}
		for i, item := range seq.Values {
			list = append(list, d.plain(item, element(path, i)))
		}
		return list
	}
	s, _ := text(n)
	return s
}
