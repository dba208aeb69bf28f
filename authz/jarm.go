package authz

import (
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// jarmLifetime is how long a signed authorization response is good for (JARM section 2.1).
const jarmLifetime = 10 * time.Minute

// signResponse makes an authorization response a JWT (JARM section 2.1): its parameters, the issuer
// among them, for this client and for a short time.
func (s *Server) signResponse(a *authorization, params url.Values) (string, error) {
	claims := map[string]any{"aud": a.client.ID, "exp": storage.Now().Add(jarmLifetime).Unix()}
	for name := range params {
		claims[name] = params.Get(name)
	}
	return s.keys.Sign(s.tokens.SigningAlg(a.client.AuthorizationAlg), keys.TypeJWT, claims)
}

// checkJARM holds a client to signed responses that is registered for nothing else. It is told so by
// one.
func checkJARM(a *authorization) error {
	if a.client.RequireJARM && !a.mode.signed {
		return oauth.Refuse(oauth.InvalidRequest, "The responses to this client are signed: the response_mode must be jwt, query.jwt, fragment.jwt or form_post.jwt.")
	}
	return nil
}
