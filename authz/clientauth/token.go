package clientauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// schemeOf returns DPoP or Bearer, the scheme that a request uses; Bearer if it uses neither.
func schemeOf(r *http.Request) string {
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, oauth.SchemeDPoP) {
		return oauth.SchemeDPoP
	}
	return oauth.SchemeBearer
}

// AccessToken returns the access token of a request (RFC 6750 section 2, RFC 9449 section 7.1). It must be in the
// header or in a form, not in both, and not in the URL. Before it returns an *oauth.Error, it sets the challenge.
func (auth *Authenticator) AccessToken(w http.ResponseWriter, r *http.Request) (string, error) {
	token, err := auth.presentedToken(w, r, oauth.SchemeBearer, oauth.SchemeDPoP)
	return token, auth.accessChallenged(w, r, err)
}

// BearerToken is AccessToken for a token that can't be bound to a key.
func (auth *Authenticator) BearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	token, err := auth.presentedToken(w, r, oauth.SchemeBearer)
	if refused := new(oauth.Error); errors.As(err, &refused) {
		return "", auth.Challenge(w, refused)
	}
	return token, err
}

func (auth *Authenticator) presentedToken(w http.ResponseWriter, r *http.Request, schemes ...string) (string, error) {
	headers := r.Header.Values("Authorization")
	var body string
	if r.Method == http.MethodPost && oauth.IsForm(r) {
		form, err := oauth.RequestForm(w, r)
		if err != nil {
			return "", oauth.AsError(err)
		}
		body = form.Get("access_token")
	}
	scheme, token, _ := strings.Cut(strings.Join(headers, ","), " ")
	token = strings.TrimLeft(token, " ") // RFC 6750 section 2.1: one space, or more
	known := slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(scheme, s) })
	switch {
	case r.URL.Query().Has("access_token"), len(headers) > 1, body != "" && len(headers) > 0, known && (token == "" || strings.ContainsAny(token, " ,")):
		return "", oauth.Refuse(oauth.InvalidRequest, "Send one access token, in the Authorization header.")
	case body != "":
		return body, nil
	case known:
		return token, nil
	}
	return "", &oauth.Error{Status: http.StatusUnauthorized, Code: oauth.TokenRequired, Description: "An access token is required."}
}

// CheckSender checks that the sender of a request holds the certificate or the key that its token is bound to
// (RFC 8705 section 3, RFC 9449 sections 7.1 and 7.2). It marks the proof as used. Before it returns an
// *oauth.Error, it sets the challenge.
func (auth *Authenticator) CheckSender(w http.ResponseWriter, r *http.Request, token string, claims *token.Claims) error {
	bound, shown := claims.Confirmation.JKT != "", schemeOf(r) == oauth.SchemeDPoP
	switch {
	case !auth.holdsCertificate(r, claims.Confirmation):
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is bound to a certificate, and this client has not shown it."))
	case !bound && !shown:
		return nil
	case !bound:
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is not bound to a DPoP key: send it as Authorization: Bearer."))
	case !shown:
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is bound to a DPoP key: send it as Authorization: DPoP, with a proof."))
	}
	c, err := auth.Clients.Get(r.Context(), claims.ClientID)
	if err != nil {
		return err
	} else if c == nil {
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token's client is no longer registered."))
	}
	p, err := auth.Proof(w.Header(), r, c, token)
	switch {
	case err != nil:
		return auth.accessChallenged(w, r, err)
	case p == nil:
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidDPoPProof, "The DPoP header is missing."))
	case p.Thumbprint != claims.Confirmation.JKT:
		return auth.AccessChallenge(w, r, oauth.Refuse(oauth.InvalidToken, "The access token is bound to another DPoP key than the proof's."))
	}
	err = auth.Store.Apply(r.Context(), p.spent)
	if storage.IsConflict(err) {
		err = errProofUsed
	}
	return auth.accessChallenged(w, r, err)
}

// accessChallenged sets the challenge if an error is the client's.
func (auth *Authenticator) accessChallenged(w http.ResponseWriter, r *http.Request, err error) error {
	if refused := new(oauth.Error); errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return auth.AccessChallenge(w, r, refused)
	}
	return err
}

// AccessChallenge sets the challenge for an access token, and returns the error. The challenge is of the scheme
// that the request uses (RFC 9449 section 7.1); if that is Bearer, a 401 offers DPoP too.
func (auth *Authenticator) AccessChallenge(w http.ResponseWriter, r *http.Request, e *oauth.Error) error {
	if e.Code == oauth.InvalidDPoPProof || e.Code == oauth.UseDPoPNonce { // 400 at other endpoints
		e = &oauth.Error{Status: http.StatusUnauthorized, Code: e.Code, Description: e.Description, Cause: e.Cause}
	}
	algs := `, algs="` + strings.Join(dpop.Algorithms(), " ") + `"`
	challenges := []string{oauth.SchemeBearer + auth.challengeParams(e)}
	if schemeOf(r) == oauth.SchemeDPoP {
		challenges = []string{oauth.SchemeDPoP + auth.challengeParams(e) + algs}
	} else if e.Status == http.StatusUnauthorized {
		challenges = append(challenges, oauth.SchemeDPoP+auth.challengeParams(&oauth.Error{Code: oauth.TokenRequired})+algs)
	}
	w.Header()["Www-Authenticate"] = challenges
	return e
}

// Challenge sets the challenge for a Bearer token, and returns the error.
func (auth *Authenticator) Challenge(w http.ResponseWriter, e *oauth.Error) error {
	w.Header().Set("WWW-Authenticate", oauth.SchemeBearer+auth.challengeParams(e))
	return e
}

// challengeParams returns the parameters of RFC 6750 section 3. A request without credentials gets no error code.
func (auth *Authenticator) challengeParams(e *oauth.Error) string {
	params := ` realm="` + auth.Issuer.ID + `"`
	if e.Code != oauth.TokenRequired {
		params += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	}
	if e.Code == oauth.InsufficientScope {
		params += `, scope="openid"`
	}
	return params
}
