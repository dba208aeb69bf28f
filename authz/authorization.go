package authz

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// authorization is one authorization request, checked.
type authorization struct {
	params      url.Values
	pushed      string // its request_uri (RFC 9126); empty: it was not pushed
	client      *client.Client
	redirectURI string // where the answer goes; empty until it is known to be the client's
	mode        responseMode
	acted       bool // the person has signed in for it, or has decided about it on our pages

	prompt    []string
	maxAge    *time.Duration
	subjects  []string // the user must be one of them; nil: anybody
	acr       []string // the sign-in must have one of these classes; empty: any
	scopes    []string
	leftOut   []string // scopes that were asked for in vain
	resources []string
	details   []resource.Detail
	claims    requestedClaims

	now         time.Time
	withdrawals int // of the user's consent, by now
	writes      []storage.Write
}

var (
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9\-_]{43}$`) // SHA-256 in base64url (RFC 7636 section 4.2)
	scopeSyntax     = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
)

const maxNonce = 1024 // bytes

// newAuthorization finds the request that a flow is about, and checks it. The authorization is
// returned with an error too: it knows where that may go.
func (s *Server) newAuthorization(r *http.Request, f flow) (*authorization, error) {
	params, err := s.paramsOf(r.Context(), f)
	if err != nil {
		return &authorization{}, err
	}
	a, err := s.checkAuthorization(r, params)
	a.pushed = f.Pushed
	a.acted = f.SignedIn != "" || f.Selected != "" || f.Consented != ""
	return a, err
}

// checkAuthorization checks a request in the order that decides where an error may go: the client and
// its redirect URI first; until both are known the error is shown here, afterwards the client gets
// it (RFC 6749 section 4.1.2.1).
func (s *Server) checkAuthorization(r *http.Request, params url.Values) (*authorization, error) {
	a := &authorization{params: params, now: storage.Now(), mode: responseModeOf(params)}
	if err := s.findClient(r, a); err != nil {
		return a, err
	}
	if err := checkUnsupported(params); err != nil {
		return a, err
	}
	for _, check := range []func(*authorization) error{
		(*authorization).takeScopes, checkResponse, checkJARM, checkPKCE, checkDPoPKey, s.checkRequest, s.checkHint,
	} {
		if err := check(a); err != nil {
			return a, err
		}
	}
	return a, nil
}

// checkRequest checks what is asked for, by whatever way it came: the parameters of the user's
// sign-in, and those of what the client shall get.
func (s *Server) checkRequest(a *authorization) error {
	s.resources.NameRegistered(a.params)
	for _, check := range []func(*authorization) error{
		checkOpenID, s.checkACR, s.checkDetails, s.checkResources,
	} {
		if err := check(a); err != nil {
			return err
		}
	}
	return nil
}

// findClient settles who asks and where the answer goes. A parameter that was sent twice settles
// nothing.
func (s *Server) findClient(r *http.Request, a *authorization) error {
	single := func(name string) string {
		if len(a.params[name]) > 1 {
			return ""
		}
		return a.params.Get(name)
	}
	id, redirectURI := single("client_id"), single("redirect_uri")
	observe.Event(r.Context()).SetClient(id)
	var err error
	if a.client, err = s.clients.Get(r.Context(), id); err != nil {
		return err
	}
	switch {
	case a.client == nil:
		return errUnknownClient
	case redirectURI == "" && len(a.client.RedirectURIs) == 1 && !slices.Contains(strings.Fields(a.params.Get("scope")), "openid"):
		a.redirectURI = a.client.RedirectURIs[0]
		return nil
	case redirectURI == "":
		return errRedirectURIMissing
	case !a.client.MatchRedirectURI(redirectURI):
		return oauth.Refuse(oauth.RedirectURIMismatch, "The redirect_uri is not registered for this client.").Because(oauth.Received(redirectURI))
	}
	a.redirectURI = redirectURI
	return nil
}

// checkUnsupported names what is not offered, instead of ignoring it and doing something else than
// the client meant.
func checkUnsupported(params url.Values) error {
	switch {
	case params.Has("client_secret"):
		return errSecretInBrowser
	case params.Has("registration"):
		return oauth.Refuse(oauth.RegistrationUnsupported, "The registration parameter is not offered.")
	case !params.Has("response_type"):
		return oauth.Refuse(oauth.InvalidRequest, "The response_type is missing.")
	}
	return nil
}

// checkResponse refuses response types and modes that are not offered (RFC 6749 section 3.1.1, OAuth 2.0
// Multiple Response Types section 2.1).
func checkResponse(a *authorization) error {
	if mode := a.params.Get("response_mode"); mode != "" && !slices.Contains(responseModes, mode) {
		return oauth.Refuse(oauth.UnsupportedResponseMode, "The response_mode is none of query, fragment and form_post, nor one of these with .jwt.")
	}
	if types := strings.Fields(a.params.Get("response_type")); len(types) != 1 || types[0] != "code" {
		return oauth.Refuse(oauth.UnsupportedResponseType, "The client is not registered for this response_type; code is the one that is offered.")
	}
	return nil
}

// checkPKCE knows S256 only (RFC 9700 section 2.1.1); plain is what the absence of a method means.
func checkPKCE(a *authorization) error {
	challenge, method := a.params.Get("code_challenge"), a.params.Get("code_challenge_method")
	switch {
	case challenge == "" && method == "" && a.mayGoWithoutPKCE():
		return nil
	case challenge == "":
		refused := oauth.Refuse(oauth.InvalidRequest, "The code_challenge is missing: this client must use PKCE with S256.")
		if !a.client.Public() {
			refused.AllowedBy = a.client.Setting("require_pkce: false")
		}
		if a.client.PKCEOrNonce {
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
func (a *authorization) mayGoWithoutPKCE() bool {
	if a.client.PKCEOrNonce {
		return a.params.Get("nonce") != "" && slices.Contains(a.scopes, "openid")
	}
	return !a.client.RequirePKCE
}

// checkOpenID checks the parameters of OpenID Connect Core section 3.1.2.1. Unknown prompt values
// are left alone, as unknown parameters are.
func checkOpenID(a *authorization) error {
	a.prompt = strings.Fields(a.params.Get("prompt"))
	if a.prompts("none") && len(a.prompt) > 1 {
		return oauth.Refuse(oauth.InvalidRequest, "The prompt value none cannot be combined with another.")
	}
	if len(a.params.Get("nonce")) > maxNonce {
		return oauth.Refuse(oauth.InvalidRequest, "The nonce is too long.")
	}
	a.maxAge = a.client.DefaultMaxAge
	if raw := a.params.Get("max_age"); raw != "" {
		seconds, err := strconv.ParseUint(raw, 10, 31)
		if err != nil {
			return oauth.Refuse(oauth.InvalidRequest, "The max_age is not a number of seconds.")
		}
		age := time.Duration(seconds) * time.Second
		a.maxAge = &age
	}
	var err error
	if a.claims, err = parseClaims(a.params.Get("claims")); err != nil {
		return err
	}
	foreign := func(claim string) bool { return !slices.Contains(a.client.Scopes, token.ScopeOf(claim)) }
	a.claims.idToken = slices.DeleteFunc(a.claims.idToken, foreign)
	a.claims.userInfo = slices.DeleteFunc(a.claims.userInfo, foreign)
	for _, subjects := range a.claims.subjects {
		if err := a.mustBe(subjects...); err != nil {
			return err
		}
	}
	return nil
}

// mustBe narrows down who the user must be.
func (a *authorization) mustBe(subjects ...string) error {
	if a.subjects != nil {
		subjects = oauth.Both(a.subjects, subjects)
	}
	if a.subjects = subjects; len(subjects) == 0 {
		return oauth.Refuse(oauth.LoginRequired, "No user is all of those whom the request names.")
	}
	return nil
}

// means tells whether the user may be the one of that subject.
func (a *authorization) means(subject string) bool {
	return a.subjects == nil || slices.Contains(a.subjects, subject)
}

func (s *Server) checkHint(a *authorization) error {
	hint := a.params.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	hinted, err := s.tokens.ReadHint(hint)
	if err == nil && hinted.Audience != a.client.ID {
		err = errors.New("made for another client")
	}
	if err != nil {
		return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint is not an ID token of this server for this client.").Because(err)
	}
	return a.mustBe(hinted.Subject)
}

func (s *Server) checkResources(a *authorization) error {
	for _, raw := range a.params["resource"] { // RFC 8707 section 2
		if u, err := url.Parse(raw); err != nil || !u.IsAbs() || strings.Contains(raw, "#") {
			return oauth.Refuse(oauth.InvalidTarget, "A resource is not an absolute URI without fragment.")
		}
	}
	asked := s.resources.AskedFor(a.params["resource"], a.details, a.client.Resources)
	var err error
	a.resources, err = s.resources.Choose(a.client.Resources, asked, a.scopes)
	return err
}

func (s *Server) checkDetails(a *authorization) (err error) {
	a.details, err = s.resources.ParseDetails(a.params, a.params["resource"], a.client.Resources, a.client.DetailTypes)
	return err
}

// pages.About is what a page is told of the request; a may be nil.
func (a *authorization) about() *pages.About {
	if a == nil {
		return nil
	}
	return &pages.About{Client: a.client, RedirectURI: a.redirectURI, Params: a.params}
}
