package client

import (
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
