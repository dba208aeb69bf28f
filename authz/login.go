package authz

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Authentication context classes (OpenID Connect Core section 2): how the user signed in here.
const (
	acrPassword  = "urn:authzd:acr:password"
	acrFederated = "urn:authzd:acr:federated"
)

// methodPassword is the login method in metrics; the others are the connectors' ids.
const methodPassword = "password"

// loginPage asks who is there.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) error {
	v, params, err := s.visitPage(w, r)
	if err != nil {
		return err
	}
	problem := templates.NoProblem
	if v.flow.Link != nil {
		problem = templates.ConfirmToLink
	}
	username := ""
	if v.request != nil {
		username = v.request.params.Get("login_hint")
	}
	s.showLogin(w, r, v, http.StatusOK, templates.SignIn{
		Problem: problem, Username: username, User: v.reauthenticated(params),
	})
	return nil
}

// reauthenticated is who must sign in again, nil if anybody may: "not you?" leads there.
func (v *visit) reauthenticated(params url.Values) *templates.User {
	if v.user == nil || v.request == nil || params.Has("other") || v.flow.Link != nil ||
		(v.request.hint != "" && v.request.hint != v.user.ID) {
		return nil
	}
	u := shownUser(v.user)
	return &u
}

// showLogin draws the sign-in page; p has what differs between its occasions.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, v *visit, status int, p templates.SignIn) {
	p.UILocales, p.Client = v.uiLocales(), v.client()
	p.Action, p.Hidden = s.url("/login"), v.hidden()
	p.Password = true
	for _, c := range s.connectors {
		p.Connectors = append(p.Connectors, templates.Connector{
			ID: c.ID(), Type: c.Type(), Name: c.Name(), URL: s.pageURL("/login/"+c.ID(), v.sealed),
		})
	}
	if p.User != nil {
		p.OtherAccountURL = s.pageURL("/login", v.sealed) + "&other=1"
	}
	s.render(w, r, status, p)
}

// login checks a password. Whatever is wrong with it, the answer is the same.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	v, form, err := s.visitForm(w, r)
	if err != nil {
		return err
	}
	username, password := form.Get("username"), form.Get("password")
	remember := form.Has("remember-me")
	again := templates.SignIn{Username: username, Remember: remember, User: v.reauthenticated(form)}
	if username == "" || password == "" {
		again.Problem = templates.MissingField
		s.showLogin(w, r, v, http.StatusBadRequest, again)
		return nil
	}
	event := observe.Event(r.Context())
	user, err := s.accounts.Authenticate(r.Context(), username, password, event.Remote())
	throttled := new(account.ThrottledError)
	switch {
	case errors.As(err, &throttled):
		event.SetLogin(methodPassword, observe.LoginFailure)
		observe.Alarm(r.Context(), observe.LoginThrottled)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(throttled.RetryAfter.Seconds()))))
		again.Problem = templates.TooManyAttempts
		s.showLogin(w, r, v, http.StatusTooManyRequests, again)
		return nil
	case errors.Is(err, account.ErrInvalidCredentials):
		event.SetLogin(methodPassword, observe.LoginFailure)
		again.Problem = templates.BadCredentials
		s.showLogin(w, r, v, http.StatusOK, again)
		return nil
	case err != nil:
		return err
	}
	return s.signIn(w, r, v, user, methodPassword, session.Login{AMR: []string{"pwd"}, ACR: acrPassword}, remember)
}

func linkError(err error) error {
	if errors.Is(err, account.ErrIdentityTaken) {
		return (&Error{Status: http.StatusConflict, Code: "identity_taken", Description: "This upstream account is linked to another account here."}).because(err)
	}
	return err
}

// signIn is the end of every login, by whatever method: the link that waited for it, a new session
// secret, and on with the flow.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, method string, how session.Login, remember bool) error {
	if l := v.flow.Link; l != nil && l.UserID == user.ID {
		if err := s.accounts.Link(r.Context(), user.ID, l.Identity); err != nil {
			return linkError(err)
		}
	}
	v.flow.Link = nil
	started, err := s.sessions.Start(r.Context(), w, v.signedIn, user, how, remember)
	if err != nil {
		return err
	}
	event := observe.Event(r.Context())
	event.SetSubject(user.ID)
	event.SetLogin(method, observe.LoginSuccess)
	v.flow.SignedIn = started.ID
	s.goOn(w, r, v)
	return nil
}

// selectAccountPage asks which account to go on with (prompt=select_account).
func (s *Server) selectAccountPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.user == nil || v.request == nil {
		s.goOn(w, r, v)
		return nil
	}
	s.render(w, r, http.StatusOK, templates.SelectAccount{
		UILocales: v.uiLocales(), Client: v.client(), Action: s.url("/select-account"), Hidden: v.hidden(), User: shownUser(v.user),
	})
	return nil
}

func (s *Server) selectAccount(w http.ResponseWriter, r *http.Request) error {
	v, form, err := s.visitForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("account") == "other" && v.sealed != "" {
		http.Redirect(w, r, s.pageURL("/login", v.sealed)+"&other=1", http.StatusSeeOther)
		return nil
	}
	if v.asked(form) && form.Get("account") == "continue" {
		v.flow.Selected = v.user.ID
	}
	s.goOn(w, r, v)
	return nil
}

// upstreamLogin is how a session says that it began at a connector.
func upstreamLogin(connector string, authTime time.Time, amr []string) session.Login {
	return session.Login{Connector: connector, AuthTime: authTime, AMR: amr, ACR: acrFederated}
}
