package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
)

// oidcClientPage is an app made of oidc-client-ts. Its settings come with the first address that is
// opened; /callback ends a sign-in, /silent ends one in a hidden frame.
const oidcClientPage = `<!doctype html><title>app</title><link rel=icon href=data:,>
<script src=/oidc-client-ts.min.js></script>
<h1 id=app>An app</h1>
<button id=sign-in onclick="manager.signinRedirect()">Sign in</button>
<button id=sign-out onclick="manager.signoutRedirect()">Sign out</button>
<script>
const settings = JSON.parse(sessionStorage.settings ??= JSON.stringify(Object.fromEntries(new URLSearchParams(location.search))))
const manager = new oidc.UserManager({
  authority: settings.issuer,
  client_id: settings.client,
  redirect_uri: location.origin + '/callback',
  silent_redirect_uri: location.origin + '/silent',
  post_logout_redirect_uri: location.origin + '/',
  scope: 'openid profile',
  loadUserInfo: !settings.dpop, // it would send the bound token without a proof
  automaticSilentRenew: false,
  dpop: settings.dpop ? {store: new oidc.IndexedDbDPoPStore(), bind_authorization_code: true} : undefined,
})
const ends = {'/silent': () => manager.signinSilentCallback(), '/callback': () => manager.signinCallback()}[location.pathname]
const signedIn = ends?.().then((user) => user && Object.assign({}, user, {name: user.profile.name}), String)
</script>`

// startOIDCClientApp serves the page on a separate origin of the issuer's site: otherwise no
// browser would send the session's cookie from the frame. It returns the origin.
func startOIDCClientApp(t *testing.T) string {
	t.Helper()
	const library = "npm/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
	if _, err := os.Stat(library); err != nil {
		missing(t, "the npm packages of cmd/acceptance/npm are not installed")
	}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oidc-client-ts.min.js" {
			http.ServeFile(w, r, library)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, oidcClientPage)
	}))
	t.Cleanup(app.Close)
	return localhost(strings.TrimPrefix(app.URL, "http://"))
}

// oidcClient is a client of the page without refresh tokens, so that it renews in a frame.
func oidcClient(id, origin string) string {
	return fmt.Sprintf("{client_id: %s, preset: spa, first_party: true, id_token_claims: true, grant_types: [authorization_code], scope: openid profile, redirect_uris: [%[2]s/callback, %[2]s/silent], post_logout_redirect_uris: [%[2]s/]}", id, origin)
}

// A single-page app on another origin, with the library that most of them use: sign-in with
// userinfo, silent renewal in a hidden frame (prompt=none), and sign-out, after which the silent
// renewal is told login_required. The same again with every token bound to a DPoP key.
func TestOIDCClientTS(t *testing.T) {
	t.Parallel()
	app := startOIDCClientApp(t)
	s := startDev(t, fmt.Sprintf("signing: {alg: ES256}\nclients: [%s, %s]\n", oidcClient("ts", app), oidcClient("ts-dpop", app)))
	for _, as := range []struct{ client, dpop, tokenType string }{{"ts", "", "Bearer"}, {"ts-dpop", "1", "DPoP"}} {
		t.Run(as.client, func(t *testing.T) {
			b := openChromium(t)
			b.open(app + "/?" + url.Values{"issuer": {s.issuer}, "client": {as.client}, "dpop": {as.dpop}}.Encode())
			b.leave("sign-in")
			b.password(password)
			b.shows("app")

			type user struct {
				Name      string `json:"name"`
				TokenType string `json:"token_type"`
				Token     string `json:"access_token"`
			}
			first := eval[user](b, "signedIn")
			if first.Name != "Alice Liddell" || first.TokenType != as.tokenType || first.Token == "" {
				t.Fatalf("signed in as %+v", first)
			}
			renewed := eval[user](b, "manager.signinSilent().then((user) => Object.assign({}, user, {name: user.profile.name}))")
			if renewed.Name != first.Name || renewed.TokenType != as.tokenType || renewed.Token == first.Token {
				t.Errorf("renewed as %+v", renewed)
			}
			for scheme, want := range map[string]int{"Bearer": http.StatusOK, "DPoP": http.StatusUnauthorized} {
				if as.dpop != "" {
					want = http.StatusUnauthorized // a copied token is worth nothing without its key
				}
				got := eval[int](b, fmt.Sprintf(`fetch(%q, {headers: {Authorization: '%s ' + %q}}).then((answer) => answer.status)`,
					s.issuer+"/userinfo", scheme, renewed.Token))
				if got != want {
					t.Errorf("userinfo by %s: %d, want %d", scheme, got, want)
				}
			}
			b.leave("sign-out")
			b.shows("app")
			if got := eval[string](b, "manager.signinSilent().then(() => 'renewed', (e) => e.error)"); got != "login_required" {
				t.Errorf("silent renewal after the sign-out: %s", got)
			}
			b.console.forget() // the answers of 401 above
		})
	}
}
