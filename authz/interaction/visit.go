package interaction

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/templates"
)

// visit is one request for a page of a sign-in: its flow, and the user who is signed in.
type visit struct {
	flow    flow
	sealed  string             // the flow as this browser holds it; empty: a plain sign-in
	other   bool               // another user than the signed-in one wants to sign in
	request *authorize.Request // nil: a plain sign-in, or a device that is not known yet
	who
	begun *attempt // the upstream login that ends with this request; nil: none
}

// visit opens the flow of a request from its query or form.
func (in *Interaction) visit(w http.ResponseWriter, r *http.Request, params url.Values) (*visit, error) {
	f, err := in.openFlow(w, r, params.Get("flow"))
	if err != nil {
		return nil, err
	}
	v, err := in.resume(r, f, params.Get("flow"))
	if err == nil {
		v.other = params.Has("other")
	}
	return v, err
}

// resume is visit for a flow that has been opened.
func (in *Interaction) resume(r *http.Request, f flow, sealed string) (v *visit, err error) {
	v = &visit{flow: f, sealed: sealed}
	if f.Params != "" {
		if v.request, err = in.openRequest(r, f); errors.Is(err, authorize.ErrPushedUnknown) {
			return nil, in.lost(r.Context(), authorize.ErrPushedUnknown, f, "") // only the app can push it again
		} else if err != nil {
			return nil, err // the client has changed since the flow began
		}
	}
	if f.Device != "" {
		if _, _, v.request, err = in.device(r.Context(), f.Device); err != nil {
			return nil, err
		}
	}
	v.who, err = in.who(r, v.request, f)
	return v, err
}

// pending returns the visit in the form that the dispatcher needs.
func (v *visit) pending() *pending { return &pending{v.request, v.flow, v.who} }

// visitPage is visit for GET requests.
func (in *Interaction) visitPage(w http.ResponseWriter, r *http.Request) (*visit, url.Values, error) {
	params, err := oauth.PageQuery(r)
	if err != nil {
		return nil, nil, err
	}
	v, err := in.visit(w, r, params)
	return v, params, err
}

// visitForm is visit for POST requests.
func (in *Interaction) visitForm(w http.ResponseWriter, r *http.Request) (*visit, url.Values, error) {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return nil, nil, err
	}
	v, err := in.visit(w, r, form)
	return v, form, err
}

// goOn sends the browser back to its dispatcher, or to the page of the account after a plain sign-in.
func (in *Interaction) goOn(w http.ResponseWriter, r *http.Request, v *visit) {
	http.Redirect(w, r, in.onward(v), http.StatusSeeOther)
}

// onward returns the URL at which a flow goes on.
func (in *Interaction) onward(v *visit) string {
	switch {
	case v.flow.Back != "":
		return in.Issuer.URL(v.flow.Back)
	case v.flow.UserCode != "":
		return in.pageURL("/device", in.seal(v.flow))
	case v.request != nil:
		return in.pageURL("/authorize", in.seal(v.flow))
	}
	return in.Issuer.URL("/account")
}

// pageURL returns the URL of a page, with a sealed flow if it is not empty.
func (in *Interaction) pageURL(path, sealed string) string {
	if sealed == "" {
		return in.Issuer.URL(path)
	}
	return in.Issuer.URL(path) + "?flow=" + url.QueryEscape(sealed)
}

// hidden returns the hidden fields of a form: the flow, and the user who is asked.
func (v *visit) hidden() map[string]string {
	fields := map[string]string{}
	if v.sealed != "" {
		fields["flow"] = v.sealed
	}
	if v.user != nil {
		fields["user"] = v.user.ID
	}
	if v.other {
		fields["other"] = "1"
	}
	return fields
}

// asked reports whether a form was shown to the user who is signed in now: another tab may have signed in
// somebody else.
func (v *visit) asked(form url.Values) bool { return v.user != nil && form.Get("user") == v.user.ID }

// uiLocales returns the languages of pages: those that the client prefers (OpenID Connect Core section 3.1.2.1), then
// that of the account.
func (v *visit) uiLocales() string {
	var wanted []string
	if v.request != nil {
		wanted = append(wanted, v.request.Params.Get("ui_locales"))
	}
	if v.user != nil {
		wanted = append(wanted, v.user.Profile.Locale)
	}
	return strings.TrimSpace(strings.Join(wanted, " "))
}

// client returns the app that waits for the sign-in, nil for a plain sign-in.
func (v *visit) client() *templates.Client {
	if v.request == nil {
		return nil
	}
	return v.request.ShownClient()
}
