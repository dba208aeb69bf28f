package bff

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// LoginMethod names cookie mode's sign-ins in events and metrics.
const LoginMethod = "bff"

// callback ends a sign-in:
//
//	state ─> this browser's transaction ─> iss, code, PKCE, nonce (provider.Finish) ─> a new session; the older ends
//	   │            └ gone: another tab was faster, or Back was pressed: on to the deep link if the session lives
//	   └ none of ours: 400
func (f *frontend) callback(w http.ResponseWriter, r *http.Request) error {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(params["state"]) != 1 {
		return refuse(http.StatusBadRequest, "invalid_request", "this is no answer of the sign-in service")
	}
	if err := websession.CheckCookies(r); err != nil {
		return err
	}
	state, ok := f.logins.readState(params.Get("state"))
	if !ok {
		e := refuse(http.StatusBadRequest, "invalid_request", "this answer belongs to no sign-in of this app")
		e.again = f.again("")
		return e
	}
	tx, ok := f.logins.take(w, r, state)
	if !ok {
		return f.lost(w, r, state)
	}
	g, err := f.client.Finish(r.Context(), params, tx.Attempt, tx.Ask)
	if err != nil {
		return f.failed(w, r, tx, err)
	}
	event := observe.Event(r.Context())
	event.SetSubject(g.User.Subject)
	if err := f.arrive(w, r, tx, g); err != nil {
		return err
	}
	event.SetLogin(LoginMethod, observe.LoginSuccess)
	f.leave(w, tx.ReturnTo)
	return nil
}

// leave sends the browser to the deep link.
func (f *frontend) leave(w http.ResponseWriter, target string) {
	if f.needsSession(target) {
		goOn(w, target)
		return
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// lost answers a callback whose transaction is not in this browser.
func (f *frontend) lost(w http.ResponseWriter, r *http.Request, s state) error {
	session, err := f.browsersSession(r)
	if err != nil {
		return err
	}
	alive := session != nil || f.sessions.Sealed() && f.logins.marked(r).ID != "" // if it has ended, the app notices
	if alive && s.ReturnTo != "" {
		f.leave(w, s.ReturnTo)
		return nil
	}
	e := refuse(http.StatusBadRequest, "sign_in_lost", "this sign-in has expired, or it began in another browser")
	e.again = f.again(s.ReturnTo)
	return e
}

// browsersSession returns the session that the browser has, if it lives. The request need not have its cookie.
func (f *frontend) browsersSession(r *http.Request) (*websession.Session, error) {
	id := f.logins.marked(r).ID
	if id == "" {
		return nil, nil
	}
	session, err := f.sessions.ByID(r.Context(), id)
	if errors.Is(err, websession.ErrNone) {
		return nil, nil
	}
	return session, err
}

// failed answers a sign-in that came to nothing.
func (f *frontend) failed(w http.ResponseWriter, r *http.Request, tx transaction, err error) error {
	var denied *provider.AuthorizationError
	var refused *provider.Refusal
	event := observe.Event(r.Context())
	e := refuse(http.StatusBadRequest, "sign_in_failed", "the answer of the sign-in service cannot be used").because(err)
	switch {
	case errors.As(err, &denied) && tx.Ask.Prompt == "none":
		event.SetError(denied.Code, "no sign-in without the user", err)
		f.leave(w, tx.ReturnTo) // the app asked whether it is possible, and /bff/session says that it is not
		return nil
	case errors.As(err, &denied) && denied.Code == "temporarily_unavailable", errors.As(err, &denied) && denied.Code == "server_error", provider.Unavailable(err):
		e = unavailable(err)
	case errors.As(err, &denied) && denied.Code == "access_denied":
		e = refuse(http.StatusForbidden, "access_denied", "you, or the sign-in service, said no").because(err)
	case errors.As(err, &refused) && refused.Code != "invalid_grant":
		e = refuse(http.StatusBadGateway, "sign_in_failed", "the sign-in service refuses this app: its operator must look at the log").because(err)
		observe.Alarm(r.Context(), observe.RefreshRefused)
	}
	event.SetLogin(LoginMethod, observe.LoginFailure)
	e.again = f.again(tx.ReturnTo)
	return e
}

// arrive gives the browser a session. If another tab of this browser has signed in the same user since this sign-in
// began, its session stays, so that no request under way loses it. Otherwise the older session ends.
func (f *frontend) arrive(w http.ResponseWriter, r *http.Request, tx transaction, g *provider.Grant) error {
	older, err := f.browsersSession(r)
	if err != nil {
		return err
	}
	if older != nil && !older.CreatedAt.Before(tx.Attempt.BegunAt) && same(older, g.User) {
		f.discard(r.Context(), g)
		return nil
	}
	if f.bff.Sealed && g.GrantID == "" && f.bff.feed.isThere() {
		f.discard(r.Context(), g)
		return refuse(http.StatusInternalServerError, "session_not_revocable", "the sign-in worked, but this app could not be told of its end: its operator must look at the log").
			because(errors.New("the access token of the first resource is opaque, and sealed sessions end by its gid: use a JWT, or a store"))
	}
	session, err := f.sessions.Start(r.Context(), w, g)
	if err != nil {
		f.discard(r.Context(), g)
		return err
	}
	leftover := f.sessions.Leftover(session)
	f.logins.mark(w, session.ID, leftover)
	if f.sessions.Sealed() {
		f.retire(r, tx, leftover)
	}
	if older != nil {
		return f.sessions.End(r.Context(), older.ID, websession.Replaced)
	}
	return nil
}

// retire ends the sealed session that the browser had. The transaction names it if the sign-in began on a page of this
// site; after a link from another site, only the marker does. kept is the refresh token of the new session.
func (f *frontend) retire(r *http.Request, tx transaction, kept string) {
	older := []marker{{tx.Older, tx.Leftover}}
	if m := f.logins.marked(r); m.ID != tx.Older {
		older = append(older, m)
	}
	for _, one := range older {
		if one.Leftover == kept { // the provider has given the same one again
			one.Leftover = ""
		}
		if one.ID != "" {
			f.sessions.Retire(r.Context(), one.ID, one.Leftover)
		}
	}
}

func same(s *websession.Session, u *provider.User) bool {
	return s.Subject == u.Subject && s.SID == u.SID && s.ACR == u.ACR && !s.AuthTime.Before(u.AuthTime)
}

// discard revokes tokens that nobody will use.
func (f *frontend) discard(ctx context.Context, g *provider.Grant) {
	if g.RefreshToken == "" {
		return
	}
	if err := f.client.Revoke(ctx, g.RefreshToken); err != nil {
		f.bff.Logger.WarnContext(ctx, "a refresh token was not revoked at the provider", "frontend", f.Name, "cause", err.Error())
	}
}
