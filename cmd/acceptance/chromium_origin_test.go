package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// otherApp is an app on a separate origin. Its only page is empty; a form that is posted to
// /callback arrives in posts.
type otherApp struct {
	*httptest.Server
	posts chan url.Values
}

func startOtherApp(t *testing.T) *otherApp {
	t.Helper()
	app := &otherApp{posts: make(chan url.Values, 1)}
	app.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			app.posts <- r.PostForm
		}
		fmt.Fprint(w, "<!doctype html><title>app</title><link rel=icon href=data:,><h1 id=app>An app</h1>")
	}))
	t.Cleanup(app.Close)
	return app
}

// An app on another origin calls every endpoint that is meant for it, reads the errors too, and
// can't reach the one that is not. Its authorization response may come as a form.
func TestAppOnAnotherOrigin(t *testing.T) {
	t.Parallel()
	app := startOtherApp(t)
	s, p := openPlayground(t, "signing: {alg: ES256}\nclients:\n  - {client_id: other, preset: spa, scope: openid, redirect_uris: ["+app.URL+"/callback]}\n")
	p.open(app.URL)
	for _, call := range []struct{ request, want string }{
		{"'/.well-known/openid-configuration'", "200"},
		{"'/.well-known/oauth-authorization-server'", "200"},
		{"'/jwks.json'", "200"},
		{"'/token', {method: 'POST', body: new URLSearchParams({grant_type: 'refresh_token', client_id: 'other', refresh_token: 'azr_no'})}", "400 invalid_grant"},
		{"'/token', {method: 'POST', body: new URLSearchParams({grant_type: 'client_credentials', client_id: 'other'})}", "400 unauthorized_client"},
		{"'/userinfo', {headers: {Authorization: 'Bearer x'}}", "401 invalid_token, challenged"},
		{"'/session', {headers: {Authorization: 'Bearer x'}}", "401 invalid_token, challenged"},
		{"'/revoke', {method: 'POST', body: new URLSearchParams({client_id: 'other', token: 'azr_no'})}", "200"},
		{"'/authorize?client_id=other'", "TypeError"}, // pages are for people
		{"'/login'", "TypeError"},
	} {
		got := eval[string](p.tab, fmt.Sprintf(`((path, options) => fetch('%s' + path, options).then(async (answer) => {
			const {error} = JSON.parse(await answer.text() || '{}');
			return [answer.status, error].join(' ').trim() + (answer.headers.has('WWW-Authenticate') ? ', challenged' : '');
		}).catch((error) => error.name))(%s)`, s.issuer, call.request))
		if got != call.want {
			t.Errorf("%s: %s, want %s", call.request, got, call.want)
		}
	}
	p.console.await(t, "/login' from origin") // the last complaint about CORS
	p.console.forget()

	p.open(s.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "response_mode": {"form_post"}, "client_id": {"other"}, "redirect_uri": {app.URL + "/callback"},
		"scope": {"openid"}, "state": {"a state"}, "code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	}.Encode())
	p.password(password)
	p.click("consent-allow")
	p.shows("app") // nobody pressed the button of the form
	got := <-app.posts
	if got.Get("code") == "" || got.Get("state") != "a state" || got.Get("iss") != s.issuer {
		t.Errorf("the app got %v", got)
	}
}
