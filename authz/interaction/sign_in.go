package interaction

import (
	"net/http"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/useragent"
	"github.com/authzd/authzd/storage"
)

// signIn is the end of every login, by any method. It starts a session with a new secret, and goes on with the
// flow or, if a link waited for the login, with the link. Start records the sign-in by events.SessionBegan.
func (in *Interaction) signIn(w http.ResponseWriter, r *http.Request, v *visit, user *storage.User, method string, how session.Login, remember bool) error {
	l := v.flow.Link
	if l != nil && l.UserID != user.ID {
		l = nil
	}
	v.flow.Link, v.flow.Failed = l, nil
	how.Device = deviceOf(r)
	known, err := in.Accounts.DeviceWrites(r.Context(), user.ID, in.Sessions.KeepDevice(w, r))
	if err != nil {
		return err
	}
	how.Also = append(how.Also, known...)
	started, err := in.Sessions.Start(r.Context(), w, v.signedIn, user, how, remember)
	if err != nil {
		return err
	}
	in.Outbox.Wake() // another user's session may have ended
	event := observe.Event(r.Context())
	event.SetSubject(user.ID)
	event.SetLogin(method, observe.LoginSuccess)
	if l == nil || v.request == nil || v.request.TakesACR(how.ACR) { // a password that proves a link may not be the sign-in that is asked for
		v.flow.SignedIn = started.ID
	}
	if l != nil {
		l.SignedIn = started.ID
	}
	if v.begun != nil {
		in.finishAttempt(w, r, *v.begun, v.flow)
	}
	if l != nil {
		http.Redirect(w, r, in.pageURL("/link", in.seal(v.flow)), http.StatusSeeOther)
		return nil
	}
	offer, err := in.offersPasskey(r.Context(), v, user)
	if err != nil {
		return err
	}
	if offer {
		http.Redirect(w, r, in.pageURL(passkeyPage, in.seal(v.flow)), http.StatusSeeOther)
		return nil
	}
	in.goOn(w, r, v)
	return nil
}

// deviceOf describes the browser that sends a request.
func deviceOf(r *http.Request) storage.Device {
	agent := useragent.Of(r.Header)
	d := storage.Device{Browser: agent.Browser, System: agent.System}
	if from := observe.Event(r.Context()).Remote(); from.IsValid() {
		d.Address = from.String()
	}
	return d
}
