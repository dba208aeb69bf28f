package authorize

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
)

var (
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9\-_]{43}$`) // SHA-256 in base64url (RFC 7636 section 4.2)
	scopeSyntax     = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
)

const maxNonce = 1024 // bytes

// checkUnsupported refuses parameters that are not offered: if they were ignored, the client would get another
// result than it meant.
func checkUnsupported(params url.Values) error {
	switch {
	case params.Has("client_secret"):
		return ErrSecretInBrowser
	case params.Has("registration"):
		return oauth.Refuse(oauth.RegistrationUnsupported, "The registration parameter is not offered.")
	case !params.Has("response_type"):
		return oauth.Refuse(oauth.InvalidRequest, "The response_type is missing.")
	}
	return nil
}

// checkResponse refuses response types and modes that are not offered (RFC 6749 section 3.1.1, OAuth 2.0
// Multiple Response Types section 2.1).
func checkResponse(a *Request) error {
	if mode := a.Params.Get("response_mode"); mode != "" && !slices.Contains(ResponseModes, mode) {
		return oauth.Refuse(oauth.UnsupportedResponseMode, "The response_mode is none of query, fragment and form_post, nor one of these with .jwt.")
	}
	if types := strings.Fields(a.Params.Get("response_type")); len(types) != 1 || types[0] != "code" {
		return oauth.Refuse(oauth.UnsupportedResponseType, "The client is not registered for this response_type; code is the one that is offered.")
	}
	return nil
}

// checkPKCE accepts S256 only (RFC 9700 section 2.1.1). A missing method means plain, and is refused.
func checkPKCE(a *Request) error {
	challenge, method := a.Params.Get("code_challenge"), a.Params.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && a.mayGoWithoutPKCE():
		return nil
	case challenge == "":
		refused := oauth.Refuse(oauth.InvalidRequest, "The code_challenge is missing: this client must use PKCE with S256.")
		if !a.Client.Public() {
			refused.AllowedBy = a.Client.Setting("require_pkce: false")
		}
		if a.Client.MayUseNonce() {
			refused.Description = "The code_challenge is missing: this client must use PKCE with S256, or the scope openid with a nonce."
		}
		return refused
	case method != "S256":
		return oauth.Refuse(oauth.InvalidRequest, "The code_challenge_method must be S256.")
	case !challengeSyntax.MatchString(challenge):
		return oauth.Refuse(oauth.InvalidRequest, "The code_challenge is not the base64url form of a SHA-256 hash.")
	}
	return nil
}

// mayGoWithoutPKCE reports whether the client need not use PKCE, or protects its code by the nonce of an
// ID token instead.
func (a *Request) mayGoWithoutPKCE() bool {
	if a.Client.MayUseNonce() {
		return a.Params.Get("nonce") != "" && slices.Contains(a.Scopes, "openid")
	}
	return !a.Client.MustUsePKCE()
}

// checkOpenID reads the parameters of OpenID Connect Core section 3.1.2.1. Unknown prompt values are ignored.
func checkOpenID(a *Request) error {
	a.prompt = strings.Fields(a.Params.Get("prompt"))
	if a.Prompts("none") && len(a.prompt) > 1 {
		return oauth.Refuse(oauth.InvalidRequest, "The prompt value none cannot be combined with another.")
	}
	if len(a.Params.Get("nonce")) > maxNonce {
		return oauth.Refuse(oauth.InvalidRequest, "The nonce is too long.")
	}
	if seconds := a.Client.DefaultMaxAge; seconds != nil {
		a.MaxAge = new(time.Duration(*seconds) * time.Second)
	}
	if raw := a.Params.Get("max_age"); raw != "" {
		seconds, err := strconv.ParseUint(raw, 10, 31)
		if err != nil {
			return oauth.Refuse(oauth.InvalidRequest, "The max_age is not a number of seconds.")
		}
		age := time.Duration(seconds) * time.Second
		a.MaxAge = &age
	}
	var err error
	if a.Claims, err = parseClaims(a.Params.Get("claims")); err != nil {
		return err
	}
	foreign := func(claim string) bool { return !slices.Contains(a.Client.Scopes, token.ScopeOf(claim)) }
	a.Claims.IDToken = slices.DeleteFunc(a.Claims.IDToken, foreign)
	a.Claims.UserInfo = slices.DeleteFunc(a.Claims.UserInfo, foreign)
	for _, subjects := range a.Claims.subjects {
		if err := a.mustBe(subjects...); err != nil {
			return err
		}
	}
	return nil
}

// mustBe keeps of the subjects that the user may have those that are listed.
func (a *Request) mustBe(subjects ...string) error {
	if a.subjects != nil {
		subjects = oauth.Both(a.subjects, subjects)
	}
	if a.subjects = subjects; len(subjects) == 0 {
		return oauth.Refuse(oauth.LoginRequired, "No user is all of those whom the request names.")
	}
	return nil
}

// checkHint demands the user of the id_token_hint (OpenID Connect Core section 3.1.2.1).
func (reqs *Requests) checkHint(a *Request) error {
	hint := a.Params.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	hinted, err := reqs.Tokens.ReadHint(hint)
	if err == nil && hinted.Audience != a.Client.ID {
		err = errors.New("made for another client")
	}
	if err != nil {
		return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint is not an ID token of this server for this client.").Because(err)
	}
	return a.mustBe(hinted.Subject)
}

// checkResources sets the resources of the grant (RFC 8707 section 2).
func (reqs *Requests) checkResources(a *Request) error {
	for _, raw := range a.Params["resource"] { // RFC 8707 section 2
		if u, err := url.Parse(raw); err != nil || !u.IsAbs() || strings.Contains(raw, "#") {
			return oauth.Refuse(oauth.InvalidTarget, "A resource is not an absolute URI without fragment.")
		}
	}
	asked := reqs.Resources.AskedFor(a.Params["resource"], a.Details, a.Client.Resources)
	var err error
	a.Resources, err = reqs.Resources.Choose(a.Client.Resources, asked, a.Scopes)
	return err
}

// checkDetails sets the authorization details of the grant (RFC 9396 section 5).
func (reqs *Requests) checkDetails(a *Request) (err error) {
	a.Details, err = reqs.Resources.ParseDetails(a.Params, a.Params["resource"], a.Client.Resources, a.Client.DetailTypes)
	return err
}
