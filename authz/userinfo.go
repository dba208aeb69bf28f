package authz

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
)

// errNoToken is a request without credentials: it is challenged, but not told of an error (RFC 6750
// section 3.1).
const errNoToken = "token_required"

// userinfo is OpenID Connect Core section 5.3.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) error {
	token, err := s.bearerToken(w, r)
	if err != nil {
		return err
	}
	active, err := s.activeAccessToken(r.Context(), token)
	if errors.Is(err, errInactive) {
		return s.challenge(w, refuse(errInvalidToken, "The access token is malformed, expired or revoked."))
	} else if err != nil {
		return err
	}
	s.onlyOrigins(w, r, active.ClientID)
	event := observe.Event(r.Context())
	event.SetClient(active.ClientID)
	event.SetSubject(active.Subject)
	event.SetGrant(active.GrantID)
	if active.user == nil || !active.has("openid") {
		return s.challenge(w, refuse(errInsufficientScope, "The access token lacks the scope openid."))
	}
	claims := scopeClaims(active.user, strings.Fields(active.Scope))
	maps.Copy(claims, namedClaims(active.user, active.grant.UserInfo))
	claims["sub"] = active.Subject
	return s.writeUserInfo(w, r, active.ClientID, claims)
}

// writeUserInfo answers with JSON, or with a signed JWT if the client is registered for one (OpenID
// Connect Core section 5.3.2).
func (s *Server) writeUserInfo(w http.ResponseWriter, r *http.Request, clientID string, claims map[string]any) error {
	c, err := s.client(r.Context(), clientID)
	if err != nil {
		return err
	}
	if c == nil || c.UserInfoAlg == "" {
		return writeJSON(w, http.StatusOK, claims)
	}
	claims["iss"], claims["aud"] = s.config.Issuer, clientID
	signed, err := s.keys.Sign(jose.SignatureAlgorithm(c.UserInfoAlg), keys.TypeJWT, claims)
	if err != nil {
		return err
	}
	writeJWT(w, "application/jwt", signed)
	return nil
}

// bearerToken finds the one access token of a request (RFC 6750 section 2): in the header or in a
// form, never in the URL, never in both.
func (s *Server) bearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	var body string
	if r.Method == http.MethodPost && isForm(r) {
		form, err := formParams(w, r)
		if err != nil {
			return "", s.challenge(w, asError(err))
		}
		body = form.Get("access_token")
	}
	scheme, token, _ := strings.Cut(strings.Join(headers, ","), " ")
	isBearer := strings.EqualFold(scheme, "Bearer")
	malformed := refuse(errInvalidRequest, "Send one access token, in the Authorization header.")
	switch {
	case r.URL.Query().Has("access_token"), len(headers) > 1, body != "" && len(headers) > 0, isBearer && (token == "" || strings.ContainsAny(token, " ,")):
		return "", s.challenge(w, malformed)
	case body != "":
		return body, nil
	case isBearer:
		return token, nil
	}
	return "", s.challenge(w, &Error{Status: http.StatusUnauthorized, Code: errNoToken, Description: "An access token is required."})
}
