package client

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/weburl"
)

// maxDocumentURL keeps the keys of what is stored for a client within their limit.
const maxDocumentURL = 800 // bytes

// documentURL has the characters of a URI (RFC 3986 section 2) without those that begin user
// information, a query and a fragment, and a path.
var documentURL = regexp.MustCompile(`^https?://[A-Za-z0-9.\[\]:-]+/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*$`)

// IsDocumentURL tells whether a client_id is the URL of a client ID metadata document (draft-ietf-
// oauth-client-id-metadata-document section 3): https, or http on loopback; with a path, and without
// user information, query, fragment and dot segments.
func IsDocumentURL(id string) bool {
	if len(id) > maxDocumentURL || !documentURL.MatchString(id) {
		return false
	}
	u, err := url.Parse(id)
	isDots := func(segment string) bool { return segment == "." || segment == ".." } // in a path without escapes
	return err == nil && weburl.IsSecure(u) &&
		!slices.ContainsFunc(strings.Split(u.Path, "/"), isDots)
}

// ParseDocument reads the client ID metadata document that was found at a URL and makes the client
// that it describes (section 4). A document is written for every server there is, so what this one
// doesn't offer is left out. The error is a *RegistrationError.
func ParseDocument(id string, body []byte, o *Offer) (*Client, error) {
	info, err := ParseRegistration(body)
	if err != nil {
		return nil, err
	}
	switch {
	case info.ClientID != id:
		return nil, invalidMetadata("The client_id in the metadata document is not the URL of the document.")
	case info.ClientSecret != "" || info.ClientSecretExpiresAt != nil:
		return nil, invalidMetadata("A metadata document is public and must not hold a client_secret.")
	}
	r := &info.Registration
	beyond := func(offer []string) func(string) bool {
		return func(s string) bool { return !slices.Contains(offer, s) }
	}
	if len(r.GrantTypes) > 0 && !slices.ContainsFunc(r.GrantTypes, func(s string) bool { return slices.Contains(o.GrantTypes, s) }) {
		return nil, invalidMetadata("None of the grant_types of the metadata document is offered.")
	}
	r.GrantTypes = slices.DeleteFunc(r.GrantTypes, beyond(o.GrantTypes))
	r.ResponseTypes = slices.DeleteFunc(r.ResponseTypes, beyond([]string{"code"}))
	r.DetailTypes = slices.DeleteFunc(r.DetailTypes, beyond(o.DetailTypes))
	r.SectorURI = "" // would have to be fetched too, before it could be believed
	if err := r.Complete(o); err != nil {
		return nil, err
	}
	if err := checkSameOrigin(id, r.RedirectURIs); err != nil {
		return nil, err
	}
	return r.Client(id, nil, o)
}

// checkSameOrigin keeps a document from speaking for another site: where it leads to on the web is
// the place that people are shown (section 8.1). The user's own device is the other possibility.
func checkSameOrigin(id string, redirectURIs []string) error {
	own := weburl.Origin(id)
	for _, uri := range redirectURIs {
		u, err := url.Parse(uri)
		native := err == nil && (isNative(uri) || weburl.IsLoopback(u.Hostname()))
		if !native && weburl.Origin(uri) != own {
			return &RegistrationError{Code: ErrInvalidRedirectURI, Description: "A redirect URI of a metadata document must have the origin of the document, or be on the user's own device."}
		}
	}
	return nil
}
