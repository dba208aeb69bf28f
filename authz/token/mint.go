package token

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/storage"
)

// Authorization is the input of Mint: which client may do what, and for which user.
type Authorization struct {
	Client    *client.Client
	GrantID   string         // empty: the token has no grant (client credentials)
	Grant     *storage.Grant // nil if GrantID is empty
	User      *storage.User  // nil if GrantID is empty
	Scopes    []string
	Resources []string          // empty: the token is for userinfo alone
	Details   []resource.Detail // RFC 9396
	Actor     *Actor            // RFC 8693 section 4.1; nil: only the client acts
	SignedIn  bool              // the user has signed in to this client: with the scope openid it gets an ID token
	Nonce     string            // of the authorization request, for the ID token of a code
	Now       time.Time
	Until     time.Time // the latest expiry of the access token; zero: no limit
}

// NotBefore returns the last second, since 1970, in which the tokens of the user or of an earlier client of this id were
// ended. A token that counts has a later iat. 0: there is none.
func (a *Authorization) NotBefore() int64 {
	second := int64(0)
	if !a.Client.Since.IsZero() {
		second = a.Client.Since.Unix()
	}
	if a.User != nil {
		second = max(second, a.User.NotBefore)
	}
	return second
}

// Minted holds new tokens. The caller must apply Writes before it shows them to anybody.
type Minted struct {
	AccessToken string
	TokenType   string          // RFC 6749 section 7.1
	Lifetime    time.Duration   // of the access token
	IDToken     string          // empty: there is none
	Writes      []storage.Write // that store an opaque token
}

// Mint makes an access token and, if a.SignedIn and the scope openid is granted, the ID token that belongs to
// it. The access token is bound to the key or certificate that binding names, if it names one. Errors are those
// of the signing keys.
func (t *Tokens) Mint(a Authorization, binding storage.Confirmation) (Minted, error) {
	m := Minted{TokenType: typeOf(binding)}
	if err := t.mintAccessToken(&m, &a, binding); err != nil {
		return Minted{}, err
	}
	if !a.SignedIn || !slices.Contains(a.Scopes, "openid") {
		return m, nil
	}
	var err error
	m.IDToken, err = t.newIDToken(&a, m.AccessToken)
	return m, err
}

// mintAccessToken signs a JWT, or stores an opaque token if a resource asks for one.
func (t *Tokens) mintAccessToken(m *Minted, a *Authorization, binding storage.Confirmation) (err error) {
	m.Lifetime = t.Lifetime(a.Client)
	if left := a.Until.Sub(a.Now); !a.Until.IsZero() && left < m.Lifetime {
		m.Lifetime = left
	}
	expires := a.Now.Add(m.Lifetime)
	claims := Claims{
		Issuer:   t.Issuer.ID,
		Subject:  a.Client.ID,
		Audience: a.Resources,
		ClientID: a.Client.ID,
		Scope:    strings.Join(a.Scopes, " "),
		Expires:  expires.Unix(),
		IssuedAt: max(a.Now.Unix(), a.NotBefore()+1),
		ID:       oauth.NewID(),
		GrantID:  a.GrantID,

		Confirmation:         binding,
		Actor:                a.Actor,
		AuthorizationDetails: resource.EncodeDetails(a.Details),
	}
	if len(claims.Audience) == 0 {
		claims.Audience = []string{t.Issuer.URL("/userinfo")}
	}
	if a.Grant != nil {
		claims.Subject = t.Subject(a.Client, a.User.ID)
		if a.Grant.ClientID == a.Client.ID { // a client that got the token by exchange has no part in the session
			claims.Session = t.Sid(a.Client, a.Grant.SessionID)
		}
		if !a.Grant.AuthTime.IsZero() { // unknown for the grant of an assertion
			claims.AuthTime = a.Grant.AuthTime.Unix()
		}
		claims.ACR, claims.AMR = a.Grant.ACR, a.Grant.AMR
		if a.Client.Source == client.Configured || len(a.Resources) > 0 { // roles are for APIs; the client itself could read them too
			claims.Roles = a.User.Roles
		}
		if claims.Has("groups") {
			claims.Groups = a.User.Groups
		}
	}
	typ, alg := t.AccessTokenFormat(a.Client, a.Resources)
	if typ != resource.TokenTypeOpaque {
		m.AccessToken, err = t.Keys.Sign(alg, typ, claims)
		return err
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		return fmt.Errorf("encode access token: %w", err)
	}
	m.AccessToken = oauth.NewToken(oauth.PrefixAccess)
	m.Writes = append(m.Writes, storage.AccessTokens.Put(oauth.HashToken(m.AccessToken), &storage.AccessToken{Claims: raw}, storage.Absent, expires))
	return nil
}

// Lifetime returns how long the access tokens of a client are valid.
func (t *Tokens) Lifetime(c *client.Client) time.Duration {
	return c.AccessTokenLifetime.Or(t.AccessLifetime)
}

// AccessTokenFormat returns the type and the algorithm of an access token for some resources. If one of them
// wants opaque tokens, the token is opaque, and alg is empty. Otherwise the first resource that sets a type or
// an algorithm decides it.
func (t *Tokens) AccessTokenFormat(c *client.Client, resources []string) (typ string, alg jose.SignatureAlgorithm) {
	for _, uri := range resources {
		r := t.Resources.Get(uri)
		if r == nil {
			continue
		}
		if r.TokenType == resource.TokenTypeOpaque {
			return resource.TokenTypeOpaque, ""
		}
		typ, alg = cmp.Or(typ, r.TokenType), cmp.Or(alg, r.Alg)
	}
	if c.Profile != "" { // the profile may forbid the server's default
		alg = cmp.Or(alg, jose.SignatureAlgorithm(c.IDTokenAlg))
	}
	return cmp.Or(typ, resource.TokenTypeAT), cmp.Or(alg, t.Alg)
}

// typeOf returns the token_type of an access token (RFC 6749 section 7.1, RFC 9449 section 5).
func typeOf(bound storage.Confirmation) string {
	if bound.JKT != "" {
		return oauth.SchemeDPoP
	}
	return oauth.SchemeBearer
}
