package authz

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/token"
)

// userinfo is OpenID Connect Core section 5.3.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) error {
	presented, err := s.auth.AccessToken(w, r)
	if err != nil {
		return err
	}
	active, err := s.tokens.Active(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) {
		return s.auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is malformed, expired or revoked."))
	} else if err != nil {
		return err
	}
	s.auth.OnlyOrigins(w, r, active.ClientID)
	event := observe.Event(r.Context())
	event.SetClient(active.ClientID)
	event.SetSubject(active.Subject)
	event.SetGrant(active.GrantID)
	if err := s.auth.CheckSender(w, r, presented, &active.Claims); err != nil {
		return err
	}
	if active.User == nil || !active.Has("openid") {
		return s.auth.AccessChallenge(w, r, oauth.Refuse(oauth.InsufficientScope, "The access token lacks the scope openid."))
	}
	claims := token.ScopeClaims(active.User, strings.Fields(active.Scope))
	maps.Copy(claims, token.NamedClaims(active.User, active.Grant.UserInfo))
	claims["sub"] = active.Subject
	return s.writeUserInfo(w, r, active.ClientID, claims)
}

// writeUserInfo answers with JSON, or with a signed JWT if the client is registered for one (OpenID
// Connect Core section 5.3.2).
func (s *Server) writeUserInfo(w http.ResponseWriter, r *http.Request, clientID string, claims map[string]any) error {
	c, err := s.clients.Get(r.Context(), clientID)
	if err != nil {
		return err
	}
	if c == nil || c.UserInfoAlg == "" {
		return oauth.WriteJSON(w, http.StatusOK, claims)
	}
	claims["iss"], claims["aud"] = s.issuer.ID, clientID
	signed, err := s.keys.Sign(jose.SignatureAlgorithm(c.UserInfoAlg), keys.TypeJWT, claims)
	if err != nil {
		return err
	}
	oauth.WriteJWT(w, "application/jwt", signed)
	return nil
}
