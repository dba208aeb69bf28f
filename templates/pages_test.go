package templates

import (
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

func TestSelectAccount(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["select account"])
	element(t, d.id("account-continue"), "Continue as A Alice Liddell alice", "name", "account", "value", "continue")
	element(t, d.id("account-other"), "+ Use another account", "name", "account", "value", "other")
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

func TestLogout(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["logout"])
	element(t, d.id("logout-confirm"), "Sign out", "type", "submit")
	element(t, d.id("logout-cancel"), "Stay signed in", "href", "/account")

	d = draw(t, r, "en", pages["logged out"])
	if got := d.heading(); got != "You are logged out" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("back"), "Back to Orders", "href", "com.example.app:/signed-out")
	if draw(t, r, "en", LoggedOut{}).has("back") {
		t.Error("a way back to nowhere")
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
		if got := d.heading(); got != "Error 400: redirect_uri_mismatch" {
			t.Errorf("%s: heading %q", name, got)
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

// TestAccessible checks what every page owes to those who can't see or can't point, in every
// language.
func TestAccessible(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		for _, lang := range languages {
			t.Run(name+" "+lang, func(t *testing.T) {
				accessible(t, draw(t, r, lang, page), lang)
			})
		}
	}
}

func accessible(t *testing.T, d document, lang string) {
	if got := attr(d.all("html")[0], "lang"); got != lang {
		t.Errorf("lang=%q", got)
	}
	if title := text(d.all("title")[0]); !strings.HasPrefix(title, d.heading()) {
		t.Errorf("title %q does not begin with the heading %q", title, d.heading())
	}
	ids, labels := map[string]bool{}, map[string]string{}
	for _, n := range d.all() {
		if id := attr(n, "id"); id != "" && ids[id] {
			t.Errorf("id %q twice", id)
		} else if id != "" {
			ids[id] = true
		}
		if n.Data == "label" {
			labels[attr(n, "for")] = text(n)
		}
	}
	for _, n := range d.all() {
		for _, ref := range []string{attr(n, "aria-describedby"), attr(n, "aria-labelledby"), attr(n, "for")} {
			if ref != "" && !ids[ref] {
				t.Errorf("%s refers to %q, which is not there", n.Data, ref)
			}
		}
		switch n.Data {
		case "input":
			if attr(n, "type") != "hidden" && labels[attr(n, "id")] == "" {
				t.Errorf("input %q has no label", attr(n, "name"))
			}
		case "button", "a":
			if text(n) == "" || n.Data == "button" && attr(n, "type") != "submit" || n.Data == "a" && attr(n, "href") == "" {
				t.Errorf("%s %q has no text, type or target", n.Data, attr(n, "id"))
			}
		case "img":
			if !has(n, "alt") {
				t.Errorf("image %q has no alt", attr(n, "src"))
			}
		case "form":
			if attr(n, "method") != "post" || attr(n, "action") == "" {
				t.Errorf("form posts nowhere: %v", n.Attr)
			}
		}
	}
}

// TestFormsCarryHidden: no form loses the flow that it belongs to.
func TestFormsCarryHidden(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		d := draw(t, r, "en", page)
		if strings.HasPrefix(name, "form post") {
			continue
		}
		forms, flows := len(d.all("form")), 0
		for _, n := range d.all("input") {
			if attr(n, "name") == "flow" && attr(n, "value") == "f1" {
				flows++
			}
		}
		if forms != flows {
			t.Errorf("%s: %d forms, %d of them with the hidden field", name, forms, flows)
		}
	}
}
