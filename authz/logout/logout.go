// Package logout ends sessions, and notifies their clients (RP-Initiated, Back-Channel and Front-Channel Logout
// 1.0).
//
//	/logout, /account, the admin API -> EndSession, Everywhere -> session ends, tokens due: one Apply -> Outbox
//	                                                           -> Frames, in the browser itself
package logout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Logout ends sessions.
type Logout struct {
	Issuer   oauth.Issuer
	Store    storage.Store
	Clients  *directory.Clients
	Sessions *session.Sessions
	Tokens   *token.Tokens
	Keys     *keys.Ring // signs logout tokens
	Ledger   *allowance.Ledger
	Outbox   *outbox.Outbox
	Pages    *pages.Pages
	Events   *events.Recorder
	Dev      bool

	EndOffline      bool          // the end of a session also ends its offline grants
	RefreshLifetime time.Duration // of clients that set none
}

// errLogoutURIMismatch is the code in the log if a post_logout_redirect_uri is not registered.
const errLogoutURIMismatch = "post_logout_redirect_uri_mismatch"

// logoutRequest is a request of RP-Initiated Logout 1.0 section 2, with what is proved of it.
type logoutRequest struct {
	params   url.Values
	client   *client.Client    // that sent the browser; nil: unknown
	hint     *token.Hint       // nil: none, or an invalid one
	problem  *oauth.Error      // what is wrong with the request; nil: nothing
	vouched  bool              // the operator, or a party that the operator trusts, vouches for the client
	accounts []session.Account // that are signed in in the browser
	about    *session.Account  // the one that the request is about, as far as is known; nil: nobody is signed in
	own      bool              // the ID token proves that the request is about that session
}

// newLogoutRequest checks a request. A wrong request does not fail: the user is asked, and is not sent back to
// an app afterwards (RP-Initiated Logout 1.0 section 4).
func (lo *Logout) newLogoutRequest(r *http.Request, params url.Values) (l *logoutRequest, err error) {
	l = &logoutRequest{params: params}
	if l.accounts, err = lo.Sessions.Accounts(r.Context(), r); err != nil {
		return nil, err
	}
	err = lo.checkLogout(r, l)
	if err != nil && !errors.As(err, &l.problem) {
		return nil, err
	}
	event := observe.Event(r.Context())
	if l.client != nil {
		event.SetClient(l.client.ID)
	}
	if l.problem != nil {
		event.SetError(l.problem.Code, l.problem.Description, l.problem.Cause)
	}
	lo.findAccount(l)
	return l, nil
}

// checkLogout finds the client, by the ID token or else the client_id, and checks its post_logout_redirect_uri.
// It accepts an ID token of this server even if it has expired.
func (lo *Logout) checkLogout(r *http.Request, l *logoutRequest) (err error) {
	clientID := l.params.Get("client_id")
	if token := l.params.Get("id_token_hint"); token != "" {
		hint, err := lo.Tokens.ReadHint(token)
		if err != nil {
			return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint is not an ID token of this server.").Because(err)
		}
		if clientID != "" && clientID != hint.Audience {
			return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint was made for another client than the client_id.")
		}
		l.hint, clientID = hint, hint.Audience
	}
	if clientID != "" {
		if l.client, err = lo.Clients.Get(r.Context(), clientID); err != nil {
			return err
		}
		if l.client == nil {
			return authorize.ErrUnknownClient
		}
		l.vouched = lo.Ledger.Vouched(l.client)
	}
	back := l.params.Get("post_logout_redirect_uri")
	switch {
	case back == "":
		return nil
	case l.client == nil:
		return oauth.Refuse(oauth.InvalidRequest, "A post_logout_redirect_uri needs an id_token_hint.")
	case !l.client.MatchPostLogoutRedirectURI(back):
		return oauth.Refuse(errLogoutURIMismatch, "The post_logout_redirect_uri is not registered for this client.").Because(oauth.Received(back))
	}
	return nil
}

// Submit takes POST: the confirmation of our own page, or a client's request (RP-Initiated Logout 1.0 section 2
// demands both methods). The latter is redirected to the same request by GET: a cross-site POST carries no
// SameSite=Lax cookie, so it would log nobody out.
func (lo *Logout) Submit(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.RequestForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("confirm") != "yes" || lo.Issuer.SameOrigin().Check(r) != nil {
		form.Del("confirm")
		http.Redirect(w, r, lo.Issuer.URL("/logout")+"?"+form.Encode(), http.StatusSeeOther)
		return nil
	}
	l, err := lo.newLogoutRequest(r, form)
	if err != nil {
		return err
	}
	return lo.logOut(w, r, l)
}

// Page asks before it ends the session, unless the client sends an ID token of this session (RP-Initiated
// Logout 1.0 section 2).
func (lo *Logout) Page(w http.ResponseWriter, r *http.Request) error {
	params, err := oauth.RequestQuery(r)
	if err != nil {
		return err
	}
	l, err := lo.newLogoutRequest(r, params)
	if err != nil {
		return err
	}
	if l.about == nil || l.own {
		return lo.logOut(w, r, l)
	}
	hidden := map[string]string{"confirm": "yes"}
	for _, name := range []string{"id_token_hint", "logout_hint", "post_logout_redirect_uri", "client_id", "state", "ui_locales"} {
		if params.Has(name) {
			hidden[name] = params.Get(name)
		}
	}
	p := templates.LogoutConfirm{
		UILocales: params.Get("ui_locales"), Client: l.leavingClient(""), Action: lo.Issuer.URL("/logout"), Hidden: hidden,
		User: pages.User(l.about.User), Accounts: pages.Accounts(l.accounts, l.about.User.ID), CancelURL: lo.Issuer.URL("/account"),
	}
	if lo.Dev {
		p.Detail = lo.explainLogout(l)
	}
	lo.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// findAccount finds the account that a request is about: that of the ID token, that of the logout_hint, or the one in
// use.
func (lo *Logout) findAccount(l *logoutRequest) {
	for i := range l.accounts {
		if lo.isOf(l, &l.accounts[i]) {
			l.about, l.own = &l.accounts[i], true
			return
		}
	}
	hint := l.params.Get("logout_hint")
	for i, a := range l.accounts {
		if hint != "" && (a.Session.ID == hint || account.IsCalled(a.User, hint)) {
			l.about = &l.accounts[i]
			return
		}
	}
	if len(l.accounts) > 0 {
		l.about = &l.accounts[0]
	}
}

// isOf reports whether the ID token of a request proves that it is about a session, so that the user need not be asked:
// nothing is wrong with the request, and its ID token is of this user and this session. For a client that gets no sid,
// the user is enough.
func (lo *Logout) isOf(l *logoutRequest, a *session.Account) bool {
	return l.problem == nil && l.hint != nil &&
		l.hint.Subject == lo.Tokens.Subject(l.client, a.User.ID) &&
		(l.hint.Session == lo.Tokens.Sid(l.client, a.Session.ID) || l.hint.Session == "" && !l.client.NamesSessions())
}

// allAccounts is the value of the field account with which a user signs out of all accounts.
const allAccounts = "all"

// leaving returns the accounts that a request signs out in this browser: the choice of the user, or the account that the
// request is about.
func (l *logoutRequest) leaving() []session.Account {
	choice := l.params.Get("account")
	switch {
	case l.about == nil:
		return nil
	case l.own || choice == "":
		return []session.Account{*l.about}
	case choice == allAccounts:
		return l.accounts
	}
	for i, a := range l.accounts {
		if a.User.ID == choice {
			return l.accounts[i : i+1]
		}
	}
	return nil // it is signed out already
}

// logOut ends the sessions that the user leaves, makes other apps end theirs, and goes back to the client.
func (lo *Logout) logOut(w http.ResponseWriter, r *http.Request, l *logoutRequest) error {
	leaving := l.leaving()
	ended, err := lo.endHere(w, r, l, leaving)
	seen := ended // by the person who is here; a session that the ID token alone names may be of another browser
	if err == nil && len(ended) == 0 {
		ended, err = lo.endHintedSession(r.Context(), l)
	}
	if err != nil {
		return err
	}
	frames, err := lo.Frames(r.Context(), ended...)
	if err != nil {
		return err
	}
	target, mayReturn := l.target()
	if mayReturn && len(frames) == 0 {
		http.Redirect(w, r, target, http.StatusSeeOther)
		return nil
	}
	p := templates.LoggedOut{UILocales: l.params.Get("ui_locales"), Client: l.leavingClient(target), BackURL: target, Frames: frames, Return: mayReturn}
	if len(leaving) == 1 && len(seen) == 1 {
		user := pages.User(leaving[0].User)
		p.User = &user
	}
	if p.Apps, err = lo.Apps(r.Context(), seen...); err != nil {
		return err
	}
	lo.Pages.Render(w, r, http.StatusOK, p)
	return nil
}

// endHintedSession ends the session that a valid ID token names, if the request has no session cookies: a proxy
// or a server of the app may ask for its user. Nothing about the request may be wrong. A pairwise sid does not
// lead to a session: such a client registers a backchannel_logout_uri, or sends the browser.
func (lo *Logout) endHintedSession(ctx context.Context, l *logoutRequest) ([]*session.Session, error) {
	if l.problem != nil || l.hint == nil || l.hint.Session == "" {
		return nil, nil
	}
	named, err := lo.Sessions.LoadByID(ctx, l.hint.Session)
	if err != nil || named == nil || l.hint.Subject != lo.Tokens.Subject(l.client, named.UserID) || l.hint.Session != lo.Tokens.Sid(l.client, named.ID) {
		return nil, err
	}
	observe.Event(ctx).SetSubject(named.UserID)
	ended, err := lo.EndSession(ctx, named.ID, lo.Events.SignedOut(ctx, named.UserID, named.ID)...)
	return notNil(ended), err
}

// target returns the URI of the link back to the app, "" if there is none, and whether the browser may be sent
// there without a click. This needs a registered URI and an ID token (RP-Initiated Logout 1.0 section 3):
// anybody can send a client_id. A client that nobody vouches for needs an ID token of the browser's own
// session, since its maker has ID tokens of other sessions. The URI has the state as it was sent.
func (l *logoutRequest) target() (uri string, mayReturn bool) {
	back := l.params.Get("post_logout_redirect_uri")
	switch {
	case l.client == nil:
		return "", false
	case back == "" || l.problem != nil:
		return pages.HomeOf(l.client), false
	case l.params.Has("state"):
		back = oauth.WithParams(back, "", url.Values{"state": l.params["state"]})
	}
	return back, l.hint != nil && (l.vouched || l.own)
}

// leavingClient returns the client for a page with a link to target; target may be empty. If nobody vouches for
// the client, the page says so.
func (l *logoutRequest) leavingClient(target string) *templates.Client {
	switch {
	case l.client == nil:
		return nil
	case l.vouched:
		return &templates.Client{Name: l.client.Name}
	}
	return pages.Client(l.client, target)
}

// explainLogout tells developers why users are asked, or are not sent back. It returns nil if nothing is wrong
// with the request.
func (lo *Logout) explainLogout(l *logoutRequest) *templates.ErrorDetail {
	if l.problem == nil {
		return nil
	}
	detail := &templates.ErrorDetail{Explanation: l.problem.Description}
	if back := l.params.Get("post_logout_redirect_uri"); l.problem.Code == errLogoutURIMismatch {
		detail.Parameter, detail.Received = "post_logout_redirect_uri", back
		detail.Registered = l.client.PostLogoutRedirectURIs
		detail.Nearest = client.Nearest(l.client.PostLogoutRedirectURIs, back)
		detail.Fix = lo.Pages.FixURI(l.client, "post_logout_redirect_uri", l.client.PostLogoutRedirectURIs, back)
	}
	return detail
}
