package bff

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/weburl"
)

// login begins a sign-in: GET /bff/login?return_to=/path. It also takes prompt, acr_values, max_age and login_hint
// (OpenID Connect Core section 3.1.2.1). The browser must navigate there; a script cannot follow to the provider.
func (f *frontend) login(w http.ResponseWriter, r *http.Request) error {
	params, err := loginParams(r)
	if err != nil {
		return err
	}
	if err := websession.CheckCookies(r); err != nil {
		return err
	}
	returnTo := params.Get("return_to")
	if returnTo == "" {
		returnTo = f.path + "/"
	}
	if !f.mayReturnTo(returnTo) {
		return refuse(http.StatusBadRequest, "invalid_return_to", "the link to this sign-in must say by return_to where in this app it leads, such as "+f.path+"/orders?page=2")
	}
	resources := f.resources()
	ask := provider.Ask{
		Scope: f.scope(), Resources: resources,
		Prompt: params.Get("prompt"), ACRValues: params.Get("acr_values"), MaxAge: params.Get("max_age"), LoginHint: params.Get("login_hint"),
	}
	state, id := f.logins.newState(returnTo)
	attempt := provider.NewAttempt(state, f.callbackURL(), first(resources))
	target, err := f.client.Begin(r.Context(), attempt, ask)
	if err != nil {
		e := unavailable(err)
		e.again = f.again(returnTo)
		return e
	}
	ask.LoginHint = ""
	tx := transaction{Attempt: attempt, Ask: ask, ReturnTo: returnTo}
	if f.sessions.Sealed() {
		if older, err := f.sessions.Find(r); err == nil {
			tx.Older, tx.Leftover = older.ID, f.sessions.Leftover(older)
		}
	}
	f.logins.set(w, r, id, tx)
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

const (
	maxParam  = 500  // bytes of a parameter of the sign-in
	maxTarget = 2048 // bytes of a deep link: it goes into a cookie
)

// loginParams reads the query. No parameter comes twice, and none is so long that cookies or URLs would break.
func loginParams(r *http.Request) (url.Values, error) {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "send the browser here by a navigation, such as location.assign; a script cannot sign in")
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the query cannot be read")
	}
	for _, name := range []string{"return_to", "prompt", "acr_values", "max_age", "login_hint"} {
		limit := maxParam
		if name == "return_to" {
			limit = maxTarget
		}
		if len(params[name]) > 1 || len(params.Get(name)) > limit {
			return nil, refuse(http.StatusBadRequest, "invalid_request", name+" is there twice, or too long")
		}
	}
	if prompt := params.Get("prompt"); prompt != "" && !slices.Contains([]string{"none", "login", "consent", "select_account", "create"}, prompt) {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "prompt is none, login, consent, select_account or create")
	}
	if age := params.Get("max_age"); age != "" {
		if seconds, err := strconv.Atoi(age); err != nil || seconds < 0 || seconds > int(365*24*time.Hour/time.Second) {
			return nil, refuse(http.StatusBadRequest, "invalid_request", "max_age is a number of seconds")
		}
	}
	return params, nil
}

// mayReturnTo reports whether a deep link leads to this frontend, in every browser.
func (f *frontend) mayReturnTo(target string) bool {
	if !weburl.IsLocalTarget(target) {
		return false
	}
	path, _, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	below, ok := strings.CutPrefix(path, f.path)
	return ok && strings.HasPrefix(below, "/") && !strings.HasPrefix(below, "/bff/")
}

func (f *frontend) scope() string {
	scopes := strings.Fields(f.Scope)
	if len(scopes) == 0 {
		scopes = []string{"profile"}
	}
	if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	return strings.Join(scopes, " ")
}

// resources are those of all routes that need a token of the user.
func (f *frontend) resources() []string {
	var all []string
	for _, route := range f.Routes {
		if route.Resource != "" && route.Token != relay.TokenNone && route.Token != relay.TokenClient && !slices.Contains(all, route.Resource) {
			all = append(all, route.Resource)
		}
	}
	return all
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (f *frontend) callbackURL() string { return f.origin + f.path + "/bff/callback" }

// again is the path of a new sign-in with the same deep link.
func (f *frontend) again(returnTo string) string {
	if returnTo == "" {
		return f.path + "/bff/login"
	}
	return f.path + "/bff/login?" + url.Values{"return_to": {returnTo}}.Encode()
}

// needsSession reports whether a target itself wants the session's cookie: then the browser must come from a page of
// this site, or it does not send a Strict cookie.
func (f *frontend) needsSession(target string) bool {
	if f.Lax {
		return false
	}
	path, _, _ := strings.Cut(target, "?")
	path = strings.TrimPrefix(path, f.path)
	return f.AppNeedsSession || slices.ContainsFunc(f.Routes, func(r relay.Route) bool { return strings.HasPrefix(path, r.Path) })
}
