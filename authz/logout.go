package authz

import (
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// logoutRequest is RP-Initiated Logout 1.0 section 2, as far as it can be believed.
type logoutRequest struct {
	client   *client.Client // nil: unknown who asks
	subject  string         // of the id_token_hint; empty: none that is valid
	backURI  string         // registered for the client; empty: nowhere to go
	state    string
	signedIn *session.Session
	user     *storage.User
}

// newLogoutRequest believes an id_token_hint only if it is ours, and a post_logout_redirect_uri only
// if the client of that hint has registered it.
func (s *Server) newLogoutRequest(r *http.Request, params url.Values) (*logoutRequest, error) {
	l := &logoutRequest{state: params.Get("state")}
	if hint := params.Get("id_token_hint"); hint != "" {
		subject, audience, err := s.hintedSubject(hint)
		if err == nil && (!params.Has("client_id") || params.Get("client_id") == audience) {
			if l.client, err = s.client(r.Context(), audience); err != nil {
				return nil, err
			}
			l.subject = subject
		}
	}
	if back := params.Get("post_logout_redirect_uri"); l.client != nil && l.client.MatchPostLogoutRedirectURI(back) {
		l.backURI = back
	}
	var err error
	l.signedIn, l.user, err = s.signedIn(r.Context(), r)
	return l, err
}

// logout takes POST: the confirmation of our own page, or a client's request (section 2 demands both
// methods). The latter becomes the GET that means the same, because a cross-site POST carries no
// SameSite=Lax cookie, and nobody would be logged out.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	form, err := formParams(w, r)
	if err != nil {
		return err
	}
	if form.Get("confirm") != "yes" || new(http.CrossOriginProtection).Check(r) != nil {
		form.Del("confirm")
		http.Redirect(w, r, s.url("/logout")+"?"+form.Encode(), http.StatusSeeOther)
		return nil
	}
	l, err := s.newLogoutRequest(r, form)
	if err != nil {
		return err
	}
	return s.endSession(w, r, l)
}

// logoutPage asks before it ends the session, unless the client shows an ID token of the user who is
// signed in.
func (s *Server) logoutPage(w http.ResponseWriter, r *http.Request) error {
	params, err := queryParams(r)
	if err != nil {
		return err
	}
	l, err := s.newLogoutRequest(r, params)
	if err != nil {
		return err
	}
	if l.user == nil || (l.client != nil && l.subject == s.subject(l.client, l.user.ID)) {
		return s.endSession(w, r, l)
	}
	hidden := map[string]string{"confirm": "yes"}
	for _, name := range []string{"id_token_hint", "post_logout_redirect_uri", "client_id", "state"} {
		if params.Has(name) {
			hidden[name] = params.Get(name)
		}
	}
	s.render(w, r, http.StatusOK, templates.LogoutConfirm{
		UILocales: params.Get("ui_locales"), Client: l.shownClient(), Action: s.url("/logout"), Hidden: hidden,
		User: shownUser(l.user), CancelURL: s.url("/account"),
	})
	return nil
}

// endSession ends the browser's session, and with it every online refresh token.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request, l *logoutRequest) error {
	if l.user != nil {
		observe.Event(r.Context()).SetSubject(l.user.ID)
	}
	if l.signedIn != nil {
		if _, err := s.sessions.End(r.Context(), l.signedIn.ID); err != nil {
			return err
		}
	}
	s.sessions.Forget(w)
	if l.backURI == "" {
		s.render(w, r, http.StatusOK, templates.LoggedOut{Client: l.shownClient(), BackURL: l.clientURI()})
		return nil
	}
	back := url.Values{}
	if l.state != "" {
		back.Set("state", l.state)
	}
	target := l.backURI
	if len(back) > 0 {
		target = withParams(target, "", back)
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

func (l *logoutRequest) shownClient() *templates.Client {
	if l.client == nil {
		return nil
	}
	return &templates.Client{Name: l.client.Name}
}

func (l *logoutRequest) clientURI() string {
	if l.client == nil {
		return ""
	}
	return l.client.ClientURI
}
