package authz

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// errLogoutURIMismatch is what an operator finds in the log when an app is not returned to.
const errLogoutURIMismatch = "post_logout_redirect_uri_mismatch"

// logoutRequest is RP-Initiated Logout 1.0 section 2, as far as it can be believed. logout_hint is not
// looked at: a browser has one session here, so there is nothing to choose.
type logoutRequest struct {
	params   url.Values
	client   *client.Client // who asks; nil: unknown
	hint     *token.Hint    // nil: none, or none that is valid
	problem  *oauth.Error   // what is wrong with the request; nil: nothing
	vouched  bool           // somebody whom the operator trusts speaks for the client
	signedIn *session.Session
	user     *storage.User // nil: nobody is signed in
	own      bool          // the ID token proves that the request is about this session
}

// newLogoutRequest checks a request. What is wrong with it does not fail it: the user is asked, and
// sent nowhere afterwards (section 4).
func (s *Server) newLogoutRequest(r *http.Request, params url.Values) (l *logoutRequest, err error) {
	l = &logoutRequest{params: params}
	if l.signedIn, l.user, err = s.sessions.SignedIn(r.Context(), r); err != nil {
		return nil, err
	}
	err = s.checkLogout(r, l)
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
	l.own = s.ownRequest(l)
	return l, nil
}

// checkLogout finds out who asks, by an ID token or else a client_id, and whether that client may be
// returned to where it says. It believes an ID token of ours, expired or not.
func (s *Server) checkLogout(r *http.Request, l *logoutRequest) (err error) {
	clientID := l.params.Get("client_id")
	if token := l.params.Get("id_token_hint"); token != "" {
		hint, err := s.tokens.ReadHint(token)
		if err != nil {
			return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint is not an ID token of this server.").Because(err)
		}
		if clientID != "" && clientID != hint.Audience {
			return oauth.Refuse(oauth.InvalidRequest, "The id_token_hint was made for another client than the client_id.")
		}
		l.hint, clientID = hint, hint.Audience
	}
	if clientID != "" {
		if l.client, err = s.clients.Get(r.Context(), clientID); err != nil {
			return err
		}
		if l.client == nil {
			return authorize.ErrUnknownClient
		}
		l.vouched = s.ledger.Vouched(l.client)
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

// logout takes POST: the confirmation of our own page, or a client's request (section 2 demands both
// methods). The latter becomes the GET that means the same, because a cross-site POST carries no
// SameSite=Lax cookie, and nobody would be logged out.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.RequestForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("confirm") != "yes" || s.sameOrigin().Check(r) != nil {
		form.Del("confirm")
		http.Redirect(w, r, s.issuer.URL("/logout")+"?"+form.Encode(), http.StatusSeeOther)
		return nil
	}
	l, err := s.newLogoutRequest(r, form)
	if err != nil {
		return err
	}
	return s.logOut(w, r, l)
}

// logoutPage asks before it ends the session, unless the client shows the ID token that it got in this
// very session (section 2).
func (s *Server) logoutPage(w http.ResponseWriter, r *http.Request) error {
	params, err := oauth.RequestQuery(r)
	if err != nil {
		return err
	}
	l, err := s.newLogoutRequest(r, params)
	if err != nil {
		return err
	}
	if l.user == nil || l.own {
		return s.logOut(w, r, l)
	}
	hidden := map[string]string{"confirm": "yes"}
	for _, name := range []string{"id_token_hint", "post_logout_redirect_uri", "client_id", "state", "ui_locales"} {
		if params.Has(name) {
			hidden[name] = params.Get(name)
		}
	}
	p := templates.LogoutConfirm{
		UILocales: params.Get("ui_locales"), Client: l.leavingClient(""), Action: s.issuer.URL("/logout"), Hidden: hidden,
		User: pages.User(l.user), CancelURL: s.issuer.URL("/account"),
	}
	if s.config.Dev {
		p.Detail = s.explainLogout(l)
	}
	s.pages.Render(w, r, http.StatusOK, p)
	return nil
}

// ownRequest reports whether a request is about the browser's own session, and so needs no question: nothing
// is wrong with it, and its ID token is of this user and this session. A client that gets no sid proves the
// user alone.
func (s *Server) ownRequest(l *logoutRequest) bool {
	return l.problem == nil && l.hint != nil && l.user != nil &&
		l.hint.Subject == s.tokens.Subject(l.client, l.user.ID) &&
		(l.hint.Session == s.tokens.Sid(l.client, l.signedIn.ID) || l.hint.Session == "" && !l.client.NamesSessions())
}

// logOut ends the browser's session, has other apps end theirs, and goes back to the client.
func (s *Server) logOut(w http.ResponseWriter, r *http.Request, l *logoutRequest) error {
	ended, err := s.endOwnSession(w, r)
	if err == nil && ended == nil {
		ended, err = s.endHintedSession(r.Context(), l)
	}
	if err != nil {
		return err
	}
	frames, err := s.logoutFrames(r.Context(), ended)
	if err != nil {
		return err
	}
	target, mayReturn := l.target()
	if mayReturn && len(frames) == 0 {
		http.Redirect(w, r, target, http.StatusSeeOther)
		return nil
	}
	s.pages.Render(w, r, http.StatusOK, templates.LoggedOut{
		UILocales: l.params.Get("ui_locales"), Client: l.leavingClient(target), BackURL: target, Frames: frames, Return: mayReturn,
	})
	return nil
}

// endHintedSession ends the session that a valid ID token names, for a browser that has none: a proxy or a
// server of the app asks for its user, without the cookie. Nothing about the request may be wrong. The
// pairwise sid of a client does not lead to a session: such a client registers a backchannel_logout_uri, or
// sends the browser.
func (s *Server) endHintedSession(ctx context.Context, l *logoutRequest) (*session.Session, error) {
	if l.problem != nil || l.hint == nil || l.hint.Session == "" {
		return nil, nil
	}
	named, err := s.sessions.LoadByID(ctx, l.hint.Session)
	if err != nil || named == nil || l.hint.Subject != s.tokens.Subject(l.client, named.UserID) || l.hint.Session != s.tokens.Sid(l.client, named.ID) {
		return nil, err
	}
	observe.Event(ctx).SetSubject(named.UserID)
	return s.endSession(ctx, named.ID, s.events.SignedOut(ctx, named.UserID, named.ID))
}

// target is where a link back leads, "" for nowhere, and whether the browser may be sent there without a
// click. That needs a registered URI and an ID token (section 3): anybody can send a client_id. A client that
// nobody vouches for needs an ID token of the browser's own session, since its maker has ID tokens of other
// sessions. The state comes back as it was sent.
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

// leavingClient is the client on a page that leads to target, if that is not empty. If nobody vouches for
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

// explainLogout is for developers whose users are asked, or are not sent back.
func (s *Server) explainLogout(l *logoutRequest) *templates.ErrorDetail {
	if l.problem == nil {
		return nil
	}
	detail := &templates.ErrorDetail{Explanation: l.problem.Description}
	if back := l.params.Get("post_logout_redirect_uri"); l.problem.Code == errLogoutURIMismatch {
		detail.Parameter, detail.Received = "post_logout_redirect_uri", back
		detail.Registered = l.client.PostLogoutRedirectURIs
		detail.Nearest = client.Nearest(l.client.PostLogoutRedirectURIs, back)
		detail.Fix = s.pages.FixURI(l.client, "post_logout_redirect_uri", l.client.PostLogoutRedirectURIs, back)
	}
	return detail
}
