package templates

import (
	"slices"
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
		"en": {"Pay €123.50 to Muster Bücher GmbH", "Payment For Bank API Amount €123.50 To Muster Bücher GmbH"},
		"de": {"123,50 € an Muster Bücher GmbH zahlen", "Payment Für Bank API Betrag 123,50 € To Muster Bücher GmbH"},
		"fr": {"Pay 123,50 € to Muster Bücher GmbH", "Amount 123,50 €"},
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

// TestConsentDeclaredPayment: heading and buttons say what is paid, in every language.
func TestConsentDeclaredPayment(t *testing.T) {
	r := newRenderer(t, Branding{})
	for lang, want := range map[string]struct{ heading, pay, deny, amount string }{
		"en": {"Pay €123.50 to Muster Bücher GmbH", "Pay €123.50", "Don’t pay", "Amount €123.50 To Muster Bücher GmbH IBAN DE02 1001 0010 9307 1186 03 Reference Invoice 2026-1187"},
		"de": {"123,50 € an Muster Bücher GmbH zahlen", "123,50 € zahlen", "Nicht zahlen", "Betrag 123,50 € Empfänger Muster"},
		"nl": {"€ 123,50 betalen aan Muster Bücher GmbH", "€ 123,50 betalen", "Niet betalen", "Bedrag € 123,50 Ontvanger Muster"},
		"ja": {"Muster Bücher GmbH に €123.50 を支払う", "€123.50 を支払う", "支払わない", "金額 €123.50 支払先 Muster"},
		"ar": {"دفع \u2068\u200f123.50 €\u2069 إلى \u2068Muster Bücher GmbH\u2069", "دفع \u2068\u200f123.50 €\u2069", "عدم الدفع", "المبلغ \u2068\u200f123.50 €\u2069 المستفيد Muster"},
	} {
		d := draw(t, r, lang, everyPage()["consent, declared payment"])
		if page := text(d.root); d.heading() != want.heading || !strings.Contains(page, want.amount) {
			t.Errorf("%s: heading %q, %q", lang, d.heading(), page)
		}
		element(t, d.id("consent-allow"), want.pay, "value", "allow")
		element(t, d.id("consent-deny"), want.deny, "value", "deny")
	}
	english := text(draw(t, r, "en", everyPage()["consent, declared payment"]).root)
	if !strings.Contains(english, "This approval is for this payment only.") || strings.Contains(english, "remove this access") {
		t.Errorf("%q", english)
	}
	if payment, able := strings.Index(english, "IBAN"), strings.Index(english, "Know who you are"); payment < 0 || able < payment {
		t.Error("what is to be paid does not come first")
	}
}

// TestPayIsOnlyThePayment: a button that says "Pay" allows this payment and nothing more.
func TestPayIsOnlyThePayment(t *testing.T) {
	r := newRenderer(t, Branding{})
	base := everyPage()["consent, declared payment"].(Consent)
	paid := base.Details[0].Payment.Amount
	scopesOf := func(name string) []Scope {
		return slices.DeleteFunc(slices.Clone(everyPage()["consent"].(Consent).Scopes), func(s Scope) bool { return s.Name != name })
	}
	twice := append(slices.Clone(base.Details), base.Details...)
	arabic := slices.Clone(base.Details)
	arabic[0].Payment = &Payment{paid, "شركة"}
	nobody := slices.Clone(base.Details)
	nobody[0].Payment = &Payment{paid, ""}
	long := slices.Clone(base.Details)
	long[0].Payment = &Payment{paid, strings.Repeat("x", 500)}
	for name, c := range map[string]struct {
		change                 func(*Consent)
		heading, allow, unsaid string
	}{
		"two payments":    {func(p *Consent) { p.Details = twice }, "Let Orders use your account?", "Allow", "Pay €123.50</button>"},
		"an API too":      {func(p *Consent) { p.Scopes = scopesOf("orders.read") }, "Pay €123.50 to Muster Bücher GmbH", "Allow", "for this payment only"},
		"when away too":   {func(p *Consent) { p.Scopes = scopesOf("offline_access") }, "Pay €123.50 to Muster Bücher GmbH", "Allow", "for this payment only"},
		"unknown app":     {func(p *Consent) { p.Client.Unknown = true }, "Let this app use your account?", "Allow anyway", "<h1>Pay"},
		"no payee":        {func(p *Consent) { p.Details = nobody }, "Pay €123.50", "Pay €123.50", "payee"},
		"long payee":      {func(p *Consent) { p.Details = long }, "Pay €123.50", "Pay €123.50", "payee"},
		"payee in Arabic": {func(p *Consent) { p.Details = arabic }, "Pay €123.50 to \u2068شركة\u2069", "Pay €123.50", "payee"},
	} {
		page := base
		c.change(&page)
		d := draw(t, r, "en", page)
		if d.heading() != c.heading || strings.Contains(d.source, c.unsaid) {
			t.Errorf("%s: heading %q, %s", name, d.heading(), d.source)
		}
		element(t, d.id("consent-allow"), c.allow)
	}
	d := draw(t, r, "en", DeviceConfirm{Client: *someClient(), User: base.User, Details: base.Details})
	element(t, d.id("consent-allow"), "Allow")
	if page := text(d.root); !strings.Contains(page, "Pay €123.50 to Muster Bücher GmbH") {
		t.Errorf("the device page does not say the payment: %q", page)
	}
}

// TestChangesAreMarked: wherever scopes are listed, those that change something say so in words.
func TestChangesAreMarked(t *testing.T) {
	r := newRenderer(t, Branding{})
	for _, name := range []string{"consent", "device", "account"} {
		for lang, want := range map[string]string{"en": "Place and cancel orders Can make changes", "de": "Bestellungen aufgeben und stornieren Kann etwas ändern"} {
			d := draw(t, r, lang, everyPage()[name])
			page, unmarked := text(d.root), strings.TrimSuffix(strings.TrimSuffix(want, " Can make changes"), " Kann etwas ändern")
			if n := strings.Count(page, want); n == 0 || n != strings.Count(page, unmarked) || n != strings.Count(d.source, "tag warning") {
				t.Errorf("%s in %s: %q", name, lang, page)
			}
		}
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
