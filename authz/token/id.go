package token

import (
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/keys"
)

// newIDToken signs an ID token (OpenID Connect Core section 2). The one of a refresh describes the same login,
// without the nonce (section 12.2).
func (t *Tokens) newIDToken(a *Authorization, accessToken string) (string, error) {
	alg := t.SigningAlg(a.Client.IDTokenAlg)
	claims := map[string]any{}
	if a.Client.IDTokenClaims {
		maps.Copy(claims, ScopeClaims(a.User, a.Scopes))
	}
	maps.Copy(claims, NamedClaims(a.User, a.Grant.IDTokenClaims))
	maps.Copy(claims, map[string]any{ // last: nothing above may replace these
		"iss":     t.Issuer.ID,
		"sub":     t.Subject(a.Client, a.User.ID),
		"aud":     a.Client.ID,
		"exp":     a.Now.Add(a.Client.IDTokenLifetime.Or(t.IDLifetime)).Unix(),
		"iat":     a.Now.Unix(),
		"at_hash": atHash(alg, accessToken),
		"acr":     a.Grant.ACR,
	})
	if a.Client.NamesSessions() {
		claims["sid"] = t.Sid(a.Client, a.Grant.SessionID)
	}
	if (a.Grant.AuthTimeAsked || a.Client.RequireAuthTime) && !a.Grant.AuthTime.IsZero() {
		claims["auth_time"] = a.Grant.AuthTime.Unix()
	}
	if len(a.Grant.AMR) > 0 {
		claims["amr"] = a.Grant.AMR
	}
	if a.Nonce != "" {
		claims["nonce"] = a.Nonce
	}
	return t.Keys.Sign(alg, keys.TypeJWT, claims)
}

// SigningAlg returns the algorithm that the server signs with for a client: the registered one or, if that is
// empty, the default.
func (t *Tokens) SigningAlg(registered string) jose.SignatureAlgorithm {
	return cmp.Or(jose.SignatureAlgorithm(registered), t.Alg)
}

// atHash returns the claim at_hash: the left half of the hash that belongs to the algorithm (OpenID Connect
// Core section 3.1.3.6). Ed25519 uses SHA-512.
func atHash(alg jose.SignatureAlgorithm, accessToken string) string {
	var sum []byte
	if alg == jose.EdDSA {
		h := sha512.Sum512([]byte(accessToken))
		sum = h[:]
	} else {
		h := sha256.Sum256([]byte(accessToken))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// Hint is the content of an id_token_hint.
type Hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Session  string `json:"sid"`
	Expires  int64  `json:"exp"`       // signed userinfo has none
	ClientID string `json:"client_id"` // only access tokens have one
}

// ReadHint reads an id_token_hint (OpenID Connect Core section 3.1.2.1). The token may have expired, and its
// key may be a former one, but it must be an ID token of this server.
func (t *Tokens) ReadHint(token string) (*Hint, error) {
	verified, err := t.Keys.Verify(token)
	if err != nil {
		return nil, err
	}
	hint := new(Hint)
	if err := json.Unmarshal(verified.Payload, hint); err != nil {
		return nil, err
	}
	if verified.Type != keys.TypeJWT || hint.ClientID != "" || hint.Issuer != t.Issuer.ID || hint.Audience == "" || hint.Subject == "" || hint.Expires == 0 {
		return nil, errors.New("not an ID token of this server")
	}
	return hint, nil
}
