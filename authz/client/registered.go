package client

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/jwks"
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

// unusable is for what New refuses. It names the member; the words that quote its value are for the log.
func unusable(cause error) *RegistrationError {
	registration := &RegistrationError{Code: ErrInvalidMetadata, Description: "The metadata cannot be used.", cause: cause}
	switch member := new(MemberError); {
	case errors.Is(cause, jwks.ErrPrivate):
		registration.Description = "The jwks holds a private key: publish the public half only, and replace this key."
	case errors.As(cause, &member):
		registration.Description = "The member " + member.Member + ": " + member.Reason + "."
		if member.Member == "redirect_uris" {
			registration.Code = ErrInvalidRedirectURI
		}
	}
	return registration
}

// metadata is a completed registration as the server uses it.
func (r *Registration) metadata(o *Offer) Metadata {
	offered := func(alg string) string {
		if slices.Contains(o.Algs, alg) {
			return alg
		}
		return ""
	}
	m := Metadata{
		Source:                 o.Source,
		Vouched:                o.Source == Registered && r.SoftwareStatement != "", // others are refused
		Name:                   r.ClientName,
		RedirectURIs:           r.RedirectURIs,
		PostLogoutRedirectURIs: r.PostLogoutRedirectURIs,
		RedirectSchemes:        o.NativeSchemes,
		GrantTypes:             r.GrantTypes,
		AuthMethod:             cmp.Or(r.TokenEndpointAuthMethod, AuthBasic),
		AnySecretMethod:        r.TokenEndpointAuthMethod == "" || r.methodUnsaid,
		AuthAlg:                r.TokenEndpointAuthAlg,
		JWKS:                   r.JWKS,
		JWKSURI:                r.JWKSURI,
		TLSSubject:             TLSSubject{DN: r.TLSSubjectDN, DNS: r.TLSSubjectDNS, URI: r.TLSSubjectURI, IP: r.TLSSubjectIP, Email: r.TLSSubjectEmail},
		TLSBound:               r.TLSBound,
		DPoPBound:              r.DPoPBound,
		Scopes:                 slices.DeleteFunc(strings.Fields(r.Scope), func(s string) bool { return !slices.Contains(o.Scopes, s) }),
		Resources:              o.Resources,
		DetailTypes:            r.DetailTypes,
		RequirePKCE:            r.RequirePKCE,
		RequirePAR:             r.RequirePAR,
		RequireSigned:          r.RequireSigned,
		RequestAlg:             r.RequestObjectAlg,
		RequestURIs:            r.RequestURIs,
		AuthorizationAlg:       offered(cmp.Or(r.AuthorizationAlg, "RS256")), // the default of JARM section 3
		IDTokenAlg:             offered(r.IDTokenAlg),
		UserInfoAlg:            offered(r.UserInfoAlg),
		IntrospectionAlg:       offered(cmp.Or(r.IntrospectionAlg, "RS256")), // the default of RFC 9701 section 6
		SubjectType:            r.SubjectType,
		SectorURI:              r.SectorIdentifierURI,
		RequireAuthTime:        r.RequireAuthTime,
		DefaultACRValues:       r.DefaultACRValues,
		InitiateLoginURI:       r.InitiateLoginURI,
		ClientURI:              r.ClientURI,
		LogoURI:                r.LogoURI,
		PolicyURI:              r.PolicyURI,
		TOSURI:                 r.TOSURI,
		Logout:                 Logout{BackChannelURI: r.BackChannelURI, BackChannelSession: r.BackChannelSession, FrontChannelURI: r.FrontChannelURI},

		// A native application listens on whatever port is free (RFC 8252 section 7.3), and many call
		// the loopback interface localhost.
		AllowLocalhostPorts: r.ApplicationType == applicationNative,
	}
	if r.DefaultMaxAge != nil {
		age := time.Duration(*r.DefaultMaxAge) * time.Second
		m.DefaultMaxAge = &age
	}
	return m
}
