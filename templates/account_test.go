package templates

import (
	"strings"
	"testing"
	"time"
)

func accountPages() map[string]Page {
	return map[string]Page{
		"account": Account{User: alice, Claims: []Claim{{Name: "email", Value: "alice@example.com", Verified: true}, {Name: "shoe_size", Value: "37"}},
			Identities:      []LinkedIdentity{{ID: "i-1_a", Connector: "Google", Email: "alice@example.com", LinkedAt: someTime}, {ID: "i-2", Connector: "Corp", LinkedAt: someTime, LastWayIn: true}},
			IdentityChanges: []IdentityChange{{Connector: "Google", At: someTime, Linked: true}, {Connector: "Old", At: someTime, ByOperator: true}},
			Connector:       "Google", SignedInAt: someTime, Action: "/account", LogoutAction: "/logout", Hidden: someHidden,
			Sessions: []Session{{StartedAt: someTime, LastActiveAt: someTime.Add(time.Hour), Current: true, Browser: "Chrome", System: "Windows", Address: "203.0.113.7"},
				{ID: "a-sid_1", StartedAt: someTime, LastActiveAt: someTime, System: "iPhone"}, {ID: "a-sid_2", StartedAt: someTime, LastActiveAt: someTime}},
			Zone:       time.FixedZone("CET", 3600),
			Ways:       []Way{{WayPassword, 1, "/account/password"}, {WayPasskeys, 2, "/account/passkeys"}, {WayTOTP, 0, "/account/totp"}, {WayRecoveryCodes, 1, "/account/codes"}, {WayRemembered, 3, ""}},
			ProfileURL: "/account/profile", EmailURL: "/account/email", ExportURL: "/account/export", DeleteURL: "/account/delete",
			Links: []Connector{{ID: "github", Name: "GitHub", URL: "/account/link/github"}},
			Apps: []App{{ClientID: "spa", Name: "Orders", Scopes: someScopes, GrantedAt: someTime, OpenURL: "https://app.example.com/login?iss=i"},
				{ClientID: "cli", Name: "Tool", GrantedAt: someTime, OpenURL: "javascript:alert(1)"},
				{ClientID: "portal", Name: "Portal", OpenURL: "https://portal.example.com/login?iss=i"}}},
	}
}

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
		"Signed in with Google", "4 March 2026, 16:04 CET", "Email alice@example.com Confirmed",
		"shoe_size 37", "Orders API: orders.read",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	page = text(draw(t, r, "en", Account{User: alice, SignedInAt: someTime}).root)
	if !strings.Contains(page, "Signed in with Password") || !strings.Contains(page, "No app uses your account.") {
		t.Errorf("an account without apps reads %q", page)
	}
}
