package interaction

import (
	"context"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// A person may leave the sign-in page to sign up, or to get a new password, and come back to it (authz/selfservice).

// signUpPage is where people sign up.
const signUpPage = "/signup"

// needsSignUp reports whether the app wants the person to make an account (prompt=create, Initiating User Registration
// via OpenID Connect 1.0), and they have neither made one nor signed in for it.
func (in *Interaction) needsSignUp(_ context.Context, p *pending) (bool, error) {
	return in.SignUp && p.request != nil && p.request.Prompts("create") && p.flow.SignedIn == "", nil
}

// Waiting is the sign-in that waits for a person on another page: that of an app, of a device, or of this server.
type Waiting struct {
	v  *visit
	in *Interaction
}

// Waiting returns the sign-in that a query or a form names. If it has waited too long, it begins again with what the app
// has asked for; if nothing is left of that, it ends at the account page. So what a person does on these pages is not lost.
func (in *Interaction) Waiting(w http.ResponseWriter, r *http.Request, params url.Values) (*Waiting, error) {
	v, err := in.visit(w, r, params)
	if err != nil {
		v, err = in.late(w, r, params.Get("flow"), err)
	}
	if err != nil {
		return nil, err
	}
	return &Waiting{v, in}, nil
}

// late returns a visit in place of one that failed, for the browser to which its flow belongs; why is the error for others.
// The request of the app is judged again, and the person's answers so far don't count.
func (in *Interaction) late(w http.ResponseWriter, r *http.Request, sealed string, why error) (*visit, error) {
	browser, _ := in.Sessions.Browser(w, r)
	f, err := in.readFlow(sealed)
	if err != nil || f.Browser != browser {
		return nil, why
	}
	if !f.Outlived() {
		again := flow{Browser: browser, Carried: f.Carried, UserCode: f.UserCode, Back: f.Back}
		again.Started = storage.Now()
		if v, err := in.resume(r, again, in.seal(again)); err == nil {
			return v, nil
		}
	}
	return in.resume(r, flow{Browser: browser, Carried: authorize.Carried{Started: storage.Now()}}, "")
}

// Sealed returns the sign-in as this browser holds it, "" if neither an app nor a page waits.
func (w *Waiting) Sealed() string { return w.v.sealed }

// Browser returns the name of the browser.
func (w *Waiting) Browser() string { return w.v.flow.Browser }

// UILocales returns the languages that the client prefers for pages.
func (w *Waiting) UILocales() string { return w.v.uiLocales() }

// Client returns the app that waits, nil if none does.
func (w *Waiting) Client() *templates.Client { return w.v.client() }

// ClientID returns the id of the app that waits, "" if none does.
func (w *Waiting) ClientID() string {
	if w.v.request == nil {
		return ""
	}
	return w.v.request.Client.ID
}

// LoginHint returns whom the app expects, "" if it does not say.
func (w *Waiting) LoginHint() string {
	if w.v.request == nil {
		return ""
	}
	return w.v.request.Params.Get("login_hint")
}

// Hidden returns hidden fields for forms, beside others, from which Waiting can be made again.
func (w *Waiting) Hidden(others map[string]string) map[string]string {
	fields := map[string]string{}
	if w.v.sealed != "" {
		fields["flow"] = w.v.sealed
	}
	for name, value := range others {
		fields[name] = value
	}
	return fields
}

// URL returns the URL of a page, with a query from which Waiting can be made again.
func (w *Waiting) URL(path string, query url.Values) string {
	if w.v.sealed != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("flow", w.v.sealed)
	}
	if len(query) == 0 {
		return w.in.Issuer.URL(path)
	}
	return w.in.Issuer.URL(path) + "?" + query.Encode()
}

// LoginURL returns the URL of the sign-in page, for any account.
func (w *Waiting) LoginURL() string {
	if w.v.user != nil && w.v.sealed != "" {
		return w.in.otherAccountURL(w.v.sealed)
	}
	return w.URL(loginPage, nil)
}

// SignIn signs in a user who has typed their password in this browser, and has proved their address since. Then the
// sign-in goes on.
func (w *Waiting) SignIn(rw http.ResponseWriter, r *http.Request, user *storage.User) error {
	return w.in.signIn(rw, r, w.v, user, events.MethodPassword, session.Login{AMR: []string{"pwd"}, ACR: authorize.ACRPassword}, false)
}
