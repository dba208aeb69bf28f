package resource

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// EncodeDetails returns details as JSON, as the store and tokens have them; nil if there are none.
func EncodeDetails(details []Detail) []byte {
	if len(details) == 0 {
		return nil
	}
	raw, err := json.Marshal(details)
	if err != nil { // what was decoded always encodes
		panic("encode authorization details: " + err.Error())
	}
	return raw
}

// GrantedDetails decodes what EncodeDetails returned.
func GrantedDetails(raw []byte) ([]Detail, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return decodeJSONDetails(raw)
}

// NarrowDetails returns the authorization_details of an access token for some resources. They are the granted
// ones that are for these resources and of the types that the client is registered for (RFC 9396 section 7), or
// what the token request asks for within them (section 6).
func (rs Set) NarrowDetails(form url.Values, granted []Detail, resources, types []string) ([]Detail, error) {
	var kept []Detail
	for _, d := range granted {
		uris := rs.ResourcesOf(d, resources)
		if len(uris) == 0 || !slices.Contains(types, d.typ()) {
			continue
		}
		if len(uris) < len(textsOf(d["locations"])) {
			d = maps.Clone(d)
			d["locations"] = anyOf(uris)
		}
		kept = append(kept, d)
	}
	if !form.Has("authorization_details") {
		return kept, nil
	}
	asked, err := decodeDetails(form.Get("authorization_details"))
	if err != nil {
		return nil, err
	}
	for _, d := range asked {
		rs.locateRegistered(d)
	}
	if !eachWithin(asked, kept) {
		return nil, refuseDetails("One of them was not granted.")
	}
	return asked, nil
}

// eachWithin reports whether every detail in asked is within another one of granted: a detail that allows one
// payment does not allow a second. It is a bipartite matching, by augmenting paths.
func eachWithin(asked, granted []Detail) bool {
	taken := make([]int, len(granted)) // the number of the detail in asked that takes it, from 1; 0: free
	var claim func(i int, tried []bool) bool
	claim = func(i int, tried []bool) bool {
		for g := range granted {
			if tried[g] || !asked[i].within(granted[g]) {
				continue
			}
			tried[g] = true
			if taken[g] == 0 || claim(taken[g]-1, tried) {
				taken[g] = i + 1
				return true
			}
		}
		return false
	}
	for i := range asked {
		if !claim(i, make([]bool, len(granted))) {
			return false
		}
	}
	return true
}

// within reports whether a detail allows no more than the granted one: it has the same members, and the lists
// that all types share have no further values. A list must not be left out, since that could mean everything.
func (d Detail) within(granted Detail) bool {
	if len(d) != len(granted) {
		return false
	}
	for name, value := range granted {
		asked, found := d[name]
		if found && slices.Contains(sharedFields, name) {
			found = len(oauth.Both(textsOf(asked), textsOf(value))) == len(textsOf(asked))
		} else if found {
			found = reflect.DeepEqual(asked, value)
		}
		if !found {
			return false
		}
	}
	return true
}

func anyOf(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

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
		t.Resource, t.Headline = strings.Join(names, ", "), headline(declared.Headline, d)
		for _, name := range inOrder(d, declared.Fields) {
			if name != "type" && name != "locations" {
				t.Fields = append(t.Fields, templates.DetailField{Name: name, Label: declared.Labels[name], Value: shownValue(d[name])})
			}
		}
		shown = append(shown, t)
	}
	return shown
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

// headline puts the values of members in place of their names in braces. A text with a member that is missing, or
// that is no short text, is left out, because it would say less than the truth.
func headline(texts templates.Text, d Detail) templates.Text {
	filled := templates.Text{}
	for lang, text := range texts {
		missing := false
		text = placeholder.ReplaceAllStringFunc(text, func(name string) string {
			value := shownValue(d[strings.Trim(name, "{}")])
			missing = missing || d[strings.Trim(name, "{}")] == nil || value == "" || len(value) > maxHeadlineValue || strings.Contains(value, "\n")
			return value
		})
		if !missing {
			filled[lang] = text
		}
	}
	return filled
}

// An amount of money has two members: a decimal number, as text or as a number, and a currency.
var (
	decimal = regexp.MustCompile(`^-?[0-9]{1,18}(\.[0-9]{1,8})?$`)
	iso4217 = regexp.MustCompile(`^[A-Z]{3}$`)
)

var placeholder = regexp.MustCompile(`\{[^{}]+\}`)

// maxHeadlineValue bounds, in bytes, a value in a headline.
const maxHeadlineValue = 120

// shownValue returns a value for people: a text as it is, a list of texts with commas, an amount of money with its
// currency before it and the digits as they were sent, any other object with a line for each member, and anything else as JSON. Texts have no line breaks: plainValue refuses them.
func shownValue(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	if texts := textsOf(value); texts != nil {
		return strings.Join(texts, ", ")
	}
	if object, ok := value.(map[string]any); ok && len(object) > 0 {
		if amount, currency := fmt.Sprint(object["amount"]), fmt.Sprint(object["currency"]); len(object) == 2 && decimal.MatchString(amount) && iso4217.MatchString(currency) {
			return currency + "\u00a0" + amount
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
