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

	// Headline says all of it in one sentence, with members in braces: "Pay {instructedAmount} to {creditorName}".
	// Labels are words for members. Both are for the consent page, which shows the members in the order of Fields.
	// A payment has a sentence and two words of ours, which these replace.
	Headline templates.Text
	Labels   map[string]templates.Text

	Payment *PaymentMembers // nil: objects of this type are no payments
}

// PaymentMembers are the members of a payment that the consent page must know.
type PaymentMembers struct {
	Amount   string // an object with just amount and currency, or a decimal number
	Currency string // ISO 4217, of an amount that is a number
	Payee    string // a text; empty: there is none
}

// Bounds of authorization_details. The consent page shows every value, so a value must not be longer than the
// page has room for: templates.MaxDetailValue.
const (
	maxDetails     = 8 << 10 // bytes of the parameter
	maxDetailCount = 20      // objects
	maxDetailDepth = 8       // of objects and lists in one another
)

// Detail is one object of authorization_details, decoded and checked (RFC 9396 section 2).
type Detail map[string]any

// ParseDetails reads the parameter authorization_details (RFC 9396 sections 2 and 5). registered and types are
// the resources and types that the client is registered for. asked are the resources that the same request
// names: if there are any, the details may be for these only. It returns nil if the parameter is absent; the
// errors are InvalidDetails.
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

// decodeDetails reads the parameter without a look at the types that are configured. It accepts JSON of bounded
// size that cannot be read in two ways.
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

// plainValue reports whether a value has at most this depth and no characters that could falsify what a page or
// a log shows: control characters and those that change the direction of text.
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

// sharedFields are the members that all types share (RFC 9396 section 2.2), beside type and identifier. They
// are lists of strings; a shorter list allows less.
var sharedFields = []string{"locations", "actions", "datatypes", "privileges"}

func sharedFieldOK(name string, value any) bool {
	if name == "identifier" {
		_, isText := value.(string)
		return isText
	}
	return !slices.Contains(sharedFields, name) || len(textsOf(value)) > 0
}

// textsOf returns value if it is a list of strings, and nil otherwise.
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

// locateRegistered replaces the locations of a detail by their registered form.
func (rs Set) locateRegistered(d Detail) {
	if d["locations"] != nil {
		d["locations"] = anyOf(rs.Registered(textsOf(d["locations"])))
	}
}

// ResourcesOf returns those of the given resources that a detail is for: its locations or, if it has none, all
// that understand its type.
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

// AskedFor returns the resources that a request names: those of its resource parameter or, if it has none,
// those of its details.
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

// checkDetail checks a detail against the types that its resources declare.
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

// DetailTypes returns the types that the given resources understand, each once.
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
