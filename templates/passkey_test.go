package templates

import (
	"strings"
	"testing"
)

func passkeyPages() map[string]Page {
	offer := PasskeyOffer{Options: `{"challenge":"AAAA","rpId":"id.example.com","timeout":120000}`, Ceremony: "c1"}
	return map[string]Page{
		"sign in, passkey": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			Passkey: &PasskeyAsk{PasskeyOffer: offer, Autofill: true}, Problem: PasskeyUnknown, Signals: `{"unknown":{}}`},
		"sign in again, passkey": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, User: &alice, OtherAccountURL: "/login?other",
			Passkey: &PasskeyAsk{PasskeyOffer: offer}},
		"passkey offer":    OfferPasskey{Client: &someClient, Action: "/passkey", Hidden: someHidden, User: alice, Passkey: &PasskeyAsk{PasskeyOffer: offer, Create: true, Silent: &offer}},
		"passkey demanded": OfferPasskey{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, Wanted: true, Passkey: &PasskeyAsk{PasskeyOffer: offer, Create: true}},
		"passkey as a factor": PasskeyFactor{FactorPage: FactorPage{Client: &someClient, Action: "/login/factor", Hidden: someHidden, User: alice, AnotherURL: "/login/factor?way=choose"},
			Passkey: &PasskeyAsk{PasskeyOffer: offer}},
		"passkey offer, too late": OfferPasskey{Action: "/passkey", Hidden: someHidden, User: alice, Problem: PasskeyStale},
		"passkeys": Passkeys{Action: "/account/passkeys", AccountURL: "/account", Hidden: someHidden, User: alice, Added: true, Signals: `{"accepted":{}}`,
			Passkey: &PasskeyAsk{PasskeyOffer: offer, Create: true},
			Keys: []Passkey{
				{ID: "a1", Name: "iCloud Keychain", RPID: "id.example.com", AddedAt: someTime, LastUsedAt: someTime, Synced: true},
				{ID: "b2", RPID: "old.example.org", AddedAt: someTime, Elsewhere: true},
				{ID: "c3", Name: "<b>Key</b>", RPID: "id.example.com", AddedAt: someTime, LastWayIn: true},
			}},
		"passkeys, none": Passkeys{Action: "/account/passkeys", AccountURL: "/account", User: alice, Problem: PasskeyBadName},
	}
}

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
