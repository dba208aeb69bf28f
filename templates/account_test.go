package templates

import (
	"strings"
	"testing"
	"time"
)

func TestAccountSessions(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["account"])
	page := text(d.root)
	for _, want := range []string{
		"Where you’re signed in Don’t know one of these? Sign it out and change your password. Chrome on Windows This device 203.0.113.7 · Active 4 March 2026, 17:04 CET Since 4 March 2026, 16:04 CET iPhone Active 4 March 2026, 16:04 CET",
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
	if d := draw(t, r, "en", Account{User: User{Username: "alice"}, SignedInAt: time.Now()}); d.has("sign-out-everywhere") {
		t.Error("signing out everywhere is offered without sessions")
	}
}

func TestAccount(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["account"])
	element(t, d.id("revoke-spa"), "Remove Orders", "name", "revoke", "value", "spa")
	asked := d.id("revoke-spa").Parent
	if asked.Data != "details" || has(asked, "open") || !strings.Contains(text(asked), "Take back all that Orders may do") || !strings.Contains(text(asked), "Orders API: orders.read") {
		t.Errorf("the page removes an app without asking first: %s %q", asked.Data, text(asked))
	}
	element(t, d.id("logout"), "Sign out", "type", "submit")
	page := text(d.root)
	for _, want := range []string{
		"Signed in with Google", "4 March 2026, 16:04 CET", "Email alice@example.com Confirmed",
		"shoe_size 37", "Orders API: orders.read",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	page = text(draw(t, r, "en", Account{User: User{Username: "alice"}, SignedInAt: time.Now()}).root)
	if !strings.Contains(page, "Signed in with Password") || !strings.Contains(page, "No app uses your account.") {
		t.Errorf("an account without apps reads %q", page)
	}
}
