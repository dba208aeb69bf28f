package client

import (
	"cmp"
	"errors"
	"slices"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/member"
)

// Client makes the client of a completed registration, as far as what it asks for is still offered.
// The secretHash is the SHA-256 of its secret, nil if it has none. The error is a *RegistrationError.
func (r *Registration) Client(id string, secretHash []byte, o *Offer) (*Client, error) {
	m := r.metadata(o)
	m.ID = id
	if secretHash != nil {
		m.Secrets = []Secret{{Hash: secretHash}}
	}
	if m.Name == "" && o.Source == Document {
		m.Name = hostOf(id)
	}
	c, err := New(m)
	if err != nil {
		return nil, unusable(err)
	}
	return c, nil
}

// unusable is for what New refuses. It says the first thing that is wrong; the rest is for the log.
func unusable(cause error) *RegistrationError {
	refused := &RegistrationError{Code: ErrInvalidMetadata, Description: "The metadata cannot be used.", cause: cause}
	switch problem := new(member.Problem); {
	case errors.Is(cause, jwks.ErrPrivate):
		refused.Description = "The jwks holds a private key: publish the public half only, and replace this key."
	case errors.As(cause, &problem):
		refused.Description = "The member " + cmp.Or(problem.Told, problem.Member()+": "+problem.Reason) + "."
		if problem.Member() == "redirect_uris" {
			refused.Code = ErrInvalidRedirectURI
		}
	}
	return refused
}

// metadata is a completed registration as the server uses it.
func (r *Registration) metadata(o *Offer) Metadata {
	offered := func(alg string) string {
		if slices.Contains(o.Algs, alg) {
			return alg
		}
		return ""
	}
	m := r.Metadata
	m.Source = o.Source
	m.Vouched = o.Source == Registered && r.SoftwareStatement != "" // others are refused
	m.AnySecretMethod = m.AuthMethod == "" || r.methodUnsaid
	m.AuthMethod = cmp.Or(m.AuthMethod, AuthBasic)
	m.RedirectSchemes, m.Resources = o.NativeSchemes, o.Resources
	m.Scopes = slices.DeleteFunc(slices.Clone(m.Scopes), func(s string) bool { return !slices.Contains(o.Scopes, s) })
	m.RequirePKCE = new(m.RequirePKCE != nil && *m.RequirePKCE)
	m.IDTokenAlg, m.UserInfoAlg = offered(m.IDTokenAlg), offered(m.UserInfoAlg)
	m.AuthorizationAlg = offered(cmp.Or(m.AuthorizationAlg, "RS256")) // the default of JARM section 3
	m.IntrospectionAlg = offered(cmp.Or(m.IntrospectionAlg, "RS256")) // the default of RFC 9701 section 6

	// A native application listens on any port that is free (RFC 8252 section 7.3), and many call
	// the loopback interface localhost.
	m.AllowLocalhostPorts = r.ApplicationType == applicationNative
	return m
}
