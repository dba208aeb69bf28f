package templates

import (
	"strings"
	"testing"
)

func TestConsent(t *testing.T) {
	d := draw(t, newRenderer(t, Branding{}), "en", everyPage()["consent"])
	if got, want := d.heading(), "Let Orders use your account?"; got != want {
		t.Errorf("heading %q, want %q", got, want)
	}
	page := text(d.root)
	for _, want := range []string{
		"Will send you back to app.example.com", "Signed in as A Alice Liddell alice Not you?",
		"Know who you are", "When you’re away Keep this access until you remove it", "Orders API orders.read Place and cancel orders", "See your email address alice@example.com",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q", want)
		}
	}
	allow, deny := d.id("consent-allow"), d.id("consent-deny")
	element(t, allow, "Allow", "name", "decision", "value", "allow", "type", "submit")
	element(t, deny, "Don’t allow", "name", "decision", "value", "deny", "type", "submit")
	if attr(allow, "class") != attr(deny, "class") {
		t.Error("Allow and Deny look different")
	}
	element(t, d.id("client-policy"), "Privacy policy", "href", someClient().PolicyURI)
	element(t, d.id("client-tos"), "Terms of service", "href", someClient().TosURI)
	if !strings.Contains(d.policy, "img-src 'self' https://cdn.example.com;") {
		t.Errorf("the policy does not let the client's logo in: %s", d.policy)
	}
}

// A payment is shown in the operator's words and order, in the language of the page.
func TestConsentPayment(t *testing.T) {
	r := newRenderer(t, Branding{})
	for lang, want := range map[string][]string{
		"en": {"Pay EUR 123.50 to Muster Bücher GmbH", "Payment For Bank API Amount EUR 123.50 To Muster Bücher GmbH"},
		"de": {"EUR 123.50 an Muster Bücher GmbH zahlen", "Payment Für Bank API Betrag EUR 123.50 To Muster Bücher GmbH"},
		"fr": {"Pay EUR 123.50 to Muster Bücher GmbH", "Amount EUR 123.50"},
	} {
		d := draw(t, r, lang, everyPage()["consent, payment"])
		if d.heading() != want[0] || !strings.Contains(text(d.root), want[1]) {
			t.Errorf("%s: heading %q, %q", lang, d.heading(), text(d.root))
		}
	}
	page := everyPage()["consent, payment"].(Consent)
	page.Client.Unknown = true
	if got := draw(t, r, "en", page).heading(); got != "Let this app use your account?" {
		t.Errorf("an unknown app has the heading %q", got)
	}
}

func TestConsentDetails(t *testing.T) {
	r := newRenderer(t, Branding{})
	d := draw(t, r, "en", everyPage()["consent, details"])
	page := text(d.root)
	for _, want := range []string{
		"Payment For Bank API Amount EUR 123.50 Creditor Merchant A Berlin",
		strings.Repeat("ab", MaxDetailValue/2) + " 100 more characters", "account_information",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page does not say %q in %q", want, page)
		}
	}
	if strings.Contains(page, "will be able to") || strings.Contains(page, strings.Repeat("ab", MaxDetailValue/2+1)) {
		t.Errorf("a heading without scopes, or a value without bounds: %q", page)
	}
}

// TestConsentDestination: 127.0.0.1 and a scheme mean nothing to most people.
func TestConsentDestination(t *testing.T) {
	r := newRenderer(t, Branding{})
	for redirectURI, want := range map[string]string{
		"https://app.example.com/cb":  "Will send you back to app.example.com",
		"http://127.0.0.1:4711/cb":    "Will send you back to an app on this device: 127.0.0.1:4711",
		"com.example.phone:/callback": "Will send you back to an app on this device: com.example.phone",
	} {
		page := text(draw(t, r, "en", Consent{Client: Client{Name: "Orders", RedirectURI: redirectURI}}).root)
		if !strings.Contains(page, want) {
			t.Errorf("%s: %q does not say %q", redirectURI, page, want)
		}
	}
}

// TestUnknownClient: apps that registered themselves look different from the apps that the operator knows. They
// get no logo: it could be anybody's.
func TestUnknownClient(t *testing.T) {
	r, pages := newRenderer(t, Branding{Name: "Acme"}), everyPage()
	for _, name := range []string{"consent, unknown client", "device, unknown client"} {
		d := draw(t, r, "en", pages[name])
		element(t, d.id("unknown-client"), "Acme doesn’t know this app It says that its name is Orders. It is published by apps.example.org. It runs on this device: go on only if you have just started it yourself.")
		if strings.Contains(d.source, unknownClient().LogoURI) || strings.Contains(d.policy, "cdn.example.com") || strings.Contains(d.heading(), "Orders") {
			t.Errorf("%s: the page shows a logo that the app gave itself, or takes its name for true", name)
		}
	}
	d := draw(t, r, "en", DeviceConfirm{Client: Client{Name: "Orders", Unknown: true}})
	element(t, d.id("unknown-client"), "Acme doesn’t know this app It says that its name is Orders. Nobody has checked that.")
	d = draw(t, r, "en", DeviceConfirm{Client: Client{Name: "8sXk2", Nameless: true, Unknown: true}})
	element(t, d.id("unknown-client"), "Acme doesn’t know this app It doesn’t say what it’s called. Nobody has checked that.")
	for _, name := range []string{"consent", "device"} {
		if d := draw(t, r, "en", pages[name]); d.has("unknown-client") || !strings.Contains(d.source, someClient().LogoURI) {
			t.Errorf("%s: a known app is called unknown, or its logo is missing", name)
		}
	}
}
