package resource

import (
	"maps"
	"net/url"
	"reflect"
	"slices"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
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
