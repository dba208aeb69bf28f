// Package tokeninfo has the endpoints that look at a token: introspection (RFC 7662), revocation (RFC 7009),
// userinfo (OpenID Connect Core section 5.3), and the session of a browser or a token.
//
//	/introspect /revoke              client -> clientauth -> token.Active -> answer
//	/userinfo /session               token  -> token.Active -> grant, user, session still alive? -> answer
package tokeninfo

import (
	"cmp"
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// Endpoints has a handler for each endpoint.
type Endpoints struct {
	Issuer   oauth.Issuer
	Store    storage.Store
	Clients  *directory.Clients
	Sessions *session.Sessions
	Auth     *clientauth.Authenticator
	Grants   *grant.Grants
	Tokens   *token.Tokens
	Keys     *keys.Ring // signs introspection and userinfo
	Events   *events.Recorder
}

// introspection is the answer of RFC 7662 section 2.2. For an inactive token it has no other members.
type introspection struct {
	Active    bool   `json:"active"`
	TokenType string `json:"token_type,omitempty"`
	Username  string `json:"username,omitempty"`
	*token.Claims
}

// Introspect is the introspection endpoint (RFC 7662). A confidential client gets the claims of a token that was
// issued to it, or has its id in the audience. Every other token is inactive.
func (ti *Endpoints) Introspect(w http.ResponseWriter, r *http.Request) error {
	c, presented, err := ti.clientAndToken(w, r)
	if err != nil {
		return err
	}
	if c.Public() {
		return oauth.Refuse(oauth.InvalidClient, "Introspection needs a client that can prove who it is.")
	}
	answer := introspection{}
	active, err := ti.lookUp(r.Context(), c, presented)
	switch {
	case err == nil && active.Concerns(c.ID):
		answer = introspection{Active: true, TokenType: active.TokenType, Claims: &active.Claims}
		if active.User != nil && active.Subject == active.User.ID { // not beside a pairwise subject: the username would undo it
			answer.Username = active.User.Username
		}
	case err != nil && !errors.Is(err, token.ErrInactive):
		return err
	}
	if !wantsIntrospectionJWT(r) {
		return oauth.WriteJSON(w, http.StatusOK, answer)
	}
	return ti.writeIntrospectionJWT(w, c, answer)
}

// introspectionJWT is the payload of RFC 9701 section 5. It has no sub and no exp, so that nobody can use it as
// an access token.
type introspectionJWT struct {
	Issuer        string        `json:"iss"`
	Audience      string        `json:"aud"` // the client that asked
	IssuedAt      int64         `json:"iat"` // seconds since 1970
	Introspection introspection `json:"token_introspection"`
}

func (ti *Endpoints) writeIntrospectionJWT(w http.ResponseWriter, c *client.Client, answer introspection) error {
	signed, err := ti.Keys.Sign(ti.Tokens.SigningAlg(c.IntrospectionAlg), keys.TypeIntrospection, introspectionJWT{ti.Issuer.ID, c.ID, storage.Now().Unix(), answer})
	if err != nil {
		return err
	}
	oauth.WriteJWT(w, "application/"+keys.TypeIntrospection, signed)
	return nil
}

// wantsIntrospectionJWT reports whether the Accept header prefers a signed answer (RFC 9701 section 4) to plain
// JSON.
func wantsIntrospectionJWT(r *http.Request) bool {
	const signed = "application/" + keys.TypeIntrospection
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if len(accept) < len(signed) { // the usual case: none, or */*
		return false
	}
	quality := map[string]float64{}
	for item := range strings.SplitSeq(accept, ",") {
		mediaType, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		if err == nil {
			quality[mediaType] = q
		}
	}
	q := quality[signed]
	return q > 0 && q >= quality["application/json"]
}

// clientAndToken authenticates the client of an introspection or revocation, and returns it with the parameter
// token.
func (ti *Endpoints) clientAndToken(w http.ResponseWriter, r *http.Request) (*client.Client, string, error) {
	form, claim, err := ti.Auth.Form(w, r)
	if err != nil {
		return nil, "", err
	}
	var proven *client.Client
	err = ti.Auth.AsClient(r, claim, func(c *clientauth.Sender) ([]storage.Write, error) {
		proven = c.Client
		return nil, nil
	})
	if err == nil && !form.Has("token") {
		err = oauth.Refuse(oauth.InvalidRequest, "The parameter token is missing.")
	}
	return proven, form.Get("token"), err
}

// lookUp reads an access token or a refresh token that c asks about. The error is token.ErrInactive if it does
// not count.
func (ti *Endpoints) lookUp(ctx context.Context, c *client.Client, presented string) (*token.Active, error) {
	if strings.HasPrefix(presented, oauth.PrefixRefresh) {
		return ti.activeRefreshToken(ctx, c, presented)
	}
	return ti.Tokens.Active(ctx, presented)
}

// activeRefreshToken reads a refresh token. It is active if a refresh by c would accept it.
func (ti *Endpoints) activeRefreshToken(ctx context.Context, c *client.Client, presented string) (*token.Active, error) {
	row, _, err := storage.RefreshTokens.Get(ctx, ti.Store, oauth.HashToken(presented))
	if errors.Is(err, storage.ErrNotFound) || (err == nil && row.UsedAt != nil) {
		return nil, token.ErrInactive
	} else if err != nil {
		return nil, err
	}
	active := &token.Active{TokenType: "refresh_token"}
	if err := ti.Tokens.LoadGrant(ctx, row.GrantID, active); err != nil {
		return nil, err
	}
	if active.Grant.ClientID != c.ID {
		return nil, token.ErrInactive
	}
	active.Claims = token.Claims{
		Issuer:   ti.Issuer.ID,
		Subject:  ti.Tokens.Subject(c, active.User.ID),
		ClientID: c.ID,
		Scope:    strings.Join(active.Grant.Scopes, " "),
		Expires:  active.Grant.ExpiresAt.Unix(),
		IssuedAt: active.Grant.CreatedAt.Unix(),
		GrantID:  row.GrantID,

		Confirmation: active.Grant.Confirmation,
		Session:      ti.Tokens.Sid(c, active.Grant.SessionID),
	}
	observe.Event(ctx).SetGrant(row.GrantID)
	return active, nil
}
