package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/templates"
)

// ShownDetails returns details for the consent page, with all their members.
func (rs Set) ShownDetails(details []Detail, resources []string) []templates.AuthorizationDetail {
	var shown []templates.AuthorizationDetail
	for _, d := range details {
		t := templates.AuthorizationDetail{Type: d.typ()}
		var names []string
		declared := &DetailType{}
		for _, uri := range rs.ResourcesOf(d, resources) {
			names = append(names, rs.Get(uri).Name)
			if declared = rs.detailType(uri, d.typ()); declared.Name != "" {
				t.Type = declared.Name
			}
		}
		t.Resource, t.Headline = strings.Join(names, ", "), declared.Headline
		for _, name := range inOrder(d, declared.Fields) {
			if name != "type" && name != "locations" {
				t.Fields = append(t.Fields, templates.DetailField{Name: name, Label: declared.Labels[name], Value: shownValue(d[name]), Money: money(d[name])})
			}
		}
		if declared.Payment != nil {
			declared.Payment.show(d, &t)
		}
		shown = append(shown, t)
	}
	return shown
}

// show puts the payment of a detail on the page. An amount that can't be read, or is not more than nothing, is shown as
// it was sent, and the detail is shown as any other.
func (p *PaymentMembers) show(d Detail, t *templates.AuthorizationDetail) {
	amount := money(d[p.Amount])
	if read, ok := templates.ParseMoney(fmt.Sprint(d[p.Amount]), fmt.Sprint(d[p.Currency])); ok && p.Currency != "" {
		amount = &read
	}
	if amount == nil || !amount.Positive() {
		return
	}
	payee, _ := d[p.Payee].(string)
	t.Payment = &templates.Payment{Amount: *amount, Payee: payee}
	for i := range t.Fields {
		switch f := &t.Fields[i]; f.Name {
		case p.Amount:
			f.Money, f.Part = amount, templates.AmountPart
		case p.Payee:
			f.Part = templates.PayeePart
		}
	}
}

// inOrder returns the names of the members: first those of fields in their order, then the others.
func inOrder(d Detail, fields []string) []string {
	names := slices.DeleteFunc(slices.Clone(fields), func(name string) bool { return d[name] == nil })
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// shownValue returns a value for people: a text as it is, a list of texts with commas, an amount of money with its
// currency before it and the digits as they were sent, any other object with a line for each member, and anything else as
// JSON. Texts have no line breaks: plainValue refuses them.
func shownValue(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	if texts := textsOf(value); texts != nil {
		return strings.Join(texts, ", ")
	}
	if object, ok := value.(map[string]any); ok && len(object) > 0 {
		if m := money(value); m != nil {
			return m.Currency + "\u00a0" + m.Amount
		}
		return strings.Join(shownMembers("", object), "\n")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(raw)
}

// shownMembers returns a line for each member of an object. The members of an inner object have a path:
// "amount.currency: EUR".
func shownMembers(path string, object map[string]any) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if inner, ok := object[name].(map[string]any); ok && len(inner) > 0 {
			lines = append(lines, shownMembers(path+name+".", inner)...)
		} else {
			lines = append(lines, path+name+": "+shownValue(object[name]))
		}
	}
	return lines
}

// money returns a value that is an object with just an amount and its currency, nil if it is anything else.
func money(value any) *templates.Money {
	object, _ := value.(map[string]any)
	m, ok := templates.ParseMoney(fmt.Sprint(object["amount"]), fmt.Sprint(object["currency"]))
	if !ok || len(object) != 2 {
		return nil
	}
	return &m
}
