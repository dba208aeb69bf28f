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
	Headline Text   // one sentence that says it all, such as "Pay EUR 123.50 to Merchant A"; may be empty
	Fields   []DetailField
}

// DetailField is one member of an authorization detail. If its Value has more than MaxDetailValue characters,
// the page cuts it and says so.
type DetailField struct {
	Name  string // of the member
	Label Text   // the operator's word for it; without one, the name is shown
	Value string
}

// Headline returns the detail that the page is about: the only one, if it has a headline.
func (p Consent) Headline() Text {
	if len(p.Details) == 1 && !p.Client.Unknown {
		return p.Details[0].Headline
	}
	return nil
}

// Said reports whether the heading says what the only detail is.
func (p Consent) Said() bool { return len(p.Headline()) > 0 }

// MaxDetailValue is how many characters of a value are shown. A person should not have to agree to something
// that the page hides, so refuse requests with longer values.
const MaxDetailValue = 500

// Scope is one scope value. The standard scopes, and groups, are explained in the user's language, others by the
// operator. A scope without an explanation is shown by name.
type Scope struct {
	Name        string
	Resource    string // the name of the resource; empty for standard scopes
	Host        string // of the resource; may be empty
	Description Text
	Values      []string // what the app would see now, such as the e-mail address
}
