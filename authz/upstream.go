package authz

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/templates"
)

const (
	upstreamLifetime = 10 * time.Minute // for the login at the upstream
	upstreamCookie   = "authzd-upstream-"
	cookiePart       = 3800 // bytes; browsers drop a cookie over 4096
	maxUpstream      = 4    // logins that one browser may have under way
)

// attempt is a login under way at an upstream. It waits in cookies of this browser, sealed, under a
// name that the callback's state gives.
type attempt struct {
	connect.Attempt
	Flow    flow      `json:"f"`
	Started time.Time `json:"t"`
}

// beginUpstream sends the browser to a connector's upstream.
func (s *Server) beginUpstream(w http.ResponseWriter, r *http.Request) error {
	connector := s.connector(mux.Vars(r)["connector"])
	if connector == nil {
		return s.notFound(w, r)
	}
	v, params, err := s.visitPage(w, r)
	if err != nil {
		return err
	}
	if v.sealed == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		// Nobody's link but our own signs a browser in without an app: an upstream that asks nothing
		// would let any site switch the account.
		http.Redirect(w, r, s.url("/login"), http.StatusSeeOther)
		return nil
	}
	p := connect.BeginParams{UILocales: v.uiLocales(), SelectAccount: params.Has("other")}
	if a := v.request; a != nil {
		p.LoginHint = a.params.Get("login_hint")
		p.SelectAccount = p.SelectAccount || a.prompts("select_account")
		p.MaxAge = a.upstreamMaxAge()
	}
	url, begun, err := connector.Begin(r.Context(), p)
	if err != nil {
		return s.upstreamFailed(w, r, v, connector.ID(), err)
	}
	if err := s.keepAttempt(w, r, attempt{begun, v.flow, s.now()}); err != nil {
		return err
	}
	http.Redirect(w, r, url, http.StatusSeeOther)
	return nil
}

// upstreamMaxAge asks the upstream for a fresh login where the client asks us for one.
func (a *authorization) upstreamMaxAge() *int {
	seconds := 0
	switch {
	case a.prompts("login"):
		return &seconds
	case a.maxAge != nil:
		seconds = int(a.maxAge.Seconds())
		return &seconds
	}
	return nil
}

// finishUpstream is the callback: one URL per connector serves every client.
func (s *Server) finishUpstream(w http.ResponseWriter, r *http.Request) error {
	connector := s.connector(mux.Vars(r)["connector"])
	if connector == nil {
		return s.notFound(w, r)
	}
	params, err := queryParams(r)
	if err != nil {
		return err
	}
	browser, _ := s.sessions.Browser(w, r)
	begun, err := s.findAttempt(r, params.Get("state"))
	if err != nil || begun.Connector != connector.ID() || begun.Flow.Browser != browser {
		return refuse("sign_in_expired", "This browser has no such sign-in under way: it has expired, or cookies are blocked. Go back to the app and sign in again.").because(err)
	}
	identity, err := connector.Finish(r.Context(), params, begun.Attempt)
	if failed := new(connect.Error); errors.As(err, &failed) && failed.Code == connect.InvalidRequest {
		return refuse(errInvalidRequest, "The answer of the upstream does not belong to this sign-in.").because(err)
	}
	s.forgetAttempt(w, r, begun.State)
	v, resumeErr := s.resume(r, begun.Flow, s.seal(begun.Flow))
	if resumeErr != nil {
		return resumeErr
	}
	if err != nil {
		return s.upstreamFailed(w, r, v, connector.ID(), err)
	}
	user, err := s.accounts.SignInWith(r.Context(), identity)
	needsLink := new(account.LinkRequiredError)
	switch {
	case errors.As(err, &needsLink):
		v.flow.Link = &link{needsLink.UserID, identity}
		http.Redirect(w, r, s.pageURL("/login", s.seal(v.flow)), http.StatusSeeOther)
		return nil
	case errors.Is(err, account.ErrDisabled):
		return s.upstreamFailed(w, r, v, connector.ID(), &connect.Error{Code: connect.AccessDenied, Reason: "The account is disabled.", Err: err})
	case err != nil:
		return err
	}
	return s.signIn(w, r, v, user, connector.ID(), upstreamLogin(connector.ID(), identity.AuthTime, identity.AMR), false)
}

// upstreamFailed tells the client that waits for this login, or the person if none does. A refusal
// at the upstream is an answer; the client gets it as its own.
func (s *Server) upstreamFailed(w http.ResponseWriter, r *http.Request, v *visit, method string, err error) error {
	observe.Event(r.Context()).SetLogin(method, observe.LoginFailure)
	failed := new(connect.Error)
	if !errors.As(err, &failed) {
		return err
	}
	s.noteFailedSignIn(r.Context(), method, failed.Code, err)
	if v.request != nil && v.request.redirectURI != "" {
		return s.refuseAuthorization(w, r, v.request, refuse(failed.Code, failed.Reason).because(err))
	}
	observe.Event(r.Context()).SetError(failed.Code, failed.Reason, err)
	problem := templates.UpstreamFailed
	if failed.Code == connect.AccessDenied {
		problem = templates.UpstreamRefused
	}
	s.loginFailed(w, r, v, failedLogin{Problem: problem})
	return nil
}

// keepAttempt puts an attempt into as many cookies as it needs, and drops all others if there are
// too many: a header that grows with every try would be refused by proxies.
func (s *Server) keepAttempt(w http.ResponseWriter, r *http.Request, a attempt) error {
	others := map[string]bool{}
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, s.cookieName(upstreamCookie)) {
			others[c.Name] = true
		}
	}
	if len(others) >= maxUpstream {
		for name := range others {
			http.SetCookie(w, s.cookie(name, "", -1))
		}
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode upstream attempt: %w", err)
	}
	sealed := base64.RawURLEncoding.EncodeToString(s.upstream.Seal(plain, nil))
	for part := 0; len(sealed) > 0; part++ {
		n := min(cookiePart, len(sealed))
		http.SetCookie(w, s.cookie(s.attemptCookie(a.State, part), sealed[:n], int(upstreamLifetime.Seconds())))
		sealed = sealed[n:]
	}
	return nil
}

// findAttempt is the way back.
func (s *Server) findAttempt(r *http.Request, state string) (attempt, error) {
	var a attempt
	var sealed strings.Builder
	for part := 0; ; part++ {
		c, err := r.Cookie(s.attemptCookie(state, part))
		if err != nil {
			break
		}
		sealed.WriteString(c.Value)
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed.String())
	if err != nil {
		return a, err
	}
	plain, err := s.upstream.Open(raw, nil)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(plain, &a); err != nil {
		return a, err
	}
	if s.now().Sub(a.Started) > upstreamLifetime {
		return a, errors.New("the upstream login took too long")
	}
	return a, nil
}

func (s *Server) forgetAttempt(w http.ResponseWriter, r *http.Request, state string) {
	for part := 0; ; part++ {
		name := s.attemptCookie(state, part)
		if _, err := r.Cookie(name); err != nil {
			return
		}
		http.SetCookie(w, s.cookie(name, "", -1))
	}
}

func (s *Server) attemptCookie(state string, part int) string {
	return fmt.Sprintf("%s%s.%d", s.cookieName(upstreamCookie), hashToken(state)[:12], part)
}

func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

// cookie is Lax because the callback is a cross-site GET.
func (s *Server) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
