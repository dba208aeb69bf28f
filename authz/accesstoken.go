package authz

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

// accessClaims is the payload of an access token (RFC 9068 section 2.2). gid is the grant, the
// handle of revocation; it is absent from app tokens.
type accessClaims struct {
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
	Actor                *actor               `json:"act,omitempty"`                   // RFC 8693 section 4.1
	MayAct               *mayAct              `json:"may_act,omitempty"`               // RFC 8693 section 4.4
	AuthorizationDetails json.RawMessage      `json:"authorization_details,omitempty"` // RFC 9396 section 9.1
}

func (c *accessClaims) has(scope string) bool {
	for s := range strings.FieldsSeq(c.Scope) {
		if s == scope {
			return true
		}
	}
	return false
}

// concerns tells whether a token is a client's own, or meant for it: its audience has the client's id.
func (c *accessClaims) concerns(clientID string) bool {
	return c.ClientID == clientID || slices.ContainsFunc(c.Audience, func(aud string) bool { return weburl.SameResource(aud, clientID) })
}

// tokenAuthorization is what a token says: which client may do what, and for whom.
type tokenAuthorization struct {
	Client    *client.Client
	GrantID   string         // empty: no grant stands behind the token (client credentials)
	Grant     *storage.Grant // nil if GrantID is empty
	User      *storage.User  // nil if GrantID is empty
	Scopes    []string
	Resources []string          // empty: the token is for userinfo alone
	Details   []resource.Detail // RFC 9396
	Actor     *actor            // RFC 8693 section 4.1; nil: nobody but the client
	SignedIn  bool              // the user has signed in to this client: with the scope openid, an ID token says so
	Nonce     string            // for the ID token of a code
	Now       time.Time
	Until     time.Time // the access token ends then at the latest; zero: no limit
}

// mintedTokens are new tokens.
type mintedTokens struct {
	accessToken string
	tokenType   string          // RFC 6749 section 7.1
	lifetime    time.Duration   // of the access token
	idToken     string          // empty: there is none
	writes      []storage.Write // that make an opaque token known
}

// mint makes an access token that is bound to a key or certificate, if binding names one, and the ID token that
// belongs to it. Nobody may see them before their writes are made.
func (s *Server) mint(a tokenAuthorization, binding storage.Confirmation) (mintedTokens, error) {
	m := mintedTokens{tokenType: tokenType(binding)}
	if err := s.mintAccessToken(&m, &a, binding); err != nil {
		return mintedTokens{}, err
	}
	if !a.SignedIn || !slices.Contains(a.Scopes, "openid") {
		return m, nil
	}
	var err error
	m.idToken, err = s.newIDToken(&a, m.accessToken)
	return m, err
}

// mintAccessToken signs a JWT, or stores an opaque token if a resource asks for one.
func (s *Server) mintAccessToken(m *mintedTokens, a *tokenAuthorization, binding storage.Confirmation) (err error) {
	m.lifetime = s.accessTokenLifetime(a.Client)
	if left := a.Until.Sub(a.Now); !a.Until.IsZero() && left < m.lifetime {
		m.lifetime = left
	}
	expires := a.Now.Add(m.lifetime)
	claims := accessClaims{
		Issuer:   s.issuer.ID,
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
		claims.Audience = []string{s.issuer.URL("/userinfo")}
	}
	if a.Grant != nil {
		claims.Subject = s.subject(a.Client, a.User.ID)
		if a.Grant.ClientID == a.Client.ID { // whoever only acts for the user has no part in the session
			claims.Session = s.sid(a.Client, a.Grant.SessionID)
		}
		if !a.Grant.AuthTime.IsZero() { // an assertion doesn't tell
			claims.AuthTime = a.Grant.AuthTime.Unix()
		}
		claims.ACR, claims.AMR = a.Grant.ACR, a.Grant.AMR
		if a.Client.Source == client.Configured || len(a.Resources) > 0 { // they are for APIs, and any client can read them
			claims.Roles = a.User.Roles
		}
		if claims.has("groups") {
			claims.Groups = a.User.Groups
		}
	}
	typ, alg := s.accessTokenFormat(a.Client, a.Resources)
	if typ != resource.TokenTypeOpaque {
		m.accessToken, err = s.keys.Sign(alg, typ, claims)
		return err
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		return fmt.Errorf("encode access token: %w", err)
	}
	m.accessToken = oauth.NewToken(oauth.PrefixAccess)
	m.writes = append(m.writes, storage.AccessTokens.Put(oauth.HashToken(m.accessToken), &storage.AccessToken{Claims: raw}, storage.Absent, expires))
	return nil
}

func (s *Server) accessTokenLifetime(c *client.Client) time.Duration {
	return cmp.Or(c.AccessTokenLifetime, s.config.Lifetimes.AccessToken)
}

// accessTokenFormat is what the resources ask for; if one of several wants opaque tokens, they all
// Get one, and otherwise the first one that asks for something decides.
func (s *Server) accessTokenFormat(c *client.Client, resources []string) (typ string, alg jose.SignatureAlgorithm) {
	for _, uri := range resources {
		r := s.resources.Get(uri)
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
	return cmp.Or(typ, resource.TokenTypeAT), cmp.Or(alg, s.config.Signing.Alg)
}

// tokenType is the scheme that a token is used with (RFC 6749 section 7.1, RFC 9449 section 5).
func tokenType(bound storage.Confirmation) string {
	if bound.JKT != "" {
		return oauth.SchemeDPoP
	}
	return oauth.SchemeBearer
}

// errInactive: the token is not, or no longer, an access token of ours that counts.
var errInactive = errors.New("the access token is not active")

// activeToken is a token that counts, with what stands behind it. grant and user are nil for app
// tokens.
type activeToken struct {
	accessClaims
	tokenType string
	grant     *storage.Grant
	user      *storage.User
}

// activeAccessToken checks an access token as introspection and userinfo see it: it is ours and
// valid, and its grant and whoever stands behind it still live. Any reason why the token does not
// count is errInactive; other errors are ours.
func (s *Server) activeAccessToken(ctx context.Context, token string) (*activeToken, error) {
	claims, err := s.parseAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	active := &activeToken{accessClaims: *claims, tokenType: tokenType(claims.Confirmation)}
	if claims.GrantID != "" { // a token that was exchanged by another client can be revoked alone too
		if err := s.loadGrant(ctx, claims.GrantID, active); err != nil || active.grant.ClientID == claims.ClientID {
			return active, err
		}
	}
	switch _, _, err := storage.RevokedTokens.Get(ctx, s.store, claims.ID); {
	case errors.Is(err, storage.ErrNotFound):
		return active, nil
	case err != nil:
		return nil, err
	}
	return nil, errInactive
}

// loadGrant fills in the grant behind a token and its user, or returns errInactive.
func (s *Server) loadGrant(ctx context.Context, id string, active *activeToken) error {
	found, _, err := storage.Grants.Get(ctx, s.store, id)
	if errors.Is(err, storage.ErrNotFound) || (err == nil && found.RevokedAt != nil) {
		return errInactive
	} else if err != nil {
		return err
	}
	user, _, err := s.grants.Owner(ctx, found)
	if gone := new(grant.OwnerGone); errors.As(err, &gone) {
		return errInactive
	}
	active.grant, active.user = found, user
	return err
}

// parseAccessToken checks what a token says of itself: signature, type, issuer, expiry, and that its
// Get is still registered. errInactive if not.
func (s *Server) parseAccessToken(ctx context.Context, token string) (*accessClaims, error) {
	var payload []byte
	if strings.HasPrefix(token, oauth.PrefixAccess) {
		row, _, err := storage.AccessTokens.Get(ctx, s.store, oauth.HashToken(token))
		if errors.Is(err, storage.ErrNotFound) {
			return nil, errInactive
		} else if err != nil {
			return nil, err
		}
		payload = row.Claims
	} else {
		verified, err := s.keys.Verify(token)
		switch {
		case errors.Is(err, keys.ErrInvalidToken):
			return nil, errInactive
		case err != nil:
			return nil, err
		case verified.Type != resource.TokenTypeAT && verified.Type != resource.TokenTypeJWT:
			return nil, errInactive
		}
		payload = verified.Payload
	}
	claims := new(accessClaims)
	switch err := json.Unmarshal(payload, claims); {
	case err != nil, claims.ID == "", claims.ClientID == "": // an ID token may have the type JWT too, but no client_id
		return nil, errInactive
	case claims.Issuer != s.issuer.ID, storage.Now().Unix() >= claims.Expires:
		return nil, errInactive
	}
	c, err := s.clients.Get(ctx, claims.ClientID)
	if directory.Gone(c, err) || err == nil && claims.IssuedAt < c.Since.Unix() {
		return nil, errInactive
	}
	return claims, err
}
