package authz

import (
	"slices"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/register"
)

// offer returns what clients of a source may have: those that register themselves, or that have a metadata
// document. Only clients with an initial access token can get tokens of their own (client_credentials).
func (s *Server) offer(source client.Source) *client.Offer {
	o := &client.Offer{
		Source:      source,
		GrantTypes:  []string{client.GrantAuthorizationCode, client.GrantRefreshToken},
		AuthMethods: []string{client.AuthNone, client.AuthPrivateKeyJWT}, // a document can't hold a secret
		Scopes:      s.config.Registration.Scopes,
		Resources:   s.config.Registration.Resources,
		DetailTypes: s.resources.DetailTypes(s.config.Registration.Resources),
		Dev:         s.config.Dev,

		NativeSchemes: s.config.Registration.NativeSchemes,
		CheckURL:      s.outbound.CheckURL,
	}
	if slices.Contains(s.grantTypes, client.GrantDeviceCode) {
		o.GrantTypes = append(o.GrantTypes, client.GrantDeviceCode)
	}
	if source == client.Registered {
		o.AuthMethods = append(s.config.MTLS.Methods(), client.AuthNone)
		if s.config.Registration.Mode == register.Token {
			o.GrantTypes = append(o.GrantTypes, client.GrantClientCredentials)
		}
	}
	for _, alg := range s.algs {
		o.Algs = append(o.Algs, string(alg))
	}
	return o
}
