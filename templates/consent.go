package templates

import "slices"

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

// About returns the detail that the page is about: the only one, unless the app is unknown. It is empty if there is
// none.
func (p Consent) About() AuthorizationDetail {
	if len(p.Details) != 1 || p.Client.Unknown {
		return AuthorizationDetail{}
	}
	return p.Details[0]
}

// Said reports whether the heading says what the only detail is.
func (p Consent) Said() bool { return len(p.Details) == 1 && !p.Client.Unknown }

// Pays returns the payment that the buttons name, nil if there is none. With Allow, the app would then get nothing but
// this payment, and to see who pays.
func (p Consent) Pays() *Payment {
	if slices.ContainsFunc(p.Scopes, func(s Scope) bool { return s.Resource != "" || s.Name == "offline_access" }) {
		return nil
	}
	return p.About().Payment
}

// Scope is one scope value. The standard scopes, and groups, are explained in the user's language, others by the
// operator. A scope without an explanation is shown by name.
type Scope struct {
	Name        string
	Resource    string // the name of the resource; empty for standard scopes
	Host        string // of the resource; may be empty
	Description Text
	Values      []string // what the app would see now, such as the e-mail address
	Changes     bool     // it lets the app change something
}
