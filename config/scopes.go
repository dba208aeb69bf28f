package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// ScopeList is a list of scopes, of which each may be a mapping that describes it too: {name, description, changes}, with
// description#de for another language. The descriptions become the scope_descriptions of the resource, and the scopes
// with changes: true its changing_scopes.
type ScopeList []string

// changingScope is a scope with the member changes.
type changingScope struct {
	name  string
	value *ast.MappingValueNode // true or false
}

var typeScopeList = reflect.TypeFor[ScopeList]()

// scopeName returns the node of a scope's name, and keeps what describes it for describeScopes.
func (d *document) scopeName(item ast.Node, path, at string) ast.Node {
	members, ok := pairs(item)
	if !ok {
		return item
	}
	var name ast.Node
	var changes *ast.MappingValueNode
	described := map[string]*ast.MappingValueNode{}
	seen := map[string]int{}
	for _, m := range members {
		key := keyOf(m)
		switch {
		case !d.unique(m, key, child(at, key), seen):
		case key == "name":
			name = m.Value
		case key == "changes":
			changes = m
		case key == "description", len(key) > len("description#") && key[:len("description#")] == "description#":
			described[key[len("description"):]] = m
		default:
			d.unknownKey(m, []field{{key: "name"}, {key: "description"}, {key: "changes"}}, at)
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
		if changes != nil {
			if d.changing == nil {
				d.changing = map[string][]changingScope{}
			}
			d.changing[path] = append(d.changing[path], changingScope{scope, changes})
		}
	}
	return name
}

// describeScopes adds what stood beside the scopes of a resource.
func (d *document) describeScopes(r *Resource, path string) {
	d.addDescriptions(r, path)
	for _, c := range d.changing[child(path, "scopes")] {
		at := element(child(path, "changing_scopes"), len(r.ChangingScopes))
		d.locate(c.value.Value, at)
		var changes bool
		d.decodeScalar(c.value.Value, reflect.ValueOf(&changes).Elem(), field{}, at)
		switch {
		case slices.Contains(r.ChangingScopes, c.name):
			d.report(at, nil, problemf("say it in one place", "%s is listed under changing_scopes too", c.name))
		case changes:
			r.ChangingScopes = append(r.ChangingScopes, c.name)
		}
	}
}

// addDescriptions adds the descriptions that stood beside the scopes of a resource.
func (d *document) addDescriptions(r *Resource, path string) {
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
