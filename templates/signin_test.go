package templates

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestSignIn(t *testing.T) {
	r := newRenderer(t, Branding{})
	pages := everyPage()

	d := draw(t, r, "en", pages["sign in"])
	if got := d.heading(); got != "Sign in" {
		t.Errorf("heading %q", got)
	}
	if want := "id.example.com You’re here Orders app.example.com"; text(d.class("way")[0]) != want {
		t.Errorf("the way is %q, want %q", text(d.class("way")[0]), want)
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
	element(t, d.id("problem"), "That username or password isn’t right Check both and try again.", "role", "alert")
	element(t, d.id("username"), "", "value", "alice", "aria-describedby", "problem", "aria-invalid", "true")
	element(t, d.id("password"), "", "value", "", "aria-describedby", "problem", "aria-invalid", "true")
	if !has(d.id("remember-me"), "checked") || !has(d.id("password"), "autofocus") || has(d.id("username"), "autofocus") {
		t.Error("after a failure the tick stays and the caret is in the password")
	}

	d = draw(t, r, "en", pages["sign in upstream"])
	if d.has("username") || d.has("password") || slices.ContainsFunc(d.all("form"), func(f *html.Node) bool { return attr(f, "method") == "post" }) {
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
	element(t, draw(t, r, "en", pages["sign in again"]).id("reason"), "Confirm that it’s you to go on.")
	element(t, draw(t, r, "en", pages["sign in, step up"]).id("reason"), "For this, the app asks you to sign in in another way.")
	element(t, draw(t, r, "en", SignIn{Reason: FreshLogin}).id("reason"), "For this, the app asks you to sign in again.")
	if draw(t, r, "en", pages["sign in"]).has("reason") {
		t.Error("a first login needs no reason")
	}
}

func TestSelectAccount(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["select account"])
	element(t, d.id("account-continue"), "Continue as A Alice Liddell alice", "name", "account", "value", "continue")
	element(t, d.id("account-other"), "Use another account", "name", "account", "value", "other")
	element(t, d.id("account-1"), "Continue as B bob", "name", "account", "value", "u2")
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
	element(t, confirm, "Yes, link them", "name", "decision", "value", "confirm", "type", "submit")
	element(t, cancel, "No, don’t link", "name", "decision", "value", "cancel", "type", "submit")
	if attr(confirm, "class") != attr(cancel, "class") {
		t.Error("they look different")
	}
}

// The sign-in page names the client as the consent page does: logo, policy, terms, and who vouches for it.
func TestSignInShowsClient(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["sign in"])
	element(t, d.id("client-policy"), "Privacy policy", "href", someClient().PolicyURI)
	element(t, d.id("client-tos"), "Terms of service", "href", someClient().TosURI)
	if !strings.Contains(d.source, someClient().LogoURI) || !strings.Contains(d.policy, foreignOrigin(someClient().LogoURI)) || d.has("unknown-client") {
		t.Errorf("%s", d.source)
	}
	draw(t, r, "en", pages["sign in, unknown client"]).id("unknown-client")
	if d := draw(t, r, "en", SignIn{Password: true}); d.has("client-policy") {
		t.Error("a policy of nobody")
	}
}

func TestSignInLinks(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["sign in, all links"])
	element(t, d.id("forgot-password"), "Forgot your password?", "href", "/reset")
	element(t, d.id("signup"), "Create an account", "href", "/signup")
	if d = draw(t, r, "en", pages["sign in"]); d.has("forgot-password") || d.has("signup") {
		t.Error("links to what is not offered")
	}
}
