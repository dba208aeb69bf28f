// Package interaction asks a person what an authorization request or a device still needs. The dispatcher decides
// what is missing; each step is a file, asks for one thing on one page, and returns to the dispatcher.
//
//	/authorize -> Begin -> missing? --- page ---> /login /login/{connector} /select-account /consent /link
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
	"github.com/authzd/authzd/authz/backchannel"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
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
	Connectors connect.Set
	Auth       *clientauth.Authenticator
	Ledger     *allowance.Ledger
	Resources  resource.Set
	Grants     *grant.Grants
	Tokens     *token.Tokens
	Requests   *authorize.Requests
	Logout     *logout.Logout
	Outbox     *backchannel.Outbox
	Pages      *pages.Pages
	Events     *events.Recorder
	Flows      *keys.Sealer // of flows, in the URLs of pages
	Upstream   *keys.Sealer // of upstream logins, in cookies

	DeviceLifetime time.Duration // in which the user of a device must decide
	RememberMe     time.Duration // 0: nobody is asked
	Playground     bool          // there is one
	Dev            bool
}

// Authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)
// and the dispatcher of every sign-in: pages and upstream logins come back here with their flow, and
// it decides again what is still missing.
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

// authorizeByPost turns the request into the GET that means the same (OpenID Connect Core section
// 3.1.2.1). A cross-site POST carries no SameSite=Lax cookie; the GET that follows it does. What is
// refused anyhow, such as a client_secret, does not get into a URL.
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

// proceed asks for the next thing that is missing, or answers the client.
func (in *Interaction) proceed(w http.ResponseWriter, r *http.Request, a *authorize.Request, f flow) error {
	ctx := r.Context()
	signedIn, user, err := in.Sessions.SignedIn(ctx, r)
	if err != nil {
		return err
	}
	missing, err := in.next(ctx, &pending{a, f, signedIn, user})
	switch {
	case err != nil:
		return err
	case missing != nil && a.Prompts("none"):
		return oauth.Refuse(missing.code, missing.why)
	case missing != nil:
		http.Redirect(w, r, in.pageURL(missing.page, in.seal(f)), http.StatusSeeOther)
		return nil
	}
	observe.Event(ctx).SetSubject(user.ID)
	code, stored := in.Requests.NewCode(a, a.GrantedBy(user, signedIn))
	writes := slices.Concat(a.Writes, in.useSession(signedIn, a), []storage.Write{stored}, in.Requests.Spend(a))
	if err := in.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	return in.Requests.Respond(w, r, a, url.Values{"code": {code}})
}

// useSession are the writes that record the user's activity, and a client that wants to hear of the
// session's end.
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
