package resource

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// EncodeDetails is the JSON of details as they are stored and as tokens carry them; nil if there are
// none.
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

// GrantedDetails reads what EncodeDetails has written.
func GrantedDetails(raw []byte) ([]Detail, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return decodeJSONDetails(raw)
}

// NarrowDetails settles the authorization_details of an access token for some resources: of those granted the
// ones for these resources and of the client's types (RFC 9396 section 7), and of them what the token request
// asks for (section 6).
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

// eachWithin tells whether each detail that is asked for is within a granted one of its own: what allows
// one payment allows no second. It is a bipartite matching, by augmenting paths.
func eachWithin(asked, granted []Detail) bool {
	taken := make([]int, len(granted)) // by which of asked, from 1
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

// within tells whether a detail allows nothing that the granted one does not: it has the same members,
// and no more in the lists that all types share. A list that is left out could mean everything.
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

// ShownDetails explains details on the consent page: nothing that is asked for is left out.
func (rs Set) ShownDetails(details []Detail, resources []string) []templates.AuthorizationDetail {
	var shown []templates.AuthorizationDetail
	for _, d := range details {
		t := templates.AuthorizationDetail{Type: d.typ()}
		var names []string
		for _, uri := range rs.ResourcesOf(d, resources) {
			names = append(names, rs.Get(uri).Name)
			if name := rs.detailType(uri, d.typ()).Name; name != "" {
				t.Type = name
			}
		}
		t.Resource = strings.Join(names, ", ")
		for _, name := range slices.Sorted(maps.Keys(d)) {
			if name != "type" && name != "locations" {
				t.Fields = append(t.Fields, templates.DetailField{Label: name, Value: shownValue(d[name])})
			}
		}
		shown = append(shown, t)
	}
	return shown
}

// shownValue writes a value for people: text as it is, lists of texts with commas, an object as a
// line for each member, and all else as JSON. No text has a line break of its own.
func shownValue(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	if texts := textsOf(value); texts != nil {
		return strings.Join(texts, ", ")
	}
	if object, ok := value.(map[string]any); ok && len(object) > 0 {
		return strings.Join(shownMembers("", object), "\n")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(raw)
}

// shownMembers are the members of an object, those of its objects by a path: "amount.currency: EUR".
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
