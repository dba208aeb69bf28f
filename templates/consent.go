package templates

// Consent asks whether the client may have the access that it requests.
//
// Buttons consent-allow and consent-deny send decision=allow or decision=deny.
type Consent struct {
	UILocales       string
	Client          Client
	Action          string
	Hidden          map[string]string
	User            User
	OtherAccountURL string
	Scopes          []Scope
	Details         []AuthorizationDetail
	Detail          *ErrorDetail // development only: what was requested and left out
}

func (p Consent) meta() meta {
	return meta{template: "consent", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
}

// AuthorizationDetail is one object of authorization_details (RFC 9396 section 2).
type AuthorizationDetail struct {
	Type     string // a description by the operator
	Resource string // the name of the resource; empty if there is none
	Fields   []DetailField
}

// DetailField is one member of an authorization detail. If its Value has more than MaxDetailValue characters,
// the page cuts it and says so.
type DetailField struct {
	Label string
	Value string
}

// MaxDetailValue is how many characters of a value are shown. A person should not have to agree to something
// that the page hides, so refuse requests with longer values.
const MaxDetailValue = 500

// Scope is one scope value. The standard scopes, and groups, are explained in the user's language. Others are
// shown by name, with their resource.
type Scope struct {
	Name     string
	Resource string // the name of the resource; empty for standard scopes
}
