package templates

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestSignIn(t *testing.T) {
	r := newRenderer(t, Branding{})
	pages := everyPage()

	d := draw(t, r, "en", pages["sign in"])
	if got := d.heading(); got != "Sign in" {
		t.Errorf("heading %q", got)
	}
	if want := "to continue to Orders · app.example.com"; !strings.Contains(text(d.root), want) {
		t.Errorf("page does not say %q", want)
	}
	element(t, d.id("username"), "", "name", "username", "autocomplete", "username webauthn", "type", "text", "value", "")
	element(t, d.id("password"), "", "name", "password", "autocomplete", "current-password", "type", "password")
	element(t, d.id("remember-me"), "", "name", "remember-me", "type", "checkbox")
	element(t, d.id("login-submit"), "Sign in", "type", "submit")
	element(t, d.id("login-cancel"), "Back to Orders", "type", "submit", "name", "decision", "value", "cancel")
	element(t, d.id("connector-google"), "Continue with Google", "href", "/login/google")
	element(t, d.id("connector-corp"), "Continue with Corp", "href", "/login/corp")
	if has(d.id("remember-me"), "checked") || !has(d.id("username"), "autofocus") || d.has("problem") {
		t.Error("a fresh page has nothing ticked, the caret in the username and no problem")
	}

	d = draw(t, r, "en", pages["sign in, failed"])
	element(t, d.id("problem"), "That username or password isn’t right.", "role", "alert")
	element(t, d.id("username"), "", "value", "alice", "aria-describedby", "problem", "aria-invalid", "true")
	element(t, d.id("password"), "", "value", "", "aria-describedby", "problem", "aria-invalid", "true")
	if !has(d.id("remember-me"), "checked") || !has(d.id("password"), "autofocus") || has(d.id("username"), "autofocus") {
		t.Error("after a failure the tick stays and the caret is in the password")
	}

	d = draw(t, r, "en", pages["sign in upstream"])
	if d.has("username") || d.has("password") || len(d.all("form")) != 0 {
		t.Error("there is a password form where passwords are off")
	}
	if text(d.id("problem")) == "" {
		t.Error("the upstream problem is not told")
	}

	d = draw(t, r, "en", SignIn{Password: true, Username: "alice", Problem: TooManyAttempts})
	if has(d.id("username"), "aria-invalid") || attr(d.id("username"), "aria-describedby") != "problem" {
		t.Error("a lock-out describes the fields, but does not call them invalid")
	}
}

func TestSignInAgain(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["sign in again"])
	element(t, d.id("other-account"), "Not you?", "href", "/login?other")
	element(t, d.id("username"), "", "value", "alice", "autocomplete", "username webauthn")
	if !has(d.id("username"), "readonly") || !has(d.id("password"), "autofocus") {
		t.Error("the known username can be changed, or the caret is not in the password")
	}
	if !strings.Contains(text(d.root), "Alice Liddell") {
		t.Error("the page does not say who must sign in")
	}
}

func TestSignInReason(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	element(t, draw(t, r, "en", pages["sign in again"]).id("reason"), "Please confirm it’s you to continue.")
	element(t, draw(t, r, "en", pages["sign in, step up"]).id("reason"), "This app needs you to sign in in another way.")
	element(t, draw(t, r, "en", SignIn{Reason: FreshLogin}).id("reason"), "This app needs you to sign in again.")
	if draw(t, r, "en", pages["sign in"]).has("reason") {
		t.Error("a first login needs no reason")
	}
}

func TestSelectAccount(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["select account"])
	element(t, d.id("account-continue"), "Continue as A Alice Liddell alice", "name", "account", "value", "continue")
	element(t, d.id("account-other"), "+ Use another account", "name", "account", "value", "other")
}

// TestLink: both accounts are named, and to refuse is as easy as to link.
func TestLink(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["link"])
	for id, wants := range map[string][]string{
		"link-identity": {"Alice at Corp", "alice@example.com", "alice.l"},
		"link-account":  {"Alice Liddell", "alice"},
	} {
		for _, want := range wants {
			if got := text(d.id(id)); !strings.Contains(got, want) {
				t.Errorf("%s is %q, without %q", id, got, want)
			}
		}
	}
	confirm, cancel := d.id("link-confirm"), d.id("link-cancel")
	element(t, confirm, "Link them", "name", "decision", "value", "confirm", "type", "submit")
	element(t, cancel, "Don’t link", "name", "decision", "value", "cancel", "type", "submit")
	if attr(confirm, "class") != attr(cancel, "class") {
		t.Error("they look different")
	}
}

func TestConsent(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["consent"])
	if got, want := d.heading(), "Allow Orders to access your account?"; got != want {
		t.Errorf("heading %q, want %q", got, want)
	}
	page := text(d.root)
	for _, want := range []string{
		"You will be sent back to app.example.com.", "Signed in as A Alice Liddell alice Not you?",
		"Know who you are", "Keep this access while you’re away", "Use Orders API orders.read",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q", want)
		}
	}
	allow, deny := d.id("consent-allow"), d.id("consent-deny")
	element(t, allow, "Allow", "name", "decision", "value", "allow", "type", "submit")
	element(t, deny, "Deny", "name", "decision", "value", "deny", "type", "submit")
	if attr(allow, "class") != attr(deny, "class") {
		t.Error("Allow and Deny look different")
	}
	element(t, d.id("client-policy"), "Privacy policy", "href", someClient.PolicyURI)
	element(t, d.id("client-tos"), "Terms of service", "href", someClient.TosURI)
	if !strings.Contains(d.policy, "img-src 'self' https://cdn.example.com;") {
		t.Errorf("the policy does not let the client's logo in: %s", d.policy)
	}
}

func TestConsentDetails(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["consent, details"])
	page := text(d.root)
	for _, want := range []string{
		"It also asks you to approve Payment For Bank API Amount EUR 123.50 Creditor Merchant A Berlin",
		strings.Repeat("ab", MaxDetailValue/2) + " 100 more characters", "account_information",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	if strings.Contains(page, "This app asks to") || strings.Contains(page, strings.Repeat("ab", MaxDetailValue/2+1)) {
		t.Errorf("a heading without scopes, or a value without bounds: %q", page)
	}
}

// TestConsentDestination: 127.0.0.1 and a scheme mean nothing to most people.
func TestConsentDestination(t *testing.T) {
	r := newRenderer(t, Branding{})
	for redirectURI, want := range map[string]string{
		"https://app.example.com/cb":  "You will be sent back to app.example.com.",
		"http://127.0.0.1:4711/cb":    "You will be sent back to an app on this device: 127.0.0.1:4711.",
		"com.example.phone:/callback": "You will be sent back to an app on this device: com.example.phone.",
	} {
		page := text(draw(t, r, "en", Consent{Client: Client{Name: "Orders", RedirectURI: redirectURI}}).root)
		if !strings.Contains(page, want) {
			t.Errorf("%s: %q does not say %q", redirectURI, page, want)
		}
	}
}

// TestUnknownClient: apps that registered themselves look different from the apps that the operator knows,
// with any name and logo.
func TestUnknownClient(t *testing.T) {
	r, pages := newRenderer(t, Branding{Name: "Acme"}), everyPage()
	for _, name := range []string{"consent, unknown client", "device, unknown client"} {
		d := draw(t, r, "en", pages[name])
		element(t, d.id("unknown-client"), "Acme doesn’t know this app. It says that its name is Orders. It is published by apps.example.org. It runs on this device: go on only if you have just started it yourself.")
		if !strings.Contains(d.source, unknownClient.LogoURI) {
			t.Errorf("%s: the logo is missing", name)
		}
	}
	d := draw(t, r, "en", DeviceConfirm{Client: Client{Name: "Orders", Unknown: true}})
	element(t, d.id("unknown-client"), "Acme doesn’t know this app, and nobody vouches for it. It says that its name is Orders.")
	d = draw(t, r, "en", DeviceConfirm{Client: Client{Name: "8sXk2", Nameless: true, Unknown: true}})
	element(t, d.id("unknown-client"), "Acme doesn’t know this app, and nobody vouches for it. It doesn’t say what it’s called.")
	for _, name := range []string{"consent", "device"} {
		if d := draw(t, r, "en", pages[name]); d.has("unknown-client") || !strings.Contains(d.source, someClient.LogoURI) {
			t.Errorf("%s: a known app is called unknown, or its logo is missing", name)
		}
	}
}

func TestDevice(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["device code"])
	if got := d.heading(); got != "Connect a device" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("user_code"), "", "name", "user_code", "type", "text", "autocomplete", "off", "autocapitalize", "characters",
		"value", "", "aria-describedby", "user_code-hint")
	element(t, d.id("device-submit"), "Continue", "type", "submit")
	if !has(d.id("user_code"), "autofocus") || d.has("problem") {
		t.Error("a fresh page has the caret in the code and no problem")
	}

	d = draw(t, r, "en", pages["device code, failed"])
	element(t, d.id("problem"), "That code isn’t right. Check it on your device and try again.", "role", "alert")
	element(t, d.id("user_code"), "", "value", "wdjb mjht", "aria-describedby", "user_code-hint problem", "aria-invalid", "true")
	d = draw(t, r, "en", DeviceCode{Problem: TooManyAttempts})
	if has(d.id("user_code"), "aria-invalid") {
		t.Error("a lock-out calls the code invalid")
	}

	d = draw(t, r, "en", pages["device"])
	if got := d.heading(); got != "Allow Orders on your device?" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("shown-code"), "WDJB-MJHT")
	allow, deny := d.id("consent-allow"), d.id("consent-deny")
	element(t, allow, "Allow", "name", "decision", "value", "allow", "type", "submit")
	element(t, deny, "Deny", "name", "decision", "value", "deny", "type", "submit")
	element(t, d.id("other-account"), "Not you?", "href", "/login?other")
	page := text(d.root)
	for _, want := range []string{
		"Only continue if you started this on a device that you hold.", "Know who you are", "Use Orders API orders.read", "Payment For Bank API",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q", want)
		}
	}
	if attr(allow, "class") != attr(deny, "class") || strings.Contains(page, "app.example.com") {
		t.Error("Allow and Deny look different, or the page leads to a redirect URI")
	}

	for name, want := range map[string]string{
		"device, allowed": "Your device is connected Go back to your device: Orders will continue there in a moment.",
		"device, denied":  "Access denied Orders won’t get access to your account.",
	} {
		if got := text(draw(t, r, "en", pages[name]).all("main")[0]); !strings.HasPrefix(got, want) {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
}

func TestLogout(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["logout"])
	element(t, d.id("logout-confirm"), "Sign out", "type", "submit")
	element(t, d.id("logout-cancel"), "Stay signed in", "href", "/account")

	d = draw(t, r, "en", pages["logged out"])
	if got := d.heading(); got != "You’re signed out" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("back"), "Back to Orders", "href", "com.example.app:/signed-out")
	if draw(t, r, "en", LoggedOut{}).has("back") {
		t.Error("a way back to nowhere")
	}
}

func TestLogoutFrames(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["logged out, frames"])
	var frames []string
	for _, n := range d.all("iframe") {
		frames = append(frames, attr(n, "src"))
	}
	if want := pages["logged out, frames"].(LoggedOut).Frames; !slices.Equal(frames, want) {
		t.Errorf("frames %q, want %q", frames, want)
	}
	element(t, d.id("back"), "Back to Orders", "href", "https://app.example.com/bye?state=s&x=y")
	if want := `<noscript><meta http-equiv="refresh" content="5; url=https://app.example.com/bye?state=s&amp;x=y"></noscript>`; !strings.Contains(d.source, want) {
		t.Errorf("the page does not return without a script: %s", d.source)
	}

	for name, page := range map[string]LoggedOut{
		"nowhere to go":    {Return: true, Frames: []string{"https://app.example.com/"}},
		"a script":         {Return: true, Client: &someClient, BackURL: "javascript:alert(1)"},
		"not asked to":     {Client: &someClient, BackURL: "https://app.example.com/"},
		"a foreign scheme": {Frames: []string{"http://app.example.com/", "data:text/html,x", "/authorize", "https://u@app.example.com/", "https://a;b/"}},
	} {
		d := draw(t, r, "en", page)
		if strings.Contains(d.source, "refresh") || strings.Contains(d.policy, "script-src") || len(d.all("script")) != 0 {
			t.Errorf("%s: the page leaves by itself", name)
		}
		if got := len(d.all("iframe")); got > 0 != strings.Contains(d.policy, "frame-src") || name == "a foreign scheme" && got != 0 {
			t.Errorf("%s: %d frames, policy %s", name, got, d.policy)
		}
	}
}

func TestAccountSessions(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["account"])
	page := text(d.root)
	for _, want := range []string{
		"Where you’re signed in Since 4 March 2026, 15:04 UTC this browser Last active 4 March 2026, 16:04 UTC Since",
		"Sign out everywhere This signs you out of every browser",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	element(t, d.id("sign-out-everywhere"), "Sign out everywhere", "name", "sign-out-everywhere", "value", "yes", "type", "submit")
	if n := d.id("sign-out-everywhere").Parent.Parent; n.Data != "details" || has(n, "open") {
		t.Error("the page signs out everywhere without asking first")
	}
	element(t, d.id("open-spa"), "Open Orders", "href", "https://app.example.com/login?iss=i")
	if d.has("open-cli") {
		t.Error("an app is opened by a script")
	}
	if d := draw(t, r, "en", Account{User: alice, SignedInAt: someTime}); d.has("sign-out-everywhere") {
		t.Error("signing out everywhere is offered without sessions")
	}
}

func TestAccount(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["account"])
	element(t, d.id("revoke-spa"), "Remove Orders", "name", "revoke", "value", "spa")
	element(t, d.id("logout"), "Sign out", "type", "submit")
	page := text(d.root)
	for _, want := range []string{
		"Signed in with Google", "4 March 2026, 15:04 UTC", "Email alice@example.com verified",
		"shoe_size 37", "Use Orders API orders.read",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	page = text(draw(t, r, "en", Account{User: alice, SignedInAt: someTime}).root)
	if !strings.Contains(page, "Signed in with Password") || !strings.Contains(page, "No apps have access to your account.") {
		t.Errorf("an account without apps reads %q", page)
	}
}

func TestError(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	for name, want := range map[string][]string{
		"error": {"isn’t registered for it", "Back to Orders", "Request ID r-1"},
		"error, explained": {"It is not registered.", "redirect_uri https://app.example.com/calback", "http://localhost/",
			"https://app.example.com/callback nearest match", "authzd client update spa", "Request ID r-1"},
	} {
		d := draw(t, r, "en", pages[name])
		if got := d.heading(); got != "Sorry, that didn’t work" {
			t.Errorf("%s: heading %q", name, got)
		}
		if got := text(d.id("error-code")); got != "400 redirect_uri_mismatch" {
			t.Errorf("%s: error code %q", name, got)
		}
		for _, s := range want {
			if !strings.Contains(text(d.root), s) {
				t.Errorf("%s: page does not say %q", name, s)
			}
		}
	}
	marks := draw(t, r, "en", pages["error, explained"]).all("mark")
	if len(marks) != 1 || text(marks[0]) != "l" {
		t.Errorf("the missing letter is not marked: %d marks", len(marks))
	}
	for code, want := range map[string]string{"made_up": "couldn’t be completed", "server_error": "our side"} {
		if got := text(draw(t, r, "en", Error{Code: code}).root); !strings.Contains(got, want) {
			t.Errorf("error %s reads %q", code, got)
		}
	}
}

// A page whose link brings an answer to a client says where the link leads, in place of the name that the
// client gave itself.
func TestErrorAnswer(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["error, unknown client"])
	element(t, d.id("back"), "Go on to app.example.net", "href", "https://app.example.net/cb?error=invalid_scope&state=s")
	d.id("unknown-client")
	if got := text(d.id("leads-to")); !strings.Contains(got, "leads to app.example.net.") {
		t.Errorf("the page says %q", got)
	}
	d = draw(t, r, "en", pages["error, to be posted"])
	element(t, d.id("back"), "Go on to app.example.net", "type", "submit")
	if forms := d.all("form"); len(forms) != 1 || attr(forms[0], "action") != "com.example.app:/cb" || len(d.all("script")) != 0 {
		t.Errorf("%s", d.source)
	}
	element(t, draw(t, r, "en", pages["logged out, unknown client"]).id("back"), "Go on to app.example.net", "href", "https://app.example.net/bye")
	for name, page := range map[string]Error{
		"a script":  {Client: &stranger, Answer: &Answer{URL: "javascript:alert(1)"}},
		"no client": {Answer: &Answer{URL: "https://app.example.net/cb"}},
	} {
		if err := r.Render(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), 400, page); err == nil {
			t.Errorf("%s: the page is drawn", name)
		}
	}
	if got := text(draw(t, r, "en", pages["error, no redirect_uri"]).root); !strings.Contains(got, "redirect_uri is missing") {
		t.Errorf("the page says %q", got)
	}
}

// Each page says the id under which the log has its request.
func TestRequestID(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		for _, lang := range languages {
			if got := text(draw(t, r, lang, page).id("request-id")); got != "r-1" {
				t.Errorf("%s: request id %q", name, got)
			}
		}
	}
	w := httptest.NewRecorder()
	if err := r.Render(w, httptest.NewRequest("GET", "/", nil), 200, Home{}); err != nil || strings.Contains(w.Body.String(), "request-id") {
		t.Errorf("without a request id: %v %s", err, w.Body)
	}
}

// The sign-in page names the client as the consent page does: logo, policy, terms, and who vouches for it.
func TestSignInShowsClient(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["sign in"])
	element(t, d.id("client-policy"), "Privacy policy", "href", someClient.PolicyURI)
	element(t, d.id("client-tos"), "Terms of service", "href", someClient.TosURI)
	if !strings.Contains(d.source, someClient.LogoURI) || !strings.Contains(d.policy, foreignOrigin(someClient.LogoURI)) || d.has("unknown-client") {
		t.Errorf("%s", d.source)
	}
	draw(t, r, "en", pages["sign in, unknown client"]).id("unknown-client")
	if d := draw(t, r, "en", SignIn{Password: true}); d.has("client-policy") {
		t.Error("a policy of nobody")
	}
}

func TestHome(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["home"])
	if got := d.heading(); got != "The authorization server is running" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("issuer"), "https://id.example.com")
	element(t, d.id("home-sign-in"), "Sign in", "href", "/login")
	element(t, d.id("home-playground"), "Playground", "href", "/playground")
	element(t, d.id("home-discovery"), "Discovery document", "href", "/.well-known/openid-configuration")

	d = draw(t, r, "en", pages["home, signed in"])
	element(t, d.id("home-account"), "Your account", "href", "/account")
	if d.has("home-sign-in") || d.has("home-playground") || d.has("home-discovery") {
		t.Error("links that were not asked for")
	}
}
