// Package authorize turns the parameters of an authorization request into a checked Request, and what becomes of
// it into a response to the client. It asks no person anything: that is the room interaction.
//
//	/authorize -> Begin -> Carried -> Open -> Request          the query, RFC 9101, RFC 9126: assemble.go
//	/par       -> Push -> check -> one Apply -> request_uri    push.go
//	Request    -> NewCode -> Respond                           query, fragment, form_post, JARM: respond.go
//	           -> Refuse                                       to the client, or to the person
package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Requests checks authorization requests, and answers them.
type Requests struct {
	Issuer      oauth.Issuer
	Store       storage.Store
	Clients     *directory.Clients
	Auth        *clientauth.Authenticator
	Keys        *clientkeys.Keys // of clients, for request objects
	Outbound    *outbound.Client
	Ledger      *allowance.Ledger
	Resources   resource.Set
	Connectors  connect.Set
	Tokens      *token.Tokens // reads hints
	SigningKeys *keys.Ring    // of JARM
	Pages       *pages.Pages
	Events      *events.Recorder
	Dev         bool

	PushLifetime time.Duration // in which a pushed request must begin (RFC 9126 section 2.2)
	CodeLifetime time.Duration
}

// Request is one authorization request, checked.
type Request struct {
	Params      url.Values
	pushed      string // its request_uri (RFC 9126); empty: it was not pushed
	Client      *client.Client
	RedirectURI string // where the answer goes; empty until it is known to be the client's
	mode        responseMode
	Acted       bool // the person has signed in for it, or has decided about it on our pages

	prompt    []string
	MaxAge    *time.Duration
	subjects  []string // the user must be one of them; nil: anybody
	acr       []string // the sign-in must have one of these classes; empty: any
	Scopes    []string
	leftOut   []string // scopes that were asked for in vain
	Resources []string
	Details   []resource.Detail
	Claims    requestedClaims

	Now         time.Time
	Withdrawals int // of the user's consent, by now
	Writes      []storage.Write
}

var (
	challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9\-_]{43}$`) // SHA-256 in base64url (RFC 7636 section 4.2)
	scopeSyntax     = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
)

const maxNonce = 1024 // bytes

// Open finds the request that a flow is about, and checks it. The authorization is
// returned with an error too: it knows where that may go.
func (reqs *Requests) Open(r *http.Request, f Carried) (*Request, error) {
	params, err := reqs.paramsOf(r.Context(), f)
	if err != nil {
		return &Request{}, err
	}
	a, err := reqs.check(r, params)
	a.pushed = f.Pushed
	return a, err
}

// check checks a request in the order that decides where an error may go: the client and
// its redirect URI first; until both are known the error is shown here, afterwards the client gets
// it (RFC 6749 section 4.1.2.1).
func (reqs *Requests) check(r *http.Request, params url.Values) (*Request, error) {
	a := &Request{Params: params, Now: storage.Now(), mode: responseModeOf(params)}
	if err := reqs.findClient(r, a); err != nil {
		return a, err
	}
	if err := checkUnsupported(params); err != nil {
		return a, err
	}
	for _, check := range []func(*Request) error{
		(*Request).TakeScopes, checkResponse, checkJARM, checkPKCE, checkDPoPKey, reqs.CheckRequest, reqs.checkHint,
	} {
		if err := check(a); err != nil {
			return a, err
		}
	}
	return a, nil
}

// CheckRequest checks what is asked for, by whatever way it came: the parameters of the user's
// sign-in, and those of what the client shall get.
func (reqs *Requests) CheckRequest(a *Request) error {
	reqs.Resources.NameRegistered(a.Params)
	for _, check := range []func(*Request) error{
		checkOpenID, reqs.checkACR, reqs.checkDetails, reqs.checkResources,
	} {
		if err := check(a); err != nil {
			return err
		}
	}
	return nil
}

// findClient settles who asks and where the answer goes. A parameter that was sent twice settles
// nothing.
func (reqs *Requests) findClient(r *http.Request, a *Request) error {
	single := func(name string) string {
		if len(a.Params[name]) > 1 {
			return ""
		}
		return a.Params.Get(name)
	}
	id, redirectURI := single("client_id"), single("redirect_uri")
	observe.Event(r.Context()).SetClient(id)
	var err error
	if a.Client, err = reqs.Clients.Get(r.Context(), id); err != nil {
		return err
	}
	switch {
	case a.Client == nil:
		return ErrUnknownClient
	case redirectURI == "" && len(a.Client.RedirectURIs) == 1 && !slices.Contains(strings.Fields(a.Params.Get("scope")), "openid"):
		a.RedirectURI = a.Client.RedirectURIs[0]
		return nil
	case redirectURI == "":
		return errRedirectURIMissing
	case !a.Client.MatchRedirectURI(redirectURI):
		return oauth.Refuse(oauth.RedirectURIMismatch, "The redirect_uri is not registered for this client.").Because(oauth.Received(redirectURI))
	}
	a.RedirectURI = redirectURI
	return nil
}

// checkUnsupported names what is not offered, instead of ignoring it and doing something else than
// the client meant.
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

// checkPKCE knows S256 only (RFC 9700 section 2.1.1); plain is what the absence of a method means.
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

// checkOpenID checks the parameters of OpenID Connect Core section 3.1.2.1. Unknown prompt values
// are left alone, as unknown parameters are.
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
	a.Claims.IdToken = slices.DeleteFunc(a.Claims.IdToken, foreign)
	a.Claims.UserInfo = slices.DeleteFunc(a.Claims.UserInfo, foreign)
	for _, subjects := range a.Claims.subjects {
		if err := a.mustBe(subjects...); err != nil {
			return err
		}
	}
	return nil
}

// mustBe narrows down who the user must be.
func (a *Request) mustBe(subjects ...string) error {
	if a.subjects != nil {
		subjects = oauth.Both(a.subjects, subjects)
	}
	if a.subjects = subjects; len(subjects) == 0 {
		return oauth.Refuse(oauth.LoginRequired, "No user is all of those whom the request names.")
	}
	return nil
}

// Means tells whether the user may be the one of that subject.
func (a *Request) Means(subject string) bool {
	return a.subjects == nil || slices.Contains(a.subjects, subject)
}

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

func (reqs *Requests) checkDetails(a *Request) (err error) {
	a.Details, err = reqs.Resources.ParseDetails(a.Params, a.Params["resource"], a.Client.Resources, a.Client.DetailTypes)
	return err
}

// about is what a page is told of the request; a may be nil.
func (a *Request) about() *pages.About {
	if a == nil {
		return nil
	}
	return &pages.About{Client: a.Client, RedirectURI: a.RedirectURI, Params: a.Params}
}

// WantsTime reports whether the request demands a login whose time is proved: to be fresh, or because the ID
// token must have auth_time (OpenID Connect Core section 2).
func (a *Request) WantsTime() bool {
	return a.Prompts("login") || a.MaxAge != nil || a.Client.RequireAuthTime || a.Claims.authTimeEssential
}

// GrantedBy is what the user grants by going on.
func (a *Request) GrantedBy(user *storage.User, signedIn *session.Session) storage.Authorization {
	return storage.Authorization{
		ClientID: a.Client.ID, UserID: user.ID, UserEpoch: user.Epoch, Withdrawals: a.Withdrawals, SessionID: signedIn.ID,
		Scopes: a.Scopes, Resources: a.Resources, AuthorizationDetails: resource.EncodeDetails(a.Details),
		AuthTime: signedIn.ProvenAuthTime(), ACR: signedIn.ACR, AMR: signedIn.AMR,
		IDTokenClaims: a.Claims.IdToken, UserInfo: a.Claims.UserInfo,
		AuthTimeAsked: a.MaxAge != nil || a.Claims.authTime,
	}
}

// Prompts tells whether the prompt parameter has a value.
func (a *Request) Prompts(value string) bool { return slices.Contains(a.prompt, value) }

func (a *Request) ShownClient() *templates.Client { return pages.Client(a.Client, a.RedirectURI) }
