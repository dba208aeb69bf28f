package clientauth

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

const (
	// assertionType is the client_assertion_type of a JWT (RFC 7523 section 2.2).
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertionLife limits how long an assertion is valid: a thief could use it, and its mark is kept, for
	// so long.
	maxAssertionLife = time.Hour
	// MaxAssertionAhead is how far ahead of ours the clock of a client or an issuer may be. FAPI 2.0 Security
	// Profile section 5.3.2.1 demands that 10 seconds are accepted and 60 refused.
	MaxAssertionAhead = 30 * time.Second
	maxJTI            = 1024 // bytes
	// MaxClientID is how long the sub of an assertion may be, in bytes: a client_id may be a URL.
	MaxClientID = 2048
)

// assertion is a client_assertion (RFC 7523 section 2.2) that is parsed and not verified.
type assertion struct {
	jws    *jose.JSONWebSignature
	claims AssertionClaims
}

// AssertionClaims are the claims of an assertion (RFC 7523 section 3).
type AssertionClaims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  Audience         `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	ID        string           `json:"jti"`
}

// parseAssertion reads the parameters client_assertion and client_assertion_type. It returns nil if there are
// none. The decoder of go-jose refuses repeated members, and does not take "ISS" for "iss".
func parseAssertion(form url.Values) (*assertion, error) {
	if !form.Has("client_assertion") && !form.Has("client_assertion_type") {
		return nil, nil
	}
	if form.Get("client_assertion_type") != assertionType {
		return nil, oauth.Refuse(oauth.InvalidClient, "The client_assertion_type must be "+assertionType+".")
	}
	malformed := oauth.Refuse(oauth.InvalidClient, "The client_assertion is not a JWT that is signed with an algorithm on offer.")
	jws, err := jose.ParseSignedCompact(form.Get("client_assertion"), jwks.Algorithms)
	if err != nil || !MayBe(jws.Signatures[0].Header, "client-authentication+jwt") {
		return nil, malformed
	}
	a := &assertion{jws: jws}
	err = josejson.Unmarshal(jws.UnsafePayloadWithoutVerification(), &a.claims)
	if id := a.claims.Subject; err != nil || !oauth.CleanText(id) || len(id) > MaxClientID {
		return nil, malformed
	}
	return a, nil
}

// checkAssertion checks the proof of private_key_jwt (RFC 7523 section 3, OpenID Connect Core section 9). c is nil
// for an unknown client: then it fails, after the same time. The caller must make the mark that it returns, even
// if the request is refused.
func (auth *Authenticator) checkAssertion(ctx context.Context, r *http.Request, c *client.Client, a *assertion) (mark storage.Write, err error) {
	if err := auth.Ledger.TakeKeyFetch(ctx, c); err != nil {
		return mark, err
	}
	if _, err := auth.Keys.Verify(ctx, c, a.jws); err != nil {
		return mark, oauth.Refuse(oauth.InvalidClient, unknownClient).Because(err)
	}
	if alg := a.jws.Signatures[0].Header.Algorithm; c.AuthAlg != "" && alg != c.AuthAlg {
		return mark, oauth.Refuse(oauth.InvalidClient, "The client is registered to sign its assertions with "+c.AuthAlg+".")
	} else if !slices.Contains(c.SigningAlgs(), jose.SignatureAlgorithm(alg)) {
		return mark, oauth.Refuse(oauth.InvalidClient, "The client may not sign its assertions with "+alg+".")
	}
	now := storage.Now()
	if err := auth.checkAssertionClaims(r, c, &a.claims, now); err != nil {
		return mark, err
	}
	key := oauth.MarkAssertion + oauth.HashToken(c.ID+" "+a.claims.ID)
	if used, err := oauth.Marked(ctx, auth.Store, key); err != nil {
		return mark, err
	} else if used {
		return mark, oauth.Refuse(oauth.InvalidClient, "The client_assertion has been used before.")
	}
	if !auth.Ledger.Invited(c) {
		if err := auth.Ledger.TakeNetwork(ctx, "assertions", "Too many client assertions came from this address lately.", allowance.AssertionsOfNetwork, 1); err != nil {
			return mark, err
		}
	}
	return oauth.MarkOnce(key, a.claims.Expires.Time()), nil
}

// checkAssertionClaims checks the claims of a client's assertion (RFC 7523 section 3).
func (auth *Authenticator) checkAssertionClaims(r *http.Request, c *client.Client, claims *AssertionClaims, now time.Time) error {
	switch {
	case claims.Issuer != c.ID, claims.Subject != c.ID:
		return oauth.Refuse(oauth.InvalidClient, "The iss and sub of the client_assertion must be the client_id.")
	case !auth.isAudience(r, c, claims.Audience):
		return oauth.Refuse(oauth.InvalidClient, "The aud of the client_assertion must be the issuer, "+auth.Issuer.ID+".")
	}
	if why := claims.Problem(now, maxAssertionLife); why != "" {
		return oauth.Refuse(oauth.InvalidClient, "The client_assertion "+why)
	}
	return nil
}

// Problem returns what is wrong with the time or the jti of an assertion (RFC 7523 section 3, points 4 to 7), as
// the end of a sentence, and "" if they are right. longest is how long an assertion may be valid.
func (claims *AssertionClaims) Problem(now time.Time, longest time.Duration) string {
	switch {
	case claims.Expires == nil:
		return "has no exp."
	case !now.Before(claims.Expires.Time()):
		return "has expired."
	case claims.Expires.Time().After(now.Add(longest + MaxAssertionAhead)):
		return "is valid for too long: " + longest.String() + " at most."
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(MaxAssertionAhead)):
		return "is not valid yet."
	case claims.IssuedAt != nil && claims.IssuedAt.Time().After(now.Add(MaxAssertionAhead)):
		return "is from the future."
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return "has no jti, or too long a one."
	}
	return ""
}

// isAudience reports whether an aud is accepted: the issuer, the token endpoint or the endpoint that is called. A
// client with StrictAudience must send the issuer alone, as a string: an assertion with a list could be used at
// another member of the list (FAPI 2.0 Security Profile section 5.3.2.1).
func (auth *Authenticator) isAudience(r *http.Request, c *client.Client, aud Audience) bool {
	if c.StrictAudience {
		return aud.single && aud.Values[0] == auth.Issuer.ID
	}
	names := []string{auth.Issuer.ID, auth.Issuer.URL("/token"), auth.Issuer.Origin + r.URL.Path}
	if auth.Alias("") != "" {
		names = append(names, auth.Alias(auth.Issuer.Path+"/token"), auth.Alias(r.URL.Path))
	}
	return slices.ContainsFunc(aud.Values, func(value string) bool { return slices.Contains(names, value) })
}
