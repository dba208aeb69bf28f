package resource_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/templates"
)

// The consent page says what the operator says: of a scope in the user's language, and of a payment in one sentence,
// with its members in the operator's order. What can't be said in short is not said at all.
func TestConsentPageInTheOperatorsWords(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{{
		URI: authztest.API, Name: "Bank", Scopes: []string{"orders.read", "orders.write"},
		Descriptions: map[string]templates.Text{"orders.read": {"": "See your orders", "de": "Ihre Bestellungen sehen"}},
		DetailTypes: []resource.DetailType{{
			Type: "payment", Name: "A payment", Fields: []string{"to", "sum", "iban"}, Required: []string{"sum"},
			Headline: templates.Text{"": "Pay {sum} to {to}", "de": "{sum} an {to} zahlen"},
			Labels:   map[string]templates.Text{"sum": {"": "Amount", "de": "Betrag"}, "to": {"": "Payee"}},
		}},
	}}}, func(m *client.Metadata) { m.DetailTypes, m.Resources = []string{"payment"}, []string{authztest.API} })
	b := s.SignedIn(t, nil)
	ask := func(lang, details string) *authztest.Page {
		params := url.Values{"prompt": {"consent"}, "ui_locales": {lang}, "scope": {"openid profile orders.read"}}
		if details != "" {
			params.Set("authorization_details", "["+details+"]")
		}
		return b.Get(t, b.Ask(t, authztest.SPA, params).Header.Get("Location"))
	}
	const payment = `{"type":"payment","iban":"DE02","sum":{"currency":"EUR","amount":"123.50"},"to":"Muster Bücher GmbH"}`
	const dear = `{"type":"payment","sum":{"currency":"EUR","amount":"123.50","extra":"1"},"to":"` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" + `"}`
	for name, c := range map[string]struct {
		lang, details string
		want, refused []string
	}{
		"scope":          {"en", "", []string{"See your orders", "Alice Liddell</bdi></small>"}, []string{"<code>orders.read"}},
		"scope, German":  {"de", "", []string{"Ihre Bestellungen sehen"}, nil},
		"scope, French":  {"fr", "", []string{"See your orders"}, nil},
		"payment":        {"en", payment, []string{"<h1>Pay €123.50 to Muster Bücher GmbH</h1>", "Payee", "Amount"}, nil},
		"German payment": {"de", payment, []string{"<h1>123,50\u00a0€ an Muster Bücher GmbH zahlen</h1>", "Betrag"}, nil},
		"no payee":       {"en", `{"type":"payment","sum":{"currency":"EUR","amount":"1"}}`, []string{"A payment", "€1.00<"}, []string{"<h1>Pay"}},
		"long":           {"en", dear, []string{"extra: 1"}, []string{"<h1>Pay"}},
		"no number":      {"en", `{"type":"payment","sum":{"currency":"EUR","amount":"1 or 1000"},"to":"A"}`, []string{"amount: 1 or 1000"}, []string{"€1"}},
		"two":            {"en", payment + "," + payment, []string{"<p><b>Pay €123.50 to"}, []string{"<h1>Pay"}},
	} {
		body := ask(c.lang, c.details).Body
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %q in %.6000s", name, want, body)
			}
		}
		for _, refused := range c.refused {
			if strings.Contains(body, refused) {
				t.Errorf("%s: the page says %q", name, refused)
			}
		}
		if payee, iban := strings.Index(body, "<dt><bdi>Payee"), strings.Index(body, "<dt><bdi>iban"); iban >= 0 && (payee < 0 || payee > iban) && c.lang == "en" {
			t.Errorf("%s: the members are not in the operator's order", name)
		}
	}
}

// A type that is declared as a payment: the buttons say what is paid. What can't be read as an amount is shown as it was
// sent, and is no payment.
func TestConsentPageOfPayment(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{{
		URI: authztest.API, Name: "Bank", Scopes: []string{"orders.read", "orders.write"}, Changing: []string{"orders.write"},
		DetailTypes: []resource.DetailType{
			{Type: "payment", Fields: []string{"sum", "to", "note"}, Payment: &resource.PaymentMembers{Amount: "sum", Payee: "to"}},
			{Type: "plain", Fields: []string{"sum", "unit"}, Payment: &resource.PaymentMembers{Amount: "sum", Currency: "unit"}},
		},
	}}}, func(m *client.Metadata) {
		m.DetailTypes, m.Resources = []string{"payment", "plain"}, []string{authztest.API}
	})
	b := s.SignedIn(t, nil)
	for name, c := range map[string]struct {
		scope, details string
		want, refused  []string
	}{
		"payment":     {"openid", `{"type":"payment","note":"N 1","to":"A & B","sum":{"currency":"EUR","amount":"123.5"}}`, []string{"<h1>Pay €123.50 to A &amp; B</h1>", ">Pay €123.50</button>", ">Don’t pay</button>", "<dt><bdi>Amount</bdi></dt> <dd><b>€123.50</b>"}, []string{">Allow</button>"}},
		"number":      {"openid", `{"type":"plain","sum":12.5,"unit":"JPY"}`, []string{"<h1>Pay ¥12.5</h1>", ">Pay ¥12.5</button>"}, nil},
		"no currency": {"openid", `{"type":"plain","sum":"12.5","unit":"yen"}`, []string{">12.5</bdi>", ">yen</bdi>", ">Allow</button>"}, []string{"Pay "}},
		"no amount":   {"openid", `{"type":"plain","unit":"JPY"}`, []string{">Allow</button>"}, []string{"Pay ", "nil"}},
		"object":      {"openid", `{"type":"payment","to":{"iban":"DE02 name: Bob","name":"Mallory"},"sum":{"currency":"EUR","amount":"5"}}`, []string{"<bdi>iban: DE02 name: Bob\nname: Mallory</bdi>"}, nil},
		"nothing":     {"openid", `{"type":"payment","sum":{"currency":"EUR","amount":"0.00"}}`, []string{">Allow</button>", "€0.00"}, []string{"Pay "}},
		"refund":      {"openid", `{"type":"payment","sum":{"currency":"EUR","amount":"-5"}}`, []string{">Allow</button>", "-€5.00"}, []string{"Pay "}},
		"words":       {"openid", `{"type":"payment","sum":{"currency":"EUR","amount":"<b>5</b>"}}`, []string{">Allow</button>", "amount: &lt;b&gt;5"}, []string{"Pay ", "<b>5"}},
		"payee list":  {"openid", `{"type":"payment","to":["A","B"],"sum":{"currency":"EUR","amount":"5"}}`, []string{"<h1>Pay €5.00</h1>", "A, B"}, nil},
		"two":         {"openid", `{"type":"plain","sum":1,"unit":"EUR"},{"type":"plain","sum":2,"unit":"EUR"}`, []string{">Allow</button>", "<p><b>Pay €1.00</b>", "<p><b>Pay €2.00</b>"}, []string{"<h1>Pay"}},
		"an API":      {"openid orders.write", `{"type":"plain","sum":1,"unit":"EUR"}`, []string{">Allow</button>", "<h1>Pay €1.00</h1>", "Can make changes"}, []string{">Don’t pay"}},
		"reading":     {"openid orders.read", `{"type":"plain","sum":1,"unit":"EUR"}`, []string{">Allow</button>"}, []string{"Can make changes"}},
	} {
		body := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {"consent"}, "ui_locales": {"en"}, "scope": {c.scope}, "authorization_details": {"[" + c.details + "]"}}).Header.Get("Location")).Body
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %q in %.6000s", name, want, body)
			}
		}
		for _, refused := range c.refused {
			if strings.Contains(body, refused) {
				t.Errorf("%s: the page says %q", name, refused)
			}
		}
	}
}
