package interaction

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// A passkey signs its user in alone, by the button of the sign-in page or by the list of its username field. Who must
// sign in again is asked for their own keys. The page's script brings the answer in the form of the page, so that all
// that follows is a plain sign-in:
//
//	/login ─> askPasskey ─> the browser ─> POST /login ─> loginByPasskey ─> signIn, as after a password
//	                                                           └─> refused ─> /login, which says why

// acrPasskey is the class of a sign-in with a passkey: none of a first factor's. Its level says how good it is.
const acrPasskey = ""

// askPasskey returns what the sign-in page asks the browser for. It is nil if there are no passkeys, if the request
// wants another kind of sign-in, or if the user who must sign in again has none.
func (in *Interaction) askPasskey(r *http.Request, v *visit, again *templates.User) (*templates.PasskeyAsk, error) {
	if in.Passkeys == nil || !v.takesACR(acrPasskey) {
		return nil, nil
	}
	var user *storage.User
	if again != nil {
		user = v.user
	}
	offer, err := in.Passkeys.BeginSignIn(r.Context(), v.flow.Browser, user)
	if offer == nil {
		return nil, err
	}
	return &templates.PasskeyAsk{PasskeyOffer: templates.PasskeyOffer(*offer), Autofill: user == nil}, nil
}

// isPasskey reports whether the form of a page brings the answer of a passkey, or should.
func isPasskey(form url.Values) bool { return form.Has("passkey") || form.Get("passkey-answer") != "" }

// loginByPasskey takes the form of the sign-in page with the answer of a passkey.
func (in *Interaction) loginByPasskey(w http.ResponseWriter, r *http.Request, v *visit, form url.Values) error {
	failed := failedLogin{Username: form.Get("username"), Remember: form.Has("remember-me")}
	if form.Get("passkey-answer") == "" || in.Passkeys == nil {
		failed.Problem = templates.PasskeyNoScript
		in.loginFailed(w, r, v, failed)
		return nil
	}
	proof, err := in.Passkeys.SignIn(r.Context(), v.flow.Browser, form.Get("passkey-ceremony"), form.Get("passkey-answer"))
	if refused := new(passkey.Error); errors.As(err, &refused) {
		in.passkeyRefused(r, refused)
		failed.Problem = passkeyProblem(refused.Reason)
		if refused.Reason == passkey.UnknownKey && len(refused.CredentialID) <= maxSignalled {
			v.flow.UnknownKey = refused.CredentialID
		}
		in.loginFailed(w, r, v, failed)
		return nil
	} else if err != nil {
		return err
	}
	return in.signIn(w, r, v, proof.User, events.MethodPasskey, session.Login{AMR: proof.AMR(), ACR: acrPasskey, Level: int(levelOf(proof))}, failed.Remember)
}

// levelOf returns how strongly a passkey proves who its user is.
func levelOf(proof *passkey.Proof) factor.Level {
	if proof.DeviceBound() {
		return factor.HardwareBound
	}
	return factor.PhishingResistant
}

// maxSignalled is how long the id of an unknown key may be, in bytes, to travel in a flow. Password managers have ids
// of up to 64.
const maxSignalled = 256

// passkeyRefused records why an answer was not accepted.
func (in *Interaction) passkeyRefused(r *http.Request, refused *passkey.Error) {
	event := observe.Event(r.Context())
	event.SetLogin(events.MethodPasskey, observe.LoginFailure)
	event.SetLoginReason(string(refused.Reason))
	event.SetSubject(refused.UserID)
	event.SetError("passkey_"+string(refused.Reason), "The passkey was not accepted.", refused)
	if refused.Reason == passkey.Copied {
		in.Events.PasskeyCopied(r.Context(), refused.UserID)
	}
	in.Events.SignInFailed(r.Context(), events.MethodPasskey, string(refused.Reason), refused.UserID)
}

var passkeyProblems = map[passkey.Reason]templates.Problem{
	passkey.UnknownKey: templates.PasskeyUnknown, passkey.Expired: templates.PasskeyLate, passkey.Used: templates.PasskeyLate,
	passkey.NotVerified: templates.PasskeyUnverified, passkey.Copied: templates.PasskeyCopied,
	passkey.NotPermitted: templates.PasskeyNotPermitted, passkey.TooMany: templates.PasskeyTooMany, passkey.AlreadyAdded: templates.PasskeyAlreadyAdded,
}

// passkeyProblem returns what a page says. It does not say whether there is such an account.
func passkeyProblem(reason passkey.Reason) templates.Problem {
	if problem, ok := passkeyProblems[reason]; ok {
		return problem
	}
	return templates.PasskeyRefused
}
