// Package tokeninfo answers what a token is worth: introspection (RFC 7662), revocation (RFC 7009), userinfo (OpenID
// Connect Core section 5.3), and the session behind a browser or a token.
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

// Endpoints tell of tokens.
type Endpoints struct {
	Issuer   oauth.Issuer
	Store    storage.Store
	Clients  *directory.Clients
	Sessions *session.Sessions
	Auth     *clientauth.Authenticator
	Grants   *grant.Grants
	Tokens   *token.Tokens
	Keys     *keys.Ring // that sign introspection and userinfo
	Events   *events.Recorder
}

// introspection is RFC 7662 section 2.2. An inactive token says nothing else about itself.
type introspection struct {
	Active    bool   `json:"active"`
	TokenType string `json:"token_type,omitempty"`
	Username  string `json:"username,omitempty"`
	*token.Claims
}

// Introspect tells a confidential client about a token that it owns or that is meant for it: one
// whose audience has the client's id. To everybody else every token is inactive.
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
	case err == nil && (active.Concerns(c.ID)):
		answer = introspection{Active: true, TokenType: active.TokenType, Claims: &active.Claims}
		if active.User != nil && active.Subject == active.User.ID { // it would tell more than a pairwise subject
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

// introspectionJWT is RFC 9701 section 5. It has no sub and no exp, so that nothing takes it for an
// access token.
type introspectionJWT struct {
	Issuer        string        `json:"iss"`
	Audience      string        `json:"aud"` // who asked
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

// wantsIntrospectionJWT tells whether the Accept header asks for a signed answer (RFC 9701 section 4)
// rather than for plain JSON.
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

// clientAndToken is what introspection and revocation have in common: an authenticated client and
// the parameter token.
func (ti *Endpoints) clientAndToken(w http.ResponseWriter, r *http.Request) (*client.Client, string, error) {
	form, err := ti.Auth.Form(w, r)
	if err != nil {
		return nil, "", err
	}
	var proven *client.Client
	err = ti.Auth.AsClient(r, form, func(c *clientauth.Sender) ([]storage.Write, error) {
		proven = c.Client
		return nil, nil
	})
	if err == nil && !form.Has("token") {
		err = oauth.Refuse(oauth.InvalidRequest, "The parameter token is missing.")
	}
	return proven, form.Get("token"), err
}

// lookUp finds out about a token of any kind that c asks about.
func (ti *Endpoints) lookUp(ctx context.Context, c *client.Client, presented string) (*token.Active, error) {
	if strings.HasPrefix(presented, oauth.PrefixRefresh) {
		return ti.activeRefreshToken(ctx, c, presented)
	}
	return ti.Tokens.Active(ctx, presented)
}

// activeRefreshToken describes a refresh token that a refresh by its client would still take.
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
