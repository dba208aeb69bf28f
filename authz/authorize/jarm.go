package authorize

import (
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// JARMLifetime is how long a signed authorization response is valid (JARM section 2.1).
const JARMLifetime = 10 * time.Minute

// signResponse returns an authorization response as a JWT (JARM section 2.1): its parameters, among them the
// issuer, and the claims aud and exp.
func (reqs *Requests) signResponse(a *Request, params url.Values) (string, error) {
	claims := map[string]any{"aud": a.Client.ID, "exp": storage.Now().Add(JARMLifetime).Unix()}
	for name := range params {
		claims[name] = params.Get(name)
	}
	return reqs.SigningKeys.Sign(reqs.Tokens.SigningAlg(a.Client.AuthorizationAlg), keys.TypeJWT, claims)
}

// checkJARM refuses other response modes for a client that is registered for signed responses only. This error,
// too, is sent in a signed response.
func checkJARM(a *Request) error {
	if a.Client.RequireJARM && !a.mode.signed {
		return oauth.Refuse(oauth.InvalidRequest, "The responses to this client are signed: the response_mode must be jwt, query.jwt, fragment.jwt or form_post.jwt.")
	}
	return nil
}
