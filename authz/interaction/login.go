package interaction

import (
	"context"
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/templates"
)

// needsLogin reports whether the user must sign in: nobody is signed in, or not in the way that the request wants.
func (in *Interaction) needsLogin(_ context.Context, p *pending) (bool, error) {
	if p.user == nil {
		return true, nil
	}
	freshLogin := p.flow.SignedIn == p.signedIn.ID
	if p.flow.Fresh && !freshLogin && !isFresh(p.signedIn, p.user) {
		return true, nil
	}
	if p.request == nil || p.undecided {
		return false, nil
	}
	a := p.request
	means, takes := a.Means(in.Tokens.Subject(a.Client, p.user.ID)), a.TakesACR(p.signedIn.ACR)
	switch {
	case a.Prompts("login") && !freshLogin:
		return true, nil
	case a.WantsTime() && p.signedIn.Unproven: // the upstream was not asked for the time, since the device was not known then
		return true, nil
	case a.MaxAge != nil && !freshLogin && a.Now.Sub(p.signedIn.AuthTime) >= *a.MaxAge:
		return true, nil
	case !means && freshLogin:
		return false, oauth.Refuse(oauth.LoginRequired, "Another user signed in than the one whom the request names.")
	case !takes && freshLogin:
		return false, oauth.Refuse(oauth.UnmetAuthentication, "The user signed in by another method than the one that was asked for.")
	}
	return !means || !takes, nil
}

// LoginPage draws the sign-in page.
func (in *Interaction) LoginPage(w http.ResponseWriter, r *http.Request) error {
	v, _, err := in.visitPage(w, r)
	if err != nil {
		return err
	}
	if in.needless(r, v) {
		if v.sealed == "" {
			return in.showSignedIn(w, r, v)
		}
		in.goOn(w, r, v)
		return nil
	}
	p := templates.SignIn{}
	if v.request != nil {
		p.Username = v.request.Params.Get("login_hint")
	}
	if v.flow.Link != nil {
		p.Problem = templates.ConfirmToLink
	}
	if f := v.flow.Failed; f != nil {
		p.Problem, p.Username, p.Remember = f.Problem, f.Username, f.Remember
	}
	return in.showLogin(w, r, v, http.StatusOK, p)
}

// needless reports whether the sign-in is no longer needed: the user has signed in in another tab, and this one
// was reloaded or restored.
func (in *Interaction) needless(r *http.Request, v *visit) bool {
	if v.user == nil || v.other || v.flow.Link != nil {
		return false
	}
	if v.request == nil {
		return v.flow.Failed == nil && (!v.flow.Fresh || isFresh(v.signedIn, v.user)) // if a login failed, the page says why
	}
	missing, err := in.needsLogin(r.Context(), v.pending())
	return err == nil && !missing
}

// reauthenticated returns the user who must sign in again, nil if anybody may sign in. The page has a link for
// other users.
func (in *Interaction) reauthenticated(v *visit) *templates.User {
	if v.user == nil || v.other || v.flow.Link != nil {
		return nil
	}
	if v.request == nil && !v.flow.Fresh || v.request != nil && !v.request.Means(in.Tokens.Subject(v.request.Client, v.user.ID)) {
		return nil
	}
	u := pages.User(v.user)
	return &u
}

// showLogin draws the sign-in page. p has the problem and what the user has typed; showLogin fills in the rest.
func (in *Interaction) showLogin(w http.ResponseWriter, r *http.Request, v *visit, status int, p templates.SignIn) error {
	p.UILocales, p.Client = v.uiLocales(), v.client()
	p.Action, p.Hidden = in.Issuer.URL("/login"), v.hidden()
	p.Password, p.RememberMe = v.takesACR(authorize.ACRPassword), in.RememberMe > 0
	p.Reason, p.Detail = v.reason(), in.Requests.ExplainLeftOut(v.request)
	for _, c := range in.Connectors {
		if !v.takesACR(authorize.ACRFederated) {
			break
		}
		p.Connectors = append(p.Connectors, templates.Connector{ID: c.ID(), Type: c.Type(), Name: c.Name(), URL: in.signInURL(loginPage+"/"+c.ID(), v.sealed, v.other)})
	}
	if in.SignUp {
		p.SignUpURL = in.pageURL(signUpPage, v.sealed)
	}
	if in.Reset && p.Password {
		p.ForgotURL = in.pageURL("/reset", v.sealed)
	}
	if p.User = in.reauthenticated(v); p.User != nil {
		p.OtherAccountURL = in.otherAccountURL(v.sealed)
	}
	var err error
	if p.Passkey, err = in.askPasskey(r, v, p.User); err != nil {
		return err
	}
	if p.User != nil && p.Passkey != nil {
		p.Password = p.Password && v.user.PasswordHash != ""
	}
	if v.flow.UnknownKey != nil && in.Passkeys != nil {
		p.Signals = in.Passkeys.Unknown(v.flow.UnknownKey).JSON()
	}
	in.Pages.Render(w, r, status, p)
	return nil
}

// takesACR reports whether a sign-in of this class is of use: for the request, or for a link that needs the
// user's password.
func (v *visit) takesACR(acr string) bool {
	return v.request == nil || v.request.TakesACR(acr) || (v.flow.Link != nil && acr == authorize.ACRPassword)
}

// reason returns why a user who is signed in must sign in again.
func (v *visit) reason() templates.Reason {
	switch {
	case v.request == nil || v.user == nil:
		return templates.NoReason
	case !v.request.TakesACR(v.signedIn.ACR):
		return templates.StrongLogin
	case v.request.Prompts("login") || v.request.MaxAge != nil:
		return templates.FreshLogin
	}
	return templates.NoReason
}

// otherAccountURL returns the URL of the sign-in page for another user than the one who is signed in.
func (in *Interaction) otherAccountURL(sealed string) string {
	return in.signInURL(loginPage, sealed, true)
}

// signInURL returns the URL of a page on which people sign in; other is for another user than the one who is signed in.
func (in *Interaction) signInURL(path, sealed string, other bool) string {
	switch {
	case !other:
		return in.pageURL(path, sealed)
	case sealed == "":
		return in.Issuer.URL(path) + "?other=1"
	}
	return in.pageURL(path, sealed) + "&other=1"
}

// Login takes the form of the sign-in page: a password, or the cancel button. If the password is wrong, it
// redirects to the page, so that the browser's history has no form in it.
func (in *Interaction) Login(w http.ResponseWriter, r *http.Request) error {
	v, form, err := in.visitForm(w, r)
	if err != nil {
		return err
	}
	if form.Get("decision") == "cancel" && v.request != nil && v.request.RedirectURI != "" {
		v.request.Acted = true // the page has shown where the button leads
		if f := v.flow.Failed; f != nil && f.Problem == templates.UpstreamFailed {
			return in.Requests.Refuse(w, r, v.request, oauth.Refuse(oauth.TemporarilyUnavailable, "The sign-in service cannot be used at the moment."))
		}
		return in.Requests.Refuse(w, r, v.request, oauth.Refuse(oauth.AccessDenied, "The user did not sign in."))
	}
	v.flow.UnknownKey = nil
	if isPasskey(form) {
		return in.loginByPasskey(w, r, v, form)
	}
	username, password := form.Get("username"), form.Get("password")
	remember := form.Has("remember-me")
	if username == "" || password == "" {
		in.loginFailed(w, r, v, failedLogin{templates.MissingField, username, remember})
		return nil
	}
	user, err := in.Accounts.AuthenticateOn(r.Context(), username, password, observe.Event(r.Context()).Remote(), in.Sessions.Device(r))
	throttled, wrong := new(account.ThrottledError), new(account.CredentialsError)
	switch {
	case errors.As(err, &throttled):
		in.signInFailed(r.Context(), account.Throttled, throttled.UserID)
		oauth.SetRetryAfter(w, throttled.RetryAfter)
		return in.showLogin(w, r, v, http.StatusTooManyRequests, templates.SignIn{
			Problem: templates.TooManyAttempts, Username: username, Remember: remember,
		})
	case errors.As(err, &wrong):
		in.signInFailed(r.Context(), wrong.Reason, wrong.UserID)
		in.loginFailed(w, r, v, failedLogin{templates.BadCredentials, username, remember})
		return nil
	case err != nil:
		return err
	}
	v.flow.CanPasskey = form.Get("can-passkey") == "yes"
	return in.signIn(w, r, v, user, events.MethodPassword, session.Login{AMR: []string{"pwd"}, ACR: authorize.ACRPassword}, remember)
}

// signInFailed records why a password was not accepted, and never what was typed.
func (in *Interaction) signInFailed(ctx context.Context, why account.Reason, userID string) {
	event := observe.Event(ctx)
	event.SetLogin(events.MethodPassword, observe.LoginFailure)
	event.SetLoginReason(string(why))
	event.SetSubject(userID)
	if why == account.Throttled {
		observe.Alarm(ctx, observe.LoginThrottled)
	}
	in.Events.SignInFailed(ctx, events.MethodPassword, string(why), userID)
}

// loginFailed redirects to the sign-in page, which shows the problem.
func (in *Interaction) loginFailed(w http.ResponseWriter, r *http.Request, v *visit, f failedLogin) {
	v.flow.Failed = &f
	http.Redirect(w, r, in.signInURL(loginPage, in.seal(v.flow), v.other), http.StatusSeeOther)
}
