// Package interaction has the pages on which people sign in and decide. The dispatcher finds out which step an
// authorization request or a device still needs; each step is a file, asks for one thing on one page, and returns
// to the dispatcher.
//
//	/authorize -> Begin -> missing? --- page ---> /login /login/{connector} /login/factor /select-account /consent /link /passkey
//	                 ^        |                             |
//	                 +-- ?flow=… (flow.go) -----------------+
//	                          +--- nothing missing -> code -> redirect
//	/device_authorization -> codes;  their user: /device -> missing? … -> allow
package interaction

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// Interaction has the pages on which people sign in and decide.
type Interaction struct {
	Issuer     oauth.Issuer
	Store      storage.Store
	Clients    *directory.Clients
	Accounts   *account.Directory
	Sessions   *session.Sessions
	Passkeys   *passkey.Passkeys // nil: there are none
	Connectors connect.Set
	Auth       *clientauth.Authenticator
	Ledger     *allowance.Ledger
	Resources  resource.Set
	Grants     *grant.Grants
	Tokens     *token.Tokens
	Requests   *authorize.Requests
	Logout     *logout.Logout
	Outbox     *outbox.Outbox
	Pages      *pages.Pages
	Events     *events.Recorder
	Flows      *keys.Sealer // seals flows, in the URLs of pages
	Upstream   *keys.Sealer // seals upstream logins, in cookies
	Half       *keys.Sealer // seals sign-ins that wait for another factor, in cookies and forms
	NotMe      *keys.Sealer // seals the links of mails about new devices
	Factors    *factor.Factors

	DeviceLifetime time.Duration // how long the user of a device has to decide
	RememberMe     time.Duration // lifetime of a remembered session; 0: the sign-in page does not offer it
	Playground     bool          // the home page links to the playground
	AppName        string        // names the account's entry in an authenticator app
	SignUp         bool          // people may sign up: the sign-in page leads there
	Reset          bool          // people may get a new password by mail
	Dev            bool
}

// Authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)
// and the dispatcher of every sign-in: pages and upstream logins come back here with their flow, and it decides
// again which step is missing.
func (in *Interaction) Authorize(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return in.authorizeByPost(w, r)
	}
	params, err := oauth.RequestQuery(r)
	f, flowErr := in.openFlow(w, r, params.Get("flow"))
	if flowErr != nil {
		return flowErr
	}
	if !params.Has("flow") {
		if err == nil {
			err = in.Requests.Begin(r.Context(), &f.Carried, params)
		}
		if err != nil {
			return in.Requests.Refuse(w, r, in.Requests.Unassembled(r, params), err)
		}
	}
	var a *authorize.Request
	err = storage.Retry(func() (err error) {
		a, err = in.openRequest(r, f)
		switch {
		case errors.Is(err, authorize.ErrPushedUnknown) && params.Has("flow"):
			return in.lost(r.Context(), authorize.ErrPushedUnknown, f, "")
		case err != nil:
			return err
		case !params.Has("flow"):
			a.NoteLeftOut(r.Context())
		}
		return in.proceed(w, r, a, f)
	})
	if lost := new(lostSignIn); errors.As(err, &lost) {
		return err
	} else if err != nil {
		return in.Requests.Refuse(w, r, a, err)
	}
	return nil
}

// authorizeByPost redirects to the same request by GET (OpenID Connect Core section 3.1.2.1): a cross-site POST
// carries no SameSite=Lax cookie, and the GET does. A request that is refused in any case, such as one with a
// client_secret, does not get into a URL.
func (in *Interaction) authorizeByPost(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.RequestForm(w, r)
	if err != nil && form == nil {
		return err
	}
	query := form.Encode()
	switch {
	case err != nil:
	case form.Has("client_secret"):
		err = authorize.ErrSecretInBrowser
	case len(query) > oauth.MaxQuery:
		err = authorize.ErrRequestTooLong
	}
	if err != nil {
		return in.Requests.Refuse(w, r, in.Requests.Unassembled(r, form), err)
	}
	http.Redirect(w, r, in.Issuer.URL("/authorize")+"?"+query, http.StatusSeeOther)
	return nil
}

// proceed sends the browser to the page of the first missing step. If none is missing, it answers the client
// with a code.
func (in *Interaction) proceed(w http.ResponseWriter, r *http.Request, a *authorize.Request, f flow) error {
	ctx := r.Context()
	who, err := in.who(r, a, f)
	if err != nil {
		return err
	}
	missing, err := in.next(ctx, &pending{a, f, who})
	switch {
	case err != nil:
		return err
	case missing != nil && a.Prompts("none"):
		return oauth.Refuse(missing.code, missing.why)
	case missing != nil:
		http.Redirect(w, r, in.pageURL(missing.page, in.seal(f)), http.StatusSeeOther)
		return nil
	}
	observe.Event(ctx).SetSubject(who.user.ID)
	code, stored := in.Requests.NewCode(a, a.GrantedBy(who.user, who.signedIn))
	writes := slices.Concat(a.Writes, in.useSession(who.signedIn, a), []storage.Write{stored}, in.Requests.Spend(a))
	if err := in.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	in.Sessions.SetLastAccount(w, r, a.Client.ID, who.user.ID)
	return in.Requests.Respond(w, r, a, url.Values{"code": {code}})
}

// useSession returns the writes that record the user's activity and, if the client wants a logout token when the
// session ends, that client.
func (in *Interaction) useSession(signedIn *session.Session, a *authorize.Request) []storage.Write {
	byUser := !a.Prompts("none")
	if a.Client.HearsLogout() {
		return in.Sessions.JoinWrites(signedIn, a.Client.ID, a.Now, byUser)
	}
	if touch, ok := in.Sessions.TouchWrite(signedIn, a.Now, byUser); ok {
		return []storage.Write{touch}
	}
	return nil
}
