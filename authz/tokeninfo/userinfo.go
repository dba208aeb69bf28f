package tokeninfo

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/token"
)

// Userinfo is the userinfo endpoint (OpenID Connect Core section 5.3). The token needs the scope openid.
func (ti *Endpoints) Userinfo(w http.ResponseWriter, r *http.Request) error {
	presented, err := ti.Auth.AccessToken(w, r)
	if err != nil {
		return err
	}
	active, err := ti.Tokens.Active(r.Context(), presented)
	if errors.Is(err, token.ErrInactive) {
		return ti.Auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is malformed, expired or revoked."))
	} else if err != nil {
		return err
	}
	ti.Auth.OnlyOrigins(w, r, func() (directory.Found, error) { return ti.Clients.Find(r.Context(), active.ClientID) })
	event := observe.Event(r.Context())
	event.SetClient(active.ClientID)
	event.SetSubject(active.Subject)
	event.SetGrant(active.GrantID)
	if err := ti.Auth.CheckSender(w, r, presented, &active.Claims); err != nil {
		return err
	}
	if active.User == nil || !active.Has("openid") {
		return ti.Auth.AccessChallenge(w, r, oauth.Refuse(oauth.InsufficientScope, "The access token lacks the scope openid."))
	}
	claims := token.ScopeClaims(active.User, strings.Fields(active.Scope))
	maps.Copy(claims, token.NamedClaims(active.User, active.Grant.UserInfo))
	claims["sub"] = active.Subject
	return ti.writeUserInfo(w, r, active.ClientID, claims)
}

// writeUserInfo answers with JSON, or with a signed JWT if the client is registered for one (OpenID
// Connect Core section 5.3.2).
func (ti *Endpoints) writeUserInfo(w http.ResponseWriter, r *http.Request, clientID string, claims map[string]any) error {
	c, err := ti.Clients.Get(r.Context(), clientID)
	if err != nil {
		return err
	}
	if c == nil || c.UserInfoAlg == "" {
		return oauth.WriteJSON(w, http.StatusOK, claims)
	}
	claims["iss"], claims["aud"] = ti.Issuer.ID, clientID
	signed, err := ti.Keys.Sign(jose.SignatureAlgorithm(c.UserInfoAlg), keys.TypeJWT, claims)
	if err != nil {
		return err
	}
	oauth.WriteJWT(w, "application/jwt", signed)
	return nil
}
