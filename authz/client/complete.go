package client

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/authzd/authzd/authz/weburl"
)

// Application types (OpenID Connect Registration section 2).
const (
	applicationWeb    = "web"
	applicationNative = "native"
)

// Offer is what the operator lets clients have that register themselves.
type Offer struct {
	Source      Source   // Registered or Document
	GrantTypes  []string // that such a client may use
	AuthMethods []string // that it may prove itself by
	Scopes      []string // that it may ask for
	Resources   []string // likewise
	Algs        []string // that the server signs with
	DetailTypes []string // authorization_details_types
	// NativeSchemes are private-use schemes without a dot that native applications may have.
	NativeSchemes []string

	Dev bool // web applications may be on this machine, over plain http

	// CheckURL refuses a URL that the server would not call.
	CheckURL func(string) error
}

// Complete checks a registration, fills in the defaults and narrows what was asked for to what is
// offered, so that it says what is registered (RFC 7591 section 3.2.1). The rules that hold for
// every client, whatever its source, are those of New. The error is a *RegistrationError.
func (r *Registration) Complete(o *Offer) error {
	for _, rule := range []func(*Offer) error{
		r.completeGrants, r.completeAuthentication, r.completeRedirectURIs, r.checkShown,
		r.completeScope, r.completeOpenID, r.checkCalledURIs,
	} {
		if err := rule(o); err != nil {
			return err
		}
	}
	return nil
}

// completeGrants applies RFC 7591 section 2.1: of the response types there is only code, and it
// belongs to the grant type authorization_code.
func (r *Registration) completeGrants(o *Offer) error {
	if len(r.GrantTypes) == 0 {
		r.GrantTypes = []string{GrantAuthorizationCode}
	}
	r.GrantTypes = slices.DeleteFunc(unique(r.GrantTypes), func(grantType string) bool {
		return grantType == GrantDeviceCode && !slices.Contains(o.GrantTypes, grantType) // many ask for it on the off chance
	})
	for _, grantType := range r.GrantTypes {
		if !slices.Contains(o.GrantTypes, grantType) {
			return invalidMetadata("The grant_types on offer are " + strings.Join(o.GrantTypes, ", ") + ".")
		}
	}
	withCode := slices.Contains(r.GrantTypes, GrantAuthorizationCode)
	if len(r.GrantTypes) == 0 || slices.Equal(r.GrantTypes, []string{GrantRefreshToken}) {
		return invalidMetadata("There is no grant type among the grant_types that begins anything.")
	}
	if len(r.ResponseTypes) == 0 && withCode {
		r.ResponseTypes = []string{"code"}
	}
	r.ResponseTypes = unique(r.ResponseTypes)
	switch {
	case len(r.ResponseTypes) > 0 && !slices.Equal(r.ResponseTypes, []string{"code"}):
		return invalidMetadata("The response_types on offer are code.")
	case len(r.ResponseTypes) > 0 && !withCode:
		return invalidMetadata("The response_types has code, which needs authorization_code among the grant_types.")
	}
	return nil
}

func (r *Registration) completeAuthentication(o *Offer) error {
	if r.AuthMethod == "" {
		r.methodUnsaid = true
		r.AuthMethod = AuthBasic // RFC 7591 section 2
		if o.Source == Document {
			r.AuthMethod = AuthNone
		}
	}
	if !slices.Contains(o.AuthMethods, r.AuthMethod) {
		return invalidMetadata("The token_endpoint_auth_method must be one of " + strings.Join(o.AuthMethods, ", ") + ".")
	}
	if r.JWKS != nil && r.JWKSURI != "" {
		return invalidMetadata("The members jwks and jwks_uri exclude each other.")
	}
	return nil
}

// completeRedirectURIs tells native applications from web applications as OpenID Connect
// Registration section 2 does. One that does not say what it is, as few do that know RFC 7591 alone,
// is native if it has a redirect URI that only a native application can have.
func (r *Registration) completeRedirectURIs(o *Offer) error {
	if len(r.RedirectURIs) == 0 && slices.Contains(r.GrantTypes, GrantAuthorizationCode) {
		return &RegistrationError{Code: ErrInvalidRedirectURI, Description: "The redirect_uris are missing."}
	}
	if r.ApplicationType == "" {
		r.ApplicationType = applicationWeb
		if slices.ContainsFunc(r.RedirectURIs, isNative) {
			r.ApplicationType = applicationNative
		}
	}
	if r.ApplicationType == applicationWeb && slices.ContainsFunc(r.RedirectURIs, o.knowsScheme) {
		r.ApplicationType = applicationNative // the operator knows better: some native applications say web by rote
	}
	if r.ApplicationType != applicationWeb && r.ApplicationType != applicationNative {
		return invalidMetadata("The application_type is neither web nor native.")
	}
	for i, uri := range r.RedirectURIs {
		if why := r.refusesRedirectURI(uri, o); why != "" {
			return &RegistrationError{Code: ErrInvalidRedirectURI, Description: "The member redirect_uris, " + place(i, uri) + ", " + why + "."}
		}
	}
	for i, uri := range r.PostLogoutRedirectURIs {
		if why := r.refusesRedirectURI(uri, o); why != "" {
			return invalidMetadata("The member post_logout_redirect_uris, " + place(i, uri) + ", " + why + ".")
		}
	}
	return nil
}

// place says which element of a list is meant.
func place(i int, uri string) string {
	if shown := shownURI(uri); shown != "" {
		return shown
	}
	return "number " + strconv.Itoa(i+1)
}

// knowsScheme reports whether the operator has allowed the scheme of a URI by name.
func (o *Offer) knowsScheme(uri string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	return found && slices.Contains(o.NativeSchemes, scheme)
}

// refusesRedirectURI says what is wrong with a redirect URI, "" if nothing is.
func (r *Registration) refusesRedirectURI(uri string, o *Offer) string {
	if err := CheckRedirectURI(uri, o.NativeSchemes...); err != nil {
		return "cannot be registered: " + err.Error()
	}
	u, err := url.Parse(uri)
	if err == nil && u.Host+u.Path+u.Opaque == "" {
		return "has nothing after its scheme: write " + u.Scheme + ":/callback"
	}
	isDots := func(segment string) bool { return segment == "." || segment == ".." }
	switch {
	case err != nil || strings.Contains(uri, "*"):
		return "has a wildcard: they are compared character by character"
	case slices.ContainsFunc(strings.Split(u.Path, "/"), isDots):
		return "has dot segments in its path"
	case r.ApplicationType == applicationNative, o.Dev && weburl.IsLoopback(u.Hostname()):
		return ""
	case isNative(uri):
		return "is for native applications only: register with the application_type native"
	case weburl.IsLoopback(u.Hostname()):
		return "is on localhost: register with the application_type native"
	}
	return ""
}

// isNative tells whether only an application on the user's own device can have this redirect URI
// (RFC 8252 section 7): plain http is for loopback, and other schemes are its own.
func isNative(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme != "https"
}

// maxName is how long a name may be that people read on a page.
const maxName = 200 // bytes

// maxMarks is how many characters may be piled upon another. No language needs more.
const maxMarks = 4

// plainName tells whether a name that people read on a page stays in its place there and can be seen.
func plainName(name string) bool {
	marks, seen := 0, name == ""
	for _, c := range name {
		switch {
		case '\u202a' <= c && c <= '\u202e', '\u2066' <= c && c <= '\u2069', c == '\u2028', c == '\u2029':
			return false
		case unicode.Is(unicode.M, c):
			marks++
		default:
			marks = 0
			seen = seen || unicode.In(c, unicode.L, unicode.N, unicode.S)
		}
		if marks > maxMarks {
			return false
		}
	}
	return seen && len(name) <= maxName
}

// checkShown is for what people read on our pages, and may follow from there.
func (r *Registration) checkShown(o *Offer) error {
	if !plainName(r.Name) {
		return invalidMetadata("The client_name is too long, says nothing, or has characters that turn the direction of the text, break its line or cover what is around it.")
	}
	for _, shown := range []struct{ name, uri string }{
		{"client_uri", r.ClientURI}, {"logo_uri", r.LogoURI}, {"policy_uri", r.PolicyURI}, {"tos_uri", r.TOSURI},
		{"initiate_login_uri", r.InitiateLoginURI}, // OpenID Connect Core section 4 demands https
	} {
		if shown.uri == "" {
			continue
		}
		u, err := url.Parse(shown.uri)
		if CheckRedirectURI(shown.uri) != nil || err != nil || (u.Scheme != "https" && !(o.Dev && u.Scheme == "http" && shown.name != "initiate_login_uri")) {
			return invalidMetadata("The member " + shown.name + " is not an https URL.")
		}
	}
	return nil
}

// completeScope registers what is both asked for and offered; who asks for nothing may have it all.
func (r *Registration) completeScope(o *Offer) error {
	scopes := o.Scopes
	if asked := r.Scopes; len(asked) > maxScopes {
		return invalidMetadata("The scope has too many values.")
	} else if len(asked) > 0 {
		scopes = slices.DeleteFunc(unique(asked), func(s string) bool { return !slices.Contains(o.Scopes, s) })
		if len(scopes) == 0 {
			return invalidMetadata("The scope has none of the scopes that are offered to clients that register themselves.")
		}
	}
	r.Scopes = slices.Clone(scopes)
	for _, t := range r.DetailTypes {
		if !slices.Contains(o.DetailTypes, t) {
			return invalidMetadata("One of the authorization_details_types is not offered.")
		}
	}
	return nil
}

// completeOpenID applies OpenID Connect Registration section 2 and the specifications that sign
// other answers too.
func (r *Registration) completeOpenID(o *Offer) error {
	if r.IDTokenAlg == "" {
		r.IDTokenAlg = "RS256"
	}
	for _, a := range []struct{ name, alg string }{
		{"id_token_signed_response_alg", r.IDTokenAlg}, {"userinfo_signed_response_alg", r.UserInfoAlg},
		{"authorization_signed_response_alg", r.AuthorizationAlg}, {"introspection_signed_response_alg", r.IntrospectionAlg},
	} {
		if a.alg != "" && !slices.Contains(o.Algs, a.alg) {
			return invalidMetadata("The " + a.name + " must be one of " + strings.Join(o.Algs, ", ") + ".")
		}
	}
	if r.RequestAlg == "none" {
		r.RequestAlg = "" // some say so by rote; an unsigned request object is refused all the same
	}
	if r.SubjectType == "" {
		r.SubjectType = SubjectPublic
	}
	if r.RequirePKCE != nil && !*r.RequirePKCE {
		r.RequirePKCE = nil // that is what a registration without it means
	}
	return nil
}

// checkCalledURIs is for what the server itself will call.
func (r *Registration) checkCalledURIs(o *Offer) error {
	called := map[string][]string{
		"jwks_uri": {r.JWKSURI}, "sector_identifier_uri": {r.SectorURI}, "backchannel_logout_uri": {r.BackChannelURI},
	}
	for _, uri := range r.RequestURIs { // the fragment may be a hash of the content (OpenID Connect Core section 6.2)
		base, _, _ := strings.Cut(uri, "#")
		called["request_uris"] = append(called["request_uris"], base)
	}
	for name, uris := range called {
		for _, uri := range uris {
			if uri == "" && name != "request_uris" {
				continue
			}
			if err := o.CheckURL(uri); err != nil {
				return &RegistrationError{Code: ErrInvalidMetadata, Description: "The member " + name + " is not an https URL that this server would call.", cause: err}
			}
		}
	}
	return nil
}

// unique keeps the different values, in their order.
func unique(values []string) []string {
	var kept []string
	for _, v := range values {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}
