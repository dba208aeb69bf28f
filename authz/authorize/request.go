// Package authorize turns the parameters of an authorization request into a checked Request, and the result
// into a response to the client. It does not ask people anything: package interaction does.
//
//	/authorize -> Begin -> Carried -> Open -> Request          the query, RFC 9101, RFC 9126: assemble.go, check.go
//	/par       -> Push -> check -> one Apply -> request_uri    push.go
//	Request    -> NewCode -> Respond                           query, fragment, form_post, JARM: respond.go
//	           -> Refuse                                       to the client, or to the person
package authorize

import (
	"net/http"
	"net/url"
	"slices"
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
	Tokens      *token.Tokens // reads id_token_hint
	SigningKeys *keys.Ring    // signs JARM responses
	Pages       *pages.Pages
	Events      *events.Recorder
	Classes     []Class // that say how strong a sign-in is, the weakest first
	Dev         bool

	PushLifetime time.Duration // how long a request_uri can begin a flow (RFC 9126 section 2.2)
	CodeLifetime time.Duration // of authorization codes
}

// Request is one authorization request, checked.
type Request struct {
	Params      url.Values
	pushed      string // its request_uri (RFC 9126); empty: it was not pushed
	Client      *client.Client
	RedirectURI string // of the answer; empty until it is known to be the client's
	mode        responseMode
	Acted       bool // the person has signed in for it, or has decided about it, on our pages

	prompt    []string
	MaxAge    *time.Duration // nil: any age of the login
	subjects  []string       // the user must be one of them; nil: anybody
	acr       []Class        // the sign-in must have one of these classes; empty: any
	classes   []Class        // all that the operator names
	Scopes    []string
	leftOut   []string // scopes that the client asked for and is not registered for
	Resources []string
	Details   []resource.Detail
	Claims    requestedClaims

	Now         time.Time
	Withdrawals int             // of the consent when it was read: how often the user has withdrawn it
	Writes      []storage.Write // to be applied with the answer
}

// Open finds the request of a flow, and checks it. Beside an error it returns the Request too, so that Refuse
// can find out where the error may go.
func (reqs *Requests) Open(r *http.Request, f Carried) (*Request, error) {
	params, err := reqs.paramsOf(r.Context(), f)
	if err != nil {
		return &Request{}, err
	}
	a, err := reqs.check(r, params)
	a.pushed = f.Pushed
	return a, err
}

// check checks the client and its redirect URI first. Until both are known, an error is shown to the person;
// later errors go to the client (RFC 6749 section 4.1.2.1).
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

// CheckRequest checks what an authorization request and a device authorization request have in common: the
// parameters of the sign-in, and those of the grant. Call TakeScopes first.
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

// findClient sets the client and the redirect URI. A parameter that was sent twice counts as missing.
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

// NamesUser reports whether the request is about certain users only (id_token_hint, the claim sub).
func (a *Request) NamesUser() bool { return a.subjects != nil }

// Means reports whether the request allows the user with this subject.
func (a *Request) Means(subject string) bool {
	return a.subjects == nil || slices.Contains(a.subjects, subject)
}

// about returns what the error page may know of the request; a may be nil.
func (a *Request) about() *pages.About {
	if a == nil {
		return nil
	}
	return &pages.About{Client: a.Client, RedirectURI: a.RedirectURI, Params: a.Params}
}

// WantsTime reports whether the request demands a login whose time is proved: because it must be fresh, or
// because the ID token must have auth_time (OpenID Connect Core section 2).
func (a *Request) WantsTime() bool {
	return a.Prompts("login") || a.MaxAge != nil || a.Client.RequireAuthTime || a.Claims.authTimeEssential
}

// GrantedBy returns what the client may do once the user has agreed.
func (a *Request) GrantedBy(user *storage.User, signedIn *session.Session) storage.Authorization {
	return storage.Authorization{
		ClientID: a.Client.ID, UserID: user.ID, UserEpoch: user.Epoch, Withdrawals: a.Withdrawals, SessionID: signedIn.ID,
		Scopes: a.Scopes, Resources: a.Resources, AuthorizationDetails: resource.EncodeDetails(a.Details),
		AuthTime: signedIn.ProvenAuthTime(), ACR: a.acrOf(signedIn), AMR: signedIn.AMR,
		IDTokenClaims: a.Claims.IDToken, UserInfo: a.Claims.UserInfo,
		AuthTimeAsked: a.MaxAge != nil || a.Claims.authTime,
	}
}

// Prompts reports whether the prompt parameter contains this value.
func (a *Request) Prompts(value string) bool { return slices.Contains(a.prompt, value) }

// ShownClient returns the client as pages show it, with the redirect URI.
func (a *Request) ShownClient() *templates.Client { return pages.Client(a.Client, a.RedirectURI) }
