package acceptance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// The demo app on a narrow screen, by day and by night: nothing sticks out at the side, and axe finds nothing against it.
// Errors on the way to it say what they are. TestEveryPage looks at the pages of the server.
func TestPlaygroundOnNarrowScreens(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: ES256}\nregistration: {mode: open}\nconnectors: [{id: google, type: google, issuer: http://localhost:1, client_id: x, client_secret: x}]")
	axe := readAxe(t)
	p.do(chromedp.EmulateViewport(320, 640))
	p.inspect("playground-signed-out", axe)

	p.console.expect("400 /authorize")
	p.open(p.issuer + "/authorize?client_id=playground&redirect_uri=" + url.QueryEscape(p.issuer+"/playgrond"))
	p.until("document.getElementById('error-code')?.textContent === '400 redirect_uri_mismatch'")
	p.console.expect("400 /authorize")
	p.open(p.issuer + "/authorize?max_age=x&response_type=code&client_id=" + registerStranger(t, p.issuer))
	p.until("document.getElementById('back')?.innerText === 'Go on to stranger.example'")

	p.visit()
	p.click("sign-in")
	p.shows("connector-google")
	p.password("wrong")
	p.shows("problem")
	p.password(password)
	p.shows("consent-allow")
	p.click("consent-allow")
	p.settles()
	p.console.expect("403 /playground/api/orders")
	p.act("place-order")
	p.inspect("playground", axe)
	p.open(p.issuer + "/account")
	p.shows("logout")
}

// registerStranger registers a client that nobody vouches for, and returns its client_id.
func registerStranger(t *testing.T, issuer string) string {
	t.Helper()
	response, err := http.Post(issuer+"/register", "application/json", strings.NewReader(
		`{"client_name":"Orders","redirect_uris":["https://stranger.example/callback"],"token_endpoint_auth_method":"none","scope":"profile"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var registered struct {
		ClientID string `json:"client_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&registered); err != nil || registered.ClientID == "" {
		t.Fatalf("%d %v", response.StatusCode, err)
	}
	return registered.ClientID
}

// With scripts turned off, Alice gets from an app's link through sign-in and consent to the code, in the language that she
// chooses on the way.
func TestSignInWithoutScripts(t *testing.T) {
	t.Parallel()
	s, p := openPlayground(t, "signing: {alg: ES256}")
	p.do(emulation.SetScriptExecutionDisabled(true))
	verifier := oauth2.GenerateVerifier()
	redirectURI := s.issuer + "/playground"
	p.open(s.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"playground"}, "redirect_uri": {redirectURI}, "state": {"a state"},
		"scope": {"openid orders.read"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode())
	p.do(chromedp.SetValue("language", "fr", chromedp.ByID))
	p.click("language-submit")
	p.until("document.documentElement.lang === 'fr'")
	p.password("wrong")
	p.shows("problem")
	p.until("document.documentElement.lang === 'fr'")
	p.password(password)
	p.click("consent-allow")
	p.until("location.pathname === '/playground' && document.body.innerText.includes('it needs JavaScript')")

	landed, err := url.Parse(eval[string](p.tab, "location.href"))
	if err != nil {
		t.Fatal(err)
	}
	must(t)(s.token(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"playground"}, "redirect_uri": {redirectURI},
		"code": {landed.Query().Get("code")}, "code_verifier": {verifier},
	}))
}

// The tests of this package would notice a violation of a policy, and a script that fails.
func TestConsoleIsHeard(t *testing.T) {
	t.Parallel()
	_, p := openPlayground(t, "signing: {alg: ES256}")
	eval[any](p.tab, `document.head.append(Object.assign(document.createElement('script'), {textContent: 'void 0'}));
		console.error('a complaint');
		setTimeout(() => { throw new Error('a mistake') })`)
	for _, want := range []string{"Content Security Policy", "a complaint", "a mistake"} {
		p.console.await(t, want)
	}
	p.console.forget()
}
