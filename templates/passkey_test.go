package templates

import (
	"strings"
	"testing"
)

func TestPasskeyOnSignIn(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["sign in, passkey"])
	element(t, d.id("passkey-login"), "Use a passkey", "type", "submit", "name", "passkey", "value", "yes", "class", "scripted")
	if !has(d.id("passkey-login"), "formnovalidate") {
		t.Error("the button wants a username")
	}
	if !strings.Contains(d.policy, "script-src 'self'") || len(d.all("script")) != 1 || !strings.HasPrefix(attr(d.all("script")[0], "src"), "/assets/passkey-") {
		t.Errorf("policy %q, %d scripts", d.policy, len(d.all("script")))
	}
	if !strings.Contains(text(d.id("problem")), "isn’t known here any more") {
		t.Errorf("problem %q", text(d.id("problem")))
	}
	if want := `data-passkey="{&#34;kind&#34;:&#34;get&#34;,`; !strings.Contains(d.source, want) {
		t.Errorf("no %s", want)
	}
	d = draw(t, r, "en", everyPage()["sign in again, passkey"])
	if d.has("password") || !d.has("passkey-login") || strings.Contains(d.source, "autofill") {
		t.Error("a user without a password is asked for one, or by the username field")
	}
	if d = draw(t, r, "en", everyPage()["sign in"]); len(d.all("script")) != 0 || d.has("passkey-login") || strings.Contains(d.policy, "script-src") {
		t.Error("a page without passkeys has a script")
	}
}

func TestPasskeysPage(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["passkeys"])
	element(t, d.id("passkey-add"), "Add a passkey", "type", "submit", "name", "passkey", "value", "yes")
	element(t, d.id("passkey-remove-a1"), "Remove iCloud Keychain", "name", "remove", "value", "a1")
	element(t, d.id("rename-b2"), "Save the name", "name", "rename", "value", "b2")
	if d.has("passkey-remove-c3") || !d.has("last-c3") {
		t.Error("the last way in can be removed")
	}
	for id, want := range map[string]string{
		"passkey-a1": "For id.example.com · added 4 March 2026, 15:04 UTC · last used 4 March 2026, 15:04 UTC · on all your devices",
		"passkey-b2": "Doesn’t work here any more",
		"passkey-c3": "<b>Key</b>",
	} {
		if got := text(d.id(id)); !strings.Contains(got, want) {
			t.Errorf("%s says %q, not %q", id, got, want)
		}
	}
	if !strings.Contains(d.source, `data-passkey-signals="{&#34;accepted&#34;`) {
		t.Error("no signals")
	}
}
