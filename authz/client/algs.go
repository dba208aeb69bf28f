package client

import (
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
)

// fapiAlgs are those of FAPI 2.0 Security Profile section 5.4.1.
var fapiAlgs = []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA}

// responseAlgs are those that the server signs with.
var responseAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// SigningAlgs are those that this client may sign with, be it an assertion or a request object.
func (c *Client) SigningAlgs() []jose.SignatureAlgorithm {
	if c.Profile != "" {
		return fapiAlgs
	}
	return jwks.Algorithms
}

// checkAlgs refuses "none", symmetric algorithms and unknown ones. Empty means that any will do, or
// the server's default.
func (m *Metadata) checkAlgs() error {
	ofClient, ofServer := jwks.Algorithms, responseAlgs
	if m.Profile != "" {
		ofClient, ofServer = fapiAlgs, fapiAlgs
	}
	for _, a := range []struct {
		name, alg string
		allowed   []jose.SignatureAlgorithm
	}{
		{"token_endpoint_auth_signing_alg", m.AuthAlg, ofClient},
		{"request_object_signing_alg", m.RequestAlg, ofClient},
		{"id_token_signed_response_alg", m.IDTokenAlg, ofServer},
		{"authorization_signed_response_alg", m.AuthorizationAlg, ofServer},
		{"userinfo_signed_response_alg", m.UserInfoAlg, ofServer},
		{"introspection_signed_response_alg", m.IntrospectionAlg, ofServer},
	} {
		if a.alg != "" && !slices.Contains(a.allowed, jose.SignatureAlgorithm(a.alg)) {
			var names []string
			for _, alg := range a.allowed {
				names = append(names, string(alg))
			}
			return wrong(a.name, a.alg, "must be one of "+strings.Join(names, ", "))
		}
	}
	return nil
}
