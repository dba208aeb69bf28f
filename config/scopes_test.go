package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const anAPI = "issuer: http://localhost:9010\nresources:\n  - resource: https://api.example.com\n"

// A scope may stand with its description, which is as good as one in scope_descriptions.
func TestDescribedScopes(t *testing.T) {
	c, err := Parse("f", []byte(anAPI+`    scopes:
      - orders.read
      - {name: orders.write, description: Change your orders, "description#de": Ihre Bestellungen ändern}
      - name: orders.delete
        description: Delete your orders
    scope_descriptions: {orders.read: See your orders}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Resources[0]
	if want := []string{"orders.read", "orders.write", "orders.delete"}; !slices.Equal(r.Scopes, want) {
		t.Errorf("scopes %q", r.Scopes)
	}
	if want := map[string]string{
		"orders.read": "See your orders", "orders.write": "Change your orders",
		"orders.write#de": "Ihre Bestellungen ändern", "orders.delete": "Delete your orders",
	}; !maps.Equal(r.ScopeDescriptions, want) {
		t.Errorf("descriptions %q", r.ScopeDescriptions)
	}
	printed, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse("f", printed, nil); err != nil || !maps.Equal(again.Resources[0].ScopeDescriptions, r.ScopeDescriptions) {
		t.Errorf("what is printed reads otherwise: %v\n%s", err, printed)
	}
}

// A scope says itself that it changes something, or changing_scopes does.
func TestChangingScopes(t *testing.T) {
	c, err := Parse("f", []byte(anAPI+`    scopes: [a, {name: b, changes: true}, {name: c, changes: false}, {name: d, description: D, changes: true}]
    changing_scopes: [a]
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "b", "d"}
	if got := c.Resources[0].ChangingScopes; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	printed, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse("f", printed, nil); err != nil || !slices.Equal(again.Resources[0].ChangingScopes, want) {
		t.Errorf("what is printed reads otherwise: %v\n%s", err, printed)
	}
}

func TestDescribedScopesWrong(t *testing.T) {
	for scopes, want := range map[string]string{
		`[{description: See it}]`:          `f:4:14: resources[0].scopes[0]: a scope without a name`,
		`[{name: a, colour: red}]`:         `f:4:24: resources[0].scopes[0].colour: unknown key`,
		`[{name: a, name: b}]`:             `f:4:24: resources[0].scopes[0].name: given twice, first on line 4`,
		`[a, {name: a}]`:                   `resources[0].scopes[1] "a": given twice`,
		`[{name: openid, description: x}]`: `means something else already`,
		"[{name: a, description: x}]\n    scope_descriptions: {a: y}": `described twice`,
		`[{name: a, changes: perhaps}]`:                               `neither true nor false`,
		`[{name: a, changes: true, changes: no}]`:                     `given twice`,
		"[a]\n    changing_scopes: [b]":                               `b is not known`,
		"[{name: a, changes: true}]\n    changing_scopes: [a]":        `a is listed under changing_scopes too`,
		"[{name: a, changes: false}]\n    changing_scopes: [a]":       `a is listed under changing_scopes too`,
		`[{name: [a]}]`: `expected a single value, found a list`,
		`[[a]]`:         `expected a single value, found a list`,
	} {
		t.Run(scopes, func(t *testing.T) {
			errs := errorsOf(t, anAPI+"    scopes: "+scopes+"\n")
			if !slices.ContainsFunc(errs, func(e string) bool { return strings.Contains(e, want) }) {
				t.Errorf("%q", errs)
			}
		})
	}
}
