package authorize

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

const (
	maxRequestObject = 64 << 10 // bytes
	// maxRequestLife and requestSkew are those of FAPI 2.0 Message Signing section 5.3.1. A server must accept
	// a client's clock that is 10 seconds off, and must not accept 60.
	maxRequestLife = time.Hour
	requestSkew    = 10 * time.Second
)

// requestObject is an authorization request that its client has signed (RFC 9101 section 4).
type requestObject struct {
	params  url.Values
	expires int64 // seconds since 1970; 0: never
}

// requestClaims are the members of a request object that are about itself.
type requestClaims struct {
	Issuer    string              `json:"iss"`
	Subject   string              `json:"sub"`
	Audience  clientauth.Audience `json:"aud"`
	Expires   *jwt.NumericDate    `json:"exp"`
	NotBefore *jwt.NumericDate    `json:"nbf"`
	ClientID  string              `json:"client_id"`
}

func badRequestObject(why string) *oauth.Error {
	return oauth.Refuse(oauth.InvalidRequestObject, "The request object "+why)
}

// openRequestObject verifies a request object of the client (RFC 9101 sections 6.2 and 6.3). Encrypted objects
// are refused without being decoded: this server has no key for them.
func (reqs *Requests) openRequestObject(ctx context.Context, c *client.Client, text string) (*requestObject, error) {
	if len(text) > maxRequestObject {
		return nil, badRequestObject("is too long.")
	}
	jws, err := jose.ParseSignedCompact(text, jwks.Algorithms)
	if err != nil {
		return nil, badRequestObject("is not a JWT that is signed with an algorithm on offer.").Because(err)
	}
	header := jws.Signatures[0].Header
	switch {
	case !clientauth.MayBe(header, "oauth-authz-req+jwt"):
		return nil, badRequestObject("has the header of another kind of token.")
	case c.RequestAlg != "" && header.Algorithm != c.RequestAlg:
		return nil, badRequestObject("is not signed with " + c.RequestAlg + ", the algorithm that the client is registered for.")
	case !slices.Contains(c.SigningAlgs(), jose.SignatureAlgorithm(header.Algorithm)):
		return nil, badRequestObject("is signed with an algorithm that the client may not use.")
	}
	if err := reqs.Ledger.TakeKeyFetch(ctx, c); err != nil {
		return nil, err
	}
	payload, err := reqs.Keys.Verify(ctx, c, jws)
	if err != nil {
		return nil, badRequestObject("is not signed by the client.").Because(err)
	}
	var claims requestClaims
	members := map[string]josejson.RawMessage{}
	for _, target := range []any{&claims, &members} { // the decoder of go-jose refuses repeated members
		if err := josejson.Unmarshal(payload, target); err != nil {
			return nil, badRequestObject("is not the JSON that RFC 9101 section 4 describes.").Because(err)
		}
	}
	if err := reqs.checkRequestClaims(c, &claims); err != nil {
		return nil, err
	}
	o := &requestObject{}
	if claims.Expires != nil {
		o.expires = int64(*claims.Expires)
	}
	o.params, err = requestParams(members)
	return o, err
}

// checkRequestClaims checks the claims of a request object by RFC 9101 section 4 and, for clients with that
// profile, FAPI 2.0 Message Signing section 5.3.1. Without an exp the request may begin at any time (OpenID
// Connect Core section 6.1): its nonce and code_challenge bind it to a session of the client.
func (reqs *Requests) checkRequestClaims(c *client.Client, claims *requestClaims) error {
	now, strict := storage.Now(), c.SignsRequests()
	switch {
	case claims.ClientID != c.ID:
		return badRequestObject("must have the client_id of the request.")
	case claims.Issuer != c.ID && (strict || claims.Issuer != ""):
		return badRequestObject("must have the client_id as its iss.")
	case claims.Subject == c.ID: // RFC 9101 section 10.8: it might pass for an assertion
		return badRequestObject("must not have the client_id as its sub.")
	case !slices.Contains(claims.Audience.Values, reqs.Issuer.ID):
		return badRequestObject("must have the issuer as its aud, which is " + reqs.Issuer.ID + ".")
	case claims.Expires != nil && !now.Before(claims.Expires.Time().Add(requestSkew)):
		return badRequestObject("has expired.")
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(requestSkew)):
		return badRequestObject("is not valid yet.")
	case !strict:
		return nil
	case claims.Expires == nil, claims.NotBefore == nil:
		return badRequestObject("must have exp and nbf.")
	case claims.NotBefore.Time().Before(now.Add(-maxRequestLife)):
		return badRequestObject("has an nbf of more than 60 minutes ago.")
	case claims.Expires.Time().After(claims.NotBefore.Time().Add(maxRequestLife)):
		return badRequestObject("is valid for more than 60 minutes.")
	}
	return nil
}

// ownClaims are the claims about the request object itself: they are no parameters.
var ownClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// jsonParameters are the parameters that have JSON as a value. In a request object this is an object or an
// array, or a string that holds it.
var jsonParameters = []string{"claims", "authorization_details", "registration"}

// requestParams returns the parameters of a request object, under the rules for those of a query: unknown ones
// are left out. A string becomes its value, an array at resource several values (RFC 8707 section 2), and
// anything else its JSON text.
func requestParams(members map[string]josejson.RawMessage) (url.Values, error) {
	params := url.Values{}
	for name, raw := range members {
		raw = bytes.TrimSpace(raw)
		if slices.Contains(ownClaims, name) || string(raw) == "null" || !oauth.KnownParameters[name] && oauth.CleanText(name) {
			continue
		}
		switch name {
		case "request", "request_uri": // RFC 9101 section 4
			return nil, badRequestObject("must not have a request or request_uri.")
		}
		values, ok := parameterValues(name, raw)
		if !ok {
			return nil, badRequestObject("has a parameter that must be a string.")
		}
		params[name] = values
	}
	params, err := oauth.ParseParams(params.Encode())
	if err != nil {
		return nil, badRequestObject("has too many parameters, or one that is too long or has control characters.").Because(err)
	}
	return params, nil
}

// parameterValues returns the values of one parameter from its JSON, and false if it can't have this JSON.
func parameterValues(name string, raw []byte) ([]string, bool) {
	var text string
	var list []string
	switch raw[0] {
	case '"':
		err := josejson.Unmarshal(raw, &text)
		return []string{text}, err == nil
	case '{', '[':
		if name == "resource" {
			err := josejson.Unmarshal(raw, &list)
			return list, err == nil
		}
		var compact bytes.Buffer
		err := json.Compact(&compact, raw)
		return []string{compact.String()}, err == nil && slices.Contains(jsonParameters, name)
	}
	return []string{string(raw)}, true // a number, true or false
}

// fetchRequestObject gets the request object at a registered request_uri (RFC 9101 section 5.2, OpenID Connect
// Core section 6.2). It ignores the fragment, which may be a hash of the content for caches: nothing is cached
// here.
func (reqs *Requests) fetchRequestObject(ctx context.Context, c *client.Client, requestURI string) (string, error) {
	if !c.MatchRequestURI(requestURI) {
		return "", oauth.Refuse(oauth.InvalidRequestURI, "The request_uri is not registered for this client.")
	}
	if err := reqs.Ledger.TakeRequestFetch(ctx, c); err != nil {
		return "", err
	}
	base, _, _ := strings.Cut(requestURI, "#")
	document, err := reqs.Outbound.Get(ctx, base, outbound.Want{MaxBytes: maxRequestObject})
	if err != nil {
		return "", oauth.Refuse(oauth.InvalidRequestURI, "The request object could not be fetched from the request_uri.").Because(err)
	}
	return string(bytes.TrimSpace(document.Body)), nil
}
