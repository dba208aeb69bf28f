// Package token mints and reads access tokens and ID tokens. It takes values, never a request:
//
//	Authorization, binding -> Mint     -> access token, ID token, writes     mint.go, id.go
//	access token           -> Active   -> Claims, and the grant and its user  read.go
//	ID token               -> ReadHint -> Hint                                id.go
//	user                   -> Subject, ScopeClaims                            subject.go, claims.go
//	refresh token          -> Successors                                      refresh.go
//	storage.Revocation     -> Ended    -> entries of the revocation feed      ended.go
package token

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

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
	Subjects    *keys.Deriver // derives pairwise subjects
	RefreshKeys *keys.Deriver // derives the successors of refresh tokens
	Clients     *directory.Clients
	Grants      *grant.Grants
	Resources   resource.Set

	// Alg and the lifetimes are the defaults, where the client and the resource set nothing else.
	Alg                        jose.SignatureAlgorithm
	AccessLifetime, IDLifetime time.Duration

	once     sync.Once
	indirect bool // see nameIndirectly: a client of the configuration is of that kind
}

// Claims is the payload of an access token (RFC 9068 section 2.2). The claim gid is ours: the id of the grant.
// A token of the grant type client_credentials has none.
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

// Has reports whether a token has a scope.
func (c *Claims) Has(scope string) bool {
	for s := range strings.FieldsSeq(c.Scope) {
		if s == scope {
			return true
		}
	}
	return false
}

// Concerns reports whether a token was issued to a client, or is meant for it: the client's id is in its
// audience.
func (c *Claims) Concerns(clientID string) bool {
	return c.ClientID == clientID || slices.ContainsFunc(c.Audience, func(aud string) bool { return weburl.SameResource(aud, clientID) })
}

// IsFor reports whether a resource is the only audience of a token.
func (c *Claims) IsFor(resource string) bool {
	return len(c.Audience) == 1 && c.Audience[0] == resource
}
