package config

import (
	"maps"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// ScopeList is a list of scopes, of which each may be a mapping that describes it too: {name, description}, with
// description#de for another language. The descriptions become the scope_descriptions of the resource.
type ScopeList []string

var typeScopeList = reflect.TypeFor[ScopeList]()

// scopeName returns the node of a scope's name, and keeps what describes it for describeScopes.
func (d *document) scopeName(item ast.Node, path, at string) ast.Node {
	members, ok := pairs(item)
	if !ok {
		return item
	}
	var name ast.Node
	described := map[string]*ast.MappingValueNode{}
	seen := map[string]int{}
	for _, m := range members {
		key := keyOf(m)
		switch {
		case !d.unique(m, key, child(at, key), seen):
		case key == "name":
			name = m.Value
		case key == "description", len(key) > len("description#") && key[:len("description#")] == "description#":
			described[key[len("description"):]] = m
		default:
			d.unknownKey(m, []field{{key: "name"}, {key: "description"}}, at)
		}
	}
	if isEmpty(name) {
		d.report(at, nil, problemf("write {name: orders.read, description: See your orders}", "a scope without a name"))
		return nil
	}
	if scope, ok := text(name); ok {
		if d.scopes == nil {
			d.scopes = map[string]map[string]*ast.MappingValueNode{}
		}
		if d.scopes[path] == nil {
			d.scopes[path] = map[string]*ast.MappingValueNode{}
		}
		for tag, m := range described {
			d.scopes[path][scope+tag] = m
		}
	}
	return name
}

// describeScopes adds the descriptions that stood beside the scopes of a resource.
func (d *document) describeScopes(r *Resource, path string) {
	described := d.scopes[child(path, "scopes")]
	if len(described) == 0 {
		return
	}
	all := map[string]string{}
	maps.Copy(all, r.ScopeDescriptions)
	for key, m := range described {
		at := child(child(path, "scope_descriptions"), key)
		if _, twice := all[key]; twice {
			d.report(at, nil, problemf("describe it in one place", "described twice"))
			continue
		}
		d.locate(m.Value, at)
		var value string
		d.decodeScalar(m.Value, reflect.ValueOf(&value).Elem(), field{}, at)
		all[key] = value
	}
	r.ScopeDescriptions = all
}
