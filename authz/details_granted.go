package authz

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

// encodeDetails is the JSON of details as they are stored and as tokens carry them; nil if there are
// none.
func encodeDetails(details []detail) []byte {
	if len(details) == 0 {
		return nil
	}
	raw, err := json.Marshal(details)
	if err != nil { // what was decoded always encodes
		panic("encode authorization details: " + err.Error())
	}
	return raw
}

// grantedDetails reads what encodeDetails has written.
func grantedDetails(raw []byte) ([]detail, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return decodeJSONDetails(raw)
}

// narrowDetails settles the authorization_details of an access token: of those granted the ones for its
// resources (RFC 9396 section 7), and of these what the token request asks for (section 6).
func (s *Server) narrowDetails(x *exchange, form url.Values) error {
	var kept []detail
	for _, d := range x.details {
		uris := s.resources.resourcesOf(d, x.resources)
		if len(uris) == 0 || !slices.Contains(x.client.DetailTypes, d.typ()) {
			continue
		}
		if len(uris) < len(textsOf(d["locations"])) {
			d = maps.Clone(d)
			d["locations"] = anyOf(uris)
		}
		kept = append(kept, d)
	}
	x.details = kept
	if !form.Has("authorization_details") {
		return nil
	}
	asked, err := decodeDetails(form.Get("authorization_details"))
	if err != nil {
		return err
	}
	for _, d := range asked {
		s.resources.locateRegistered(d)
	}
	if !eachWithin(asked, kept) {
		return refuseDetails("One of them was not granted.")
	}
	x.details = asked
	return nil
}

// eachWithin tells whether each detail that is asked for is within a granted one of its own: what allows
// one payment allows no second. It is a bipartite matching, by augmenting paths.
func eachWithin(asked, granted []detail) bool {
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
func (d detail) within(granted detail) bool {
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

// shownDetails explains details on the consent page: nothing that is asked for is left out.
func (s *Server) shownDetails(details []detail, resources []string) []templates.AuthorizationDetail {
	var shown []templates.AuthorizationDetail
	for _, d := range details {
		t := templates.AuthorizationDetail{Type: d.typ()}
		var names []string
		for _, uri := range s.resources.resourcesOf(d, resources) {
			names = append(names, s.resources.get(uri).Name)
			if name := s.resources.detailType(uri, d.typ()).Name; name != "" {
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

// detailTypes are the types that some resources understand.
func (rs resourceSet) detailTypes(uris []string) []string {
	var types []string
	for _, uri := range uris {
		if r := rs.get(uri); r != nil {
			for _, t := range r.DetailTypes {
				types = append(types, t.Type)
			}
		}
	}
	return oauth.Unique(types)
}
