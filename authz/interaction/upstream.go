package interaction

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// BeginUpstream sends the browser to a connector's upstream.
func (in *Interaction) BeginUpstream(w http.ResponseWriter, r *http.Request) error {
	connector := in.Connectors.Get(mux.Vars(r)["connector"])
	if connector == nil {
		return oauth.ErrNotFound
	}
	v, params, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.sealed == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		// Only our own links sign a browser in without an app. Otherwise any site could switch the account,
		// if the upstream asks the user nothing.
		http.Redirect(w, r, in.Issuer.URL("/login"), http.StatusSeeOther)
		return nil
	}
	languages := strings.TrimSpace(in.Pages.Renderer.Chosen(r) + " " + v.uiLocales())
	p := connect.BeginParams{UILocales: languages, SelectAccount: params.Has("other")}
	if v.flow.Fresh {
		p.MaxAge = new(0)
	}
	if a := v.request; a != nil {
		p.LoginHint = a.Params.Get("login_hint")
		p.SelectAccount = p.SelectAccount || a.Prompts("select_account")
		p.MaxAge = upstreamMaxAge(a)
	}
	p.AcceptUnproven = p.MaxAge != nil // FinishUpstream has the user confirm it
	url, begun, err := connector.Begin(r.Context(), p)
	if err != nil {
		return in.upstreamFailed(w, r, v, connector.ID(), err)
	}
	in.keepAttempt(w, r, attempt{Attempt: begun, Flow: v.flow, Started: storage.Now()})
	http.Redirect(w, r, url, http.StatusSeeOther)
	return nil
}

// anyAge is a max_age of ten years, in seconds. It accepts any login, and makes the upstream name its time.
const anyAge = 10 * 365 * 24 * 60 * 60

// upstreamMaxAge returns the max_age for the upstream: it passes on that the client wants a fresh login, or the
// time of the login. nil: the client wants neither.
func upstreamMaxAge(a *authorize.Request) *int {
	seconds := 0
	switch {
	case a.Prompts("login"):
		return &seconds
	case a.MaxAge != nil:
		seconds = int(a.MaxAge.Seconds())
		return &seconds
	case a.WantsTime():
		seconds = anyAge
		return &seconds
	}
	return nil
}

// FinishUpstream is the callback of a connector: the redirect URI of its upstream logins.
func (in *Interaction) FinishUpstream(w http.ResponseWriter, r *http.Request) error {
	connector := in.Connectors.Get(mux.Vars(r)["connector"])
	if connector == nil {
		return oauth.ErrNotFound
	}
	if len(r.URL.RawQuery) > oauth.MaxQuery {
		return oauth.Refuse(oauth.InvalidRequest, "The query is too long.")
	}
	params, err := connect.CallbackParams(r.URL.RawQuery)
	if err != nil {
		return oauth.Refuse(oauth.InvalidRequest, "The answer of the upstream is malformed.").Because(err)
	}
	browser, _ := in.Sessions.Browser(w, r)
	begun, err := in.findAttempt(r, params.Get("state"))
	if err != nil || begun.Connector != connector.ID() || begun.Flow.Browser != browser {
		expired := oauth.Refuse("sign_in_expired", "This browser has no such sign-in under way: it has expired, or cookies are blocked. Go back to the app and sign in again.").Because(err)
		return in.lost(r.Context(), expired, begun.Flow, in.again(begun.Flow, browser))
	}
	if begun.Done {
		return in.afterUpstream(w, r, begun.Flow)
	}
	identity, err := connector.Finish(r.Context(), params, begun.Attempt)
	if failed := new(connect.Error); errors.As(err, &failed) && failed.Code == connect.InvalidRequest {
		return oauth.Refuse(oauth.InvalidRequest, "The answer of the upstream does not belong to this sign-in.").Because(err)
	}
	v, resumeErr := in.resume(r, begun.Flow, in.seal(begun.Flow))
	if resumeErr != nil {
		in.finishAttempt(w, r, begun, begun.Flow)
		return resumeErr
	}
	v.begun = &begun
	if err != nil {
		return in.upstreamFailed(w, r, v, connector.ID(), err)
	}
	if v.flow.LinkTo != "" {
		return in.askToLink(w, r, v, identity)
	}
	if identity.Unproven {
		able, err := in.canConfirm(r.Context(), identity)
		if err != nil {
			return err
		}
		if !able {
			return in.upstreamFailed(w, r, v, connector.ID(), connect.ErrUnproven)
		}
		v.flow.Strong = true // the other factor proves the time
	}
	user, err := in.Accounts.SignInWith(r.Context(), identity)
	needsLink := new(account.LinkRequiredError)
	switch {
	case errors.As(err, &needsLink):
		v.flow.Link = &link{ID: oauth.NewID(), UserID: needsLink.UserID, Identity: identity, Proven: needsLink.Proven, Begun: storage.Now()}
		in.finishAttempt(w, r, begun, v.flow)
		http.Redirect(w, r, in.pageURL(v.flow.Link.page(), in.seal(v.flow)), http.StatusSeeOther)
		return nil
	case errors.Is(err, account.ErrDisabled):
		return in.upstreamFailed(w, r, v, connector.ID(), disabledError(err))
	case err != nil:
		return err
	}
	return in.signInFrom(w, r, v, user, identity)
}

// canConfirm reports whether the user of an identity has another factor here, with which they can prove that they are
// there now.
func (in *Interaction) canConfirm(ctx context.Context, id connect.Identity) (bool, error) {
	user, err := in.Accounts.ByIdentity(ctx, id.Issuer, id.Subject)
	if err != nil || user == nil {
		return false, err
	}
	own, err := in.Factors.Of(ctx, user.ID)
	if err != nil || own.Usable() || in.Passkeys == nil {
		return own.Usable(), err
	}
	return in.Passkeys.Has(ctx, user.ID)
}

// afterUpstream goes on with a flow whose callback comes again. The dispatcher decides which step is missing. The
// user is asked about a link again only while nobody is signed in.
func (in *Interaction) afterUpstream(w http.ResponseWriter, r *http.Request, f flow) error {
	v, err := in.resume(r, f, in.seal(f))
	if err != nil {
		return err
	}
	if v.flow.Link != nil && v.user == nil {
		http.Redirect(w, r, in.pageURL(v.flow.Link.page(), v.sealed), http.StatusSeeOther)
		return nil
	}
	v.flow.Link = nil
	in.goOn(w, r, v)
	return nil
}

// hasOtherWay reports whether the user can sign in by another method than this connector.
func (in *Interaction) hasOtherWay(v *visit, connector string) bool {
	if v.takesACR(authorize.ACRPassword) {
		return true
	}
	return v.takesACR(authorize.ACRFederated) && slices.ContainsFunc(in.Connectors, func(c connect.Connector) bool { return c.ID() != connector })
}

// upstreamFailed ends a login that failed at the upstream. The client that waits for it gets the error; if none
// waits, the person sees it. If the upstream is down and there is another way to sign in, the person sees that
// first, and can cancel to tell the client.
func (in *Interaction) upstreamFailed(w http.ResponseWriter, r *http.Request, v *visit, method string, err error) error {
	observe.Event(r.Context()).SetLogin(method, observe.LoginFailure)
	if v.begun != nil {
		in.finishAttempt(w, r, *v.begun, v.flow)
	}
	failed := new(connect.Error)
	if !errors.As(err, &failed) {
		return err
	}
	if v.flow.LinkTo != "" {
		observe.Event(r.Context()).SetError(failed.Code, failed.Reason, err)
		http.Redirect(w, r, in.Issuer.URL("/account"), http.StatusSeeOther)
		return nil
	}
	in.Events.SignInFailed(r.Context(), method, failed.Code, "")
	down := failed.Code == connect.TemporarilyUnavailable && in.hasOtherWay(v, method)
	if v.request != nil && v.request.RedirectURI != "" && !down {
		return in.Requests.Refuse(w, r, v.request, oauth.Refuse(failed.Code, failed.Reason).Because(err))
	}
	observe.Event(r.Context()).SetError(failed.Code, failed.Reason, err)
	problem := templates.UpstreamFailed
	if failed.Code == connect.AccessDenied {
		problem = templates.UpstreamRefused
	}
	in.loginFailed(w, r, v, failedLogin{Problem: problem})
	return nil
}

// signInFrom signs in a user who came from an upstream.
func (in *Interaction) signInFrom(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, id connect.Identity) error {
	how := upstreamLogin(id.Connector, id.AuthTime, id.AMR)
	if !id.Unproven {
		how.Level = int(in.Factors.OfUpstream(id.Connector, id.AMR))
	}
	return in.signIn(w, r, v, user, id.Connector, how, false)
}

// disabledError returns the error of a sign-in to an account that is disabled.
func disabledError(err error) *connect.Error {
	return &connect.Error{Code: connect.AccessDenied, Reason: "The account is disabled.", Err: err}
}

// upstreamLogin describes a login at a connector. If the upstream's clock is ahead of ours, the login counts as
// one of now.
func upstreamLogin(connector string, authTime time.Time, amr []string) session.Login {
	if now := time.Now(); authTime.After(now) {
		authTime = now
	}
	return session.Login{Connector: connector, AuthTime: authTime, AMR: amr, ACR: authorize.ACRFederated}
}
