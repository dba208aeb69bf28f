package resource

import (
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// DetailType is a type of authorization_details that a Resource understands (RFC 9396 section 2).
type DetailType struct {
	Type     string   // the type member, verbatim
	Name     string   // for people, on the consent page; empty: Type
	Fields   []string // the members that it may have, beside those that all types share (section 2.2)
	Required []string // the members that it must have
}

// What authorization_details may be. Each value is shown to the user who is asked, so none may be
// longer than the page shows.
const (
	maxDetails     = 8 << 10 // bytes of the parameter
	maxDetailCount = 20      // objects
	maxDetailDepth = 8       // of objects and lists in one another
)

// Detail is one object of authorization_details.
type Detail map[string]any

// ParseDetails checks the parameter authorization_details (RFC 9396 sections 2 and 5) of a client that is
// registered for some resources and types. asked are the resources that the same request names, if it does:
// others are not meant.
func (rs Set) ParseDetails(params url.Values, asked, registered, types []string) ([]Detail, error) {
	if !params.Has("authorization_details") {
		return nil, nil
	}
	details, err := decodeDetails(params.Get("authorization_details"))
	if err != nil {
		return nil, err
	}
	resources := registered
	if len(asked) > 0 {
		resources = oauth.Both(asked, registered)
	}
	for _, d := range details {
		rs.locateRegistered(d)
		if !slices.Contains(types, d.typ()) {
			return nil, refuseDetails("The client is not registered for one of the types.")
		}
		if err := rs.checkDetail(d, resources); err != nil {
			return nil, err
		}
	}
	return details, nil
}

func refuseDetails(why string) *oauth.Error {
	return oauth.Refuse(oauth.InvalidDetails, "The authorization_details are not acceptable: "+why)
}

// decodeDetails reads the parameter, whatever its types: JSON of bounded size in which nothing can
// be read in two ways.
func decodeDetails(raw string) ([]Detail, error) {
	if len(raw) > maxDetails {
		return nil, refuseDetails("They are too long.")
	}
	details, err := decodeJSONDetails([]byte(raw))
	switch {
	case err != nil:
		return nil, refuseDetails("They are not a JSON array of objects.").Because(err)
	case len(details) == 0:
		return nil, refuseDetails("The array is empty.")
	case len(details) > maxDetailCount:
		return nil, refuseDetails("There are too many of them.")
	}
	for _, d := range details {
		if d.typ() == "" {
			return nil, refuseDetails("An object has no type.")
		}
		if !plainValue(map[string]any(d), maxDetailDepth) {
			return nil, refuseDetails("An object is too deep, or has control characters.")
		}
		for name, value := range d {
			if utf8.RuneCountInString(shownValue(value)) > templates.MaxDetailValue {
				return nil, refuseDetails("A member is too long to be shown to the user.")
			}
			if !sharedFieldOK(name, value) {
				return nil, refuseDetails("One of the members that all types share has the wrong form.")
			}
		}
	}
	return details, nil
}

func decodeJSONDetails(raw []byte) (details []Detail, err error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.SetNumberType(json.UnmarshalJSONNumber)
	if err := decoder.Decode(&details); err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(any)); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return details, nil
}

// plainValue bounds the depth, and refuses characters that would make a page or a log show something
// else than there is.
func plainValue(value any, depth int) bool {
	if depth == 0 {
		return false
	}
	switch value := value.(type) {
	case string:
		return oauth.CleanText(value) && !strings.ContainsFunc(value, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) })
	case []any:
		return !slices.ContainsFunc(value, func(v any) bool { return !plainValue(v, depth-1) })
	case map[string]any:
		for name, member := range value {
			if !plainValue(name, depth) || !plainValue(member, depth-1) {
				return false
			}
		}
	}
	return true
}

// sharedFields are the members that all types share (RFC 9396 section 2.2), beside type and identifier:
// lists of strings of which a part means less.
var sharedFields = []string{"locations", "actions", "datatypes", "privileges"}

func sharedFieldOK(name string, value any) bool {
	if name == "identifier" {
		_, isText := value.(string)
		return isText
	}
	return !slices.Contains(sharedFields, name) || len(textsOf(value)) > 0
}

// textsOf returns a list of strings, nil if it is anything else.
func textsOf(value any) []string {
	list, _ := value.([]any)
	var texts []string
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

func (d Detail) typ() string {
	typ, _ := d["type"].(string)
	return typ
}

// locateRegistered puts the registered form into the locations.
func (rs Set) locateRegistered(d Detail) {
	if d["locations"] != nil {
		d["locations"] = anyOf(rs.Registered(textsOf(d["locations"])))
	}
}

// ResourcesOf are those of the given resources that a detail is for: its locations, or else whoever
// understands its type.
func (rs Set) ResourcesOf(d Detail, among []string) []string {
	var uris []string
	for _, uri := range among {
		named := d["locations"] == nil || slices.Contains(textsOf(d["locations"]), uri)
		if named && rs.detailType(uri, d.typ()) != nil {
			uris = append(uris, uri)
		}
	}
	return uris
}

func (rs Set) detailType(uri, typ string) *DetailType {
	if r := rs.Get(uri); r != nil {
		if i := slices.IndexFunc(r.DetailTypes, func(t DetailType) bool { return t.Type == typ }); i >= 0 {
			return &r.DetailTypes[i]
		}
	}
	return nil
}

// AskedFor are the resources that a request names: by the resource parameter, or else by its details.
func (rs Set) AskedFor(named []string, details []Detail, among []string) []string {
	if len(named) > 0 {
		return named
	}
	var uris []string
	for _, d := range details {
		uris = append(uris, rs.ResourcesOf(d, among)...)
	}
	return oauth.Unique(uris)
}

// checkDetail holds a detail against the types that its resources declare.
func (rs Set) checkDetail(d Detail, among []string) error {
	uris := rs.ResourcesOf(d, among)
	switch {
	case len(uris) == 0 || len(uris) < len(textsOf(d["locations"])):
		return refuseDetails("A type or location is of no resource that the client asks for.")
	case d["locations"] == nil && len(uris) > 1:
		return refuseDetails("Several resources understand one of the types: name the one that is meant in locations.")
	}
	for _, uri := range uris {
		t := rs.detailType(uri, d.typ())
		for name := range d {
			if name != "type" && name != "identifier" && !slices.Contains(sharedFields, name) && !slices.Contains(t.Fields, name) {
				return refuseDetails("An object has a member that its type does not have.")
			}
		}
		for _, name := range t.Required {
			if _, found := d[name]; !found {
				return refuseDetails("An object lacks a member that its type needs.")
			}
		}
	}
	return nil
}

// DetailTypes are the types that some resources understand.
func (rs Set) DetailTypes(uris []string) []string {
	var types []string
	for _, uri := range uris {
		if r := rs.Get(uri); r != nil {
			for _, t := range r.DetailTypes {
				types = append(types, t.Type)
			}
		}
	}
	return oauth.Unique(types)
}
