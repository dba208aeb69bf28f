package authz

import (
	"cmp"
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// introspection is RFC 7662 section 2.2. An inactive token says nothing else about itself.
type introspection struct {
	Active    bool   `json:"active"`
	TokenType string `json:"token_type,omitempty"`
	Username  string `json:"username,omitempty"`
	*accessClaims
}

// introspect tells a confidential client about a token that it owns or that is meant for it: one
// whose audience has the client's id. To everybody else every token is inactive.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	c, token, err := s.clientAndToken(w, r)
	if err != nil {
		return err
	}
	if c.Public() {
		return oauth.Refuse(oauth.InvalidClient, "Introspection needs a client that can prove who it is.")
	}
	answer := introspection{}
	active, err := s.lookUp(r.Context(), c, token)
	switch {
	case err == nil && (active.concerns(c.ID)):
		answer = introspection{Active: true, TokenType: active.tokenType, accessClaims: &active.accessClaims}
		if active.user != nil && active.Subject == active.user.ID { // it would tell more than a pairwise subject
			answer.Username = active.user.Username
		}
	case err != nil && !errors.Is(err, errInactive):
		return err
	}
	if !wantsIntrospectionJWT(r) {
		return oauth.WriteJSON(w, http.StatusOK, answer)
	}
	return s.writeIntrospectionJWT(w, c, answer)
}

// introspectionJWT is RFC 9701 section 5. It has no sub and no exp, so that nothing takes it for an
// access token.
type introspectionJWT struct {
	Issuer        string        `json:"iss"`
	Audience      string        `json:"aud"` // who asked
	IssuedAt      int64         `json:"iat"` // seconds since 1970
	Introspection introspection `json:"token_introspection"`
}

func (s *Server) writeIntrospectionJWT(w http.ResponseWriter, c *client.Client, answer introspection) error {
	signed, err := s.keys.Sign(s.signingAlg(c.IntrospectionAlg), keys.TypeIntrospection, introspectionJWT{s.issuer.ID, c.ID, storage.Now().Unix(), answer})
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
func (s *Server) clientAndToken(w http.ResponseWriter, r *http.Request) (*client.Client, string, error) {
	form, err := s.clientForm(w, r)
	if err != nil {
		return nil, "", err
	}
	var proven *client.Client
	err = s.asClient(r, form, func(c *fositeClient) ([]storage.Write, error) {
		proven = c.Client
		return nil, nil
	})
	if err == nil && !form.Has("token") {
		err = oauth.Refuse(oauth.InvalidRequest, "The parameter token is missing.")
	}
	return proven, form.Get("token"), err
}

// lookUp finds out about a token of any kind that c asks about.
func (s *Server) lookUp(ctx context.Context, c *client.Client, token string) (*activeToken, error) {
	if strings.HasPrefix(token, oauth.PrefixRefresh) {
		return s.activeRefreshToken(ctx, c, token)
	}
	return s.activeAccessToken(ctx, token)
}

// activeRefreshToken describes a refresh token that a refresh by its client would still take.
func (s *Server) activeRefreshToken(ctx context.Context, c *client.Client, token string) (*activeToken, error) {
	row, _, err := storage.RefreshTokens.Get(ctx, s.store, oauth.HashToken(token))
	if errors.Is(err, storage.ErrNotFound) || (err == nil && row.UsedAt != nil) {
		return nil, errInactive
	} else if err != nil {
		return nil, err
	}
	active := &activeToken{tokenType: "refresh_token"}
	if err := s.loadGrant(ctx, row.GrantID, active); err != nil {
		return nil, err
	}
	if active.grant.ClientID != c.ID {
		return nil, errInactive
	}
	active.accessClaims = accessClaims{
		Issuer:   s.issuer.ID,
		Subject:  s.subject(c, active.user.ID),
		ClientID: c.ID,
		Scope:    strings.Join(active.grant.Scopes, " "),
		Expires:  active.grant.ExpiresAt.Unix(),
		IssuedAt: active.grant.CreatedAt.Unix(),
		GrantID:  row.GrantID,

		Confirmation: active.grant.Confirmation,
		Session:      s.sid(c, active.grant.SessionID),
	}
	observe.Event(ctx).SetGrant(row.GrantID)
	return active, nil
}
