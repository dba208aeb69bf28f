package acceptance

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tv is a device without a browser, and without a secret.
const tv = `
  - client_id: tv
    client_name: TV in the living room
    token_endpoint_auth_method: none
    grant_types: ["` + deviceGrant + `", refresh_token]
    scope: openid profile offline_access orders.read
    resources: [` + apiResource + `]
`

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

func TestDeviceByOpenIDClient(t *testing.T) {
	t.Parallel()
	s := startServerWith(t, tv, "")
	party{"device.mjs", url.Values{"CLIENT_ID": {"tv"}}}.run(t, s, newBrowser(t, s))
}

// deviceCodes is what a device is told to show, and to poll with.
type deviceCodes struct {
	Device   string `json:"device_code"`
	User     string `json:"user_code"`
	URI      string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
}

func (s *server) device(t *testing.T) deviceCodes {
	t.Helper()
	resp, err := tokenClient.PostForm(s.issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid profile offline_access orders.read"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var codes deviceCodes
	if err := json.NewDecoder(resp.Body).Decode(&codes); err != nil || codes.Device == "" {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return codes
}

// Alice types the code of her TV into her phone.
func TestDeviceInChromium(t *testing.T) {
	t.Parallel()
	s, b := startServerWith(t, tv, ""), openChromium(t)
	first := s.device(t)
	b.do(chromedp.EmulateViewport(320, 640))
	b.open(first.URI)
	b.fill("user_code", "bbbb bbbb")
	b.leave("device-submit")
	b.fill("username", "alice")
	b.fill("password", password)
	b.leave("login-submit")
	b.shows("problem")
	if got := eval[string](b, "document.getElementById('user_code').value"); got != "bbbb bbbb" {
		t.Errorf("the code is now %q", got)
	}
	b.fill("user_code", first.User)
	b.leave("device-submit")
	if got := b.text("shown-code"); got != first.User {
		t.Errorf("the page shows %q, the device %q", got, first.User)
	}
	b.leave("consent-allow")
	b.until("document.querySelector('h1').textContent === 'Your device is connected'")
	tokens := must(t)(s.token(url.Values{"grant_type": {deviceGrant}, "client_id": {"tv"}, "device_code": {first.Device}}))
	if tokens.RefreshToken == "" {
		t.Errorf("no refresh token: %+v", tokens)
	}

	b.open(s.device(t).Complete)
	b.leave("consent-deny")
	b.until("document.querySelector('h1').textContent === 'Your device isn’t connected'")
}

// With scripts turned off, and a link for a code.
func TestDeviceWithoutScripts(t *testing.T) {
	t.Parallel()
	s, b := startServerWith(t, tv, ""), openChromium(t)
	codes := s.device(t)
	b.do(emulation.SetScriptExecutionDisabled(true))
	b.open(codes.Complete)
	b.fill("username", "alice")
	b.fill("password", password)
	b.leave("login-submit")
	b.leave("consent-allow")
	b.until("document.querySelector('h1').textContent === 'Your device is connected'")
	must(t)(s.token(url.Values{"grant_type": {deviceGrant}, "client_id": {"tv"}, "device_code": {codes.Device}}))
}
