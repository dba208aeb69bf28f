package acceptance

import (
	"bytes"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// Every page that Alice meets on her way, on a narrow screen, by day and by night: nothing sticks
// out at the side, and axe finds nothing against it.
func TestPagesOnNarrowScreens(t *testing.T) {
	_, p := openPlayground(t, "signing: {alg: ES256}\nconnectors: [{id: google, type: google, issuer: http://localhost:1, client_id: x, client_secret: x}]")
	axe := readAxe(t)
	p.do(chromedp.EmulateViewport(320, 640))
	p.inspect("playground-signed-out", axe)

	p.console.expect("400 /authorize")
	p.open(p.issuer + "/authorize?client_id=playground&redirect_uri=" + url.QueryEscape(p.issuer+"/playgrond"))
	p.until("document.querySelector('h1')?.textContent === 'Error 400: redirect_uri_mismatch'")
	p.inspect("error", axe)

	p.visit()
	p.click("sign-in")
	p.shows("connector-google")
	p.inspect("sign-in", axe)
	p.password("wrong")
	p.shows("problem")
	p.inspect("sign-in-problem", axe)
	p.password(password)
	p.shows("consent-allow")
	p.inspect("consent", axe)
	p.click("consent-allow")
	p.settles()
	p.console.expect("403 /playground/api/orders")
	p.act("place-order")
	p.inspect("playground", axe)
	p.open(p.issuer + "/account")
	p.shows("logout")
	p.inspect("account", axe)
}

// inspect looks at the page in light and dark mode, and takes pictures.
func (p playground) inspect(name, axe string) {
	p.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // no colours half way between two
		}))
		if wide := eval[int](p.tab, "document.scrollingElement.scrollWidth - innerWidth"); wide > 0 {
			p.t.Errorf("%s, %s: %d pixels stick out at the side", name, scheme, wide)
		}
		background := p.picture(name + "-" + scheme)
		if bright := background > 0x7f; bright != (scheme == "light") {
			p.t.Errorf("%s, %s: the background has brightness %d", name, scheme, background)
		}
		for _, violation := range p.violations(axe, scheme) {
			p.t.Errorf("%s, %s: %s", name, scheme, violation)
		}
	}
}

// picture keeps a screenshot, in the folder SCREENSHOTS if there is one. It returns the
// brightness of the bottom left corner, 0 to 255.
func (p playground) picture(name string) uint8 {
	p.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		folder = buildDir
	}
	var shot []byte
	p.do(chromedp.FullScreenshot(&shot, 100))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o644); err != nil {
		p.t.Fatal(err)
	}
	pixels, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatal(err)
	}
	r, g, b, _ := pixels.At(pixels.Bounds().Min.X, pixels.Bounds().Max.Y-1).RGBA()
	return uint8((r + g + b) / 3 >> 8)
}

func readAxe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("npm/node_modules/axe-core/axe.min.js")
	if os.IsNotExist(err) {
		missing(t, "the npm packages of cmd/acceptance/npm are not installed")
	} else if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// axeRules are those of WCAG 2.2 AA and good practice, of which the dark mode can change but one.
var axeRules = map[string]string{
	"light": "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']",
	"dark":  "['color-contrast']",
}

// violations are what axe finds, with the elements in question.
func (p playground) violations(axe, scheme string) []string {
	p.t.Helper()
	if !eval[bool](p.tab, "'axe' in window") {
		eval[any](p.tab, axe+";undefined")
	}
	return eval[[]string](p.tab, "axe.run({preload: false, runOnly: "+axeRules[scheme]+`}).then(({violations}) =>
		violations.map(({id, help, nodes}) => id + ': ' + help + ': ' + nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))`)
}

// With scripts turned off, Alice gets from an app's link through sign-in and consent to the code.
func TestSignInWithoutScripts(t *testing.T) {
	s, p := openPlayground(t, "signing: {alg: ES256}")
	p.do(emulation.SetScriptExecutionDisabled(true))
	verifier := oauth2.GenerateVerifier()
	redirectURI := s.issuer + "/playground"
	p.open(s.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"playground"}, "redirect_uri": {redirectURI}, "state": {"a state"},
		"scope": {"openid orders.read"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode())
	p.password("wrong")
	p.shows("problem")
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
	_, p := openPlayground(t, "signing: {alg: ES256}")
	eval[any](p.tab, `document.head.append(Object.assign(document.createElement('script'), {textContent: 'void 0'}));
		console.error('a complaint');
		setTimeout(() => { throw new Error('a mistake') })`)
	for _, want := range []string{"Content Security Policy", "a complaint", "a mistake"} {
		p.console.await(t, want)
	}
	p.console.forget()
}
