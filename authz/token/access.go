// Package token mints tokens and reads them. It takes values, never a request:
//
//	Authorization, binding -> Mint   -> access token, ID token, writes
//	access token           -> Active -> Claims, and the grant and user that still stand behind it
//	ID token               -> ReadHint
package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/weburl"
	"github.com/authzd/authzd/storage"
)

// Tokens mints and reads the tokens of one issuer.
type Tokens struct {
	Issuer      oauth.Issuer
	Store       storage.Store
	Keys        *keys.Ring
	Subjects    *keys.Deriver // of pairwise subjects
	RefreshKeys *keys.Deriver // of the successors of refresh tokens
	Clients     *directory.Clients
	Grants      *grant.Grants
	Resources   resource.Set

	// Alg and the lifetimes are for clients and resources that ask for nothing else.
	Alg                        jose.SignatureAlgorithm
	AccessLifetime, IDLifetime time.Duration
}

// Claims is the payload of an access token (RFC 9068 section 2.2). gid is the grant, the
// handle of revocation; it is absent from app tokens.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope,omitempty"`
	Expires  int64    `json:"exp"` // seconds since 1970
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	GrantID  string   `json:"gid,omitempty"`
	Session  string   `json:"sid,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Roles    []string `json:"roles,omitempty"`  // RFC 9068 section 2.2.3.1
	Groups   []string `json:"groups,omitempty"` // with scope groups

	Confirmation         storage.Confirmation `json:"cnf,omitzero"`                    // RFC 7800
	Actor                *Actor               `json:"act,omitempty"`                   // RFC 8693 section 4.1
	MayAct               *mayAct              `json:"may_act,omitempty"`               // RFC 8693 section 4.4
	AuthorizationDetails json.RawMessage      `json:"authorization_details,omitempty"` // RFC 9396 section 9.1
}

func (c *Claims) Has(scope string) bool {
	for s := range strings.FieldsSeq(c.Scope) {
		if s == scope {
			return true
		}
	}
	return false
}

// Concerns tells whether a token is a client's own, or meant for it: its audience has the client's id.
func (c *Claims) Concerns(clientID string) bool {
	return c.ClientID == clientID || slices.ContainsFunc(c.Audience, func(aud string) bool { return weburl.SameResource(aud, clientID) })
}

// Authorization is what a token says: which client may do what, and for whom.
type Authorization struct {
	Client    *client.Client
	GrantID   string         // empty: no grant stands behind the token (client credentials)
	Grant     *storage.Grant // nil if GrantID is empty
	User      *storage.User  // nil if GrantID is empty
	Scopes    []string
	Resources []string          // empty: the token is for userinfo alone
	Details   []resource.Detail // RFC 9396
	Actor     *Actor            // RFC 8693 section 4.1; nil: nobody but the client
	SignedIn  bool              // the user has signed in to this client: with the scope openid, an ID token says so
	Nonce     string            // for the ID token of a code
	Now       time.Time
	Until     time.Time // the access token ends then at the latest; zero: no limit
}

// Minted are new tokens.
type Minted struct {
	AccessToken string
	TokenType   string          // RFC 6749 section 7.1
	Lifetime    time.Duration   // of the access token
	IDToken     string          // empty: there is none
	Writes      []storage.Write // that make an opaque token known
}

// Mint makes an access token that is bound to a key or certificate, if binding names one, and the ID token that
// belongs to it. Nobody may see them before their writes are made.
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
		IssuedAt: a.Now.Unix(),
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
		if a.Grant.ClientID == a.Client.ID { // whoever only acts for the user has no part in the session
			claims.Session = t.Sid(a.Client, a.Grant.SessionID)
		}
		if !a.Grant.AuthTime.IsZero() { // an assertion doesn't tell
			claims.AuthTime = a.Grant.AuthTime.Unix()
		}
		claims.ACR, claims.AMR = a.Grant.ACR, a.Grant.AMR
		if a.Client.Source == client.Configured || len(a.Resources) > 0 { // they are for APIs, and any client can read them
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

func (t *Tokens) Lifetime(c *client.Client) time.Duration {
	return c.AccessTokenLifetime.Or(t.AccessLifetime)
}

// AccessTokenFormat is what the resources ask for; if one of several wants opaque tokens, they all
// get one, and otherwise the first one that asks for something decides.
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
	if c.Profile != "" { // where no resource has its own, the server's may be one that the profile forbids
		alg = cmp.Or(alg, jose.SignatureAlgorithm(c.IDTokenAlg))
	}
	return cmp.Or(typ, resource.TokenTypeAT), cmp.Or(alg, t.Alg)
}

// typeOf is the scheme that a token is used with (RFC 6749 section 7.1, RFC 9449 section 5).
func typeOf(bound storage.Confirmation) string {
	if bound.JKT != "" {
		return oauth.SchemeDPoP
	}
	return oauth.SchemeBearer
}

// ErrInactive: the token is not, or no longer, an access token of ours that counts.
var ErrInactive = errors.New("the access token is not active")

// Active is a token that counts, with what stands behind it. grant and user are nil for app
// tokens.
type Active struct {
	Claims
	TokenType string
	Grant     *storage.Grant
	User      *storage.User
}

// Active checks an access token as introspection and userinfo see it: it is ours and
// valid, and its grant and whoever stands behind it still live. Any reason why the token does not
// count is ErrInactive; other errors are ours.
func (t *Tokens) Active(ctx context.Context, token string) (*Active, error) {
	claims, err := t.Parse(ctx, token)
	if err != nil {
		return nil, err
	}
	active := &Active{Claims: *claims, TokenType: typeOf(claims.Confirmation)}
	if claims.GrantID != "" { // a token that was exchanged by another client can be revoked alone too
		if err := t.LoadGrant(ctx, claims.GrantID, active); err != nil || active.Grant.ClientID == claims.ClientID {
			return active, err
		}
	}
	switch _, _, err := storage.RevokedTokens.Get(ctx, t.Store, claims.ID); {
	case errors.Is(err, storage.ErrNotFound):
		return active, nil
	case err != nil:
		return nil, err
	}
	return nil, ErrInactive
}

// LoadGrant fills in the grant behind a token and its user, or returns ErrInactive.
func (t *Tokens) LoadGrant(ctx context.Context, id string, active *Active) error {
	found, _, err := storage.Grants.Get(ctx, t.Store, id)
	if errors.Is(err, storage.ErrNotFound) || (err == nil && found.RevokedAt != nil) {
		return ErrInactive
	} else if err != nil {
		return err
	}
	user, _, err := t.Grants.Owner(ctx, found)
	if gone := new(grant.OwnerGone); errors.As(err, &gone) {
		return ErrInactive
	}
	active.Grant, active.User = found, user
	return err
}

// Parse checks what a token says of itself: signature, type, issuer, expiry, and that its
// client is still registered. ErrInactive if not.
func (t *Tokens) Parse(ctx context.Context, token string) (*Claims, error) {
	var payload []byte
	if strings.HasPrefix(token, oauth.PrefixAccess) {
		row, _, err := storage.AccessTokens.Get(ctx, t.Store, oauth.HashToken(token))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, ErrInactive
		} else if err != nil {
			return nil, err
		}
		payload = row.Claims
	} else {
		verified, err := t.Keys.Verify(token)
		switch {
		case errors.Is(err, keys.ErrInvalidToken):
			return nil, ErrInactive
		case err != nil:
			return nil, err
		case verified.Type != resource.TokenTypeAT && verified.Type != resource.TokenTypeJWT:
			return nil, ErrInactive
		}
		payload = verified.Payload
	}
	claims := new(Claims)
	switch err := json.Unmarshal(payload, claims); {
	case err != nil, claims.ID == "", claims.ClientID == "": // an ID token may have the type JWT too, but no client_id
		return nil, ErrInactive
	case claims.Issuer != t.Issuer.ID, storage.Now().Unix() >= claims.Expires:
		return nil, ErrInactive
	}
	c, err := t.Clients.Get(ctx, claims.ClientID)
	if directory.Gone(c, err) || err == nil && claims.IssuedAt < c.Since.Unix() {
		return nil, ErrInactive
	}
	return claims, err
}

// IsFor tells whether a resource is the one audience of a token.
func (c *Claims) IsFor(resource string) bool {
	return len(c.Audience) == 1 && c.Audience[0] == resource
}
