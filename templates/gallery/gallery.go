// Package gallery has every page with all that it can show, so that each check of pages covers all of them.
//
//	TOPIC.go -> Pages -> Render -> what a check looks at
package gallery

import (
	"maps"
	"strings"
	"time"

	"github.com/authzd/authzd/templates"
)

// Pages returns the pages by a name for people. A page that has several states, such as a form that failed, is in it
// once for each.
func Pages() map[string]templates.Page {
	all := map[string]templates.Page{}
	for _, topic := range []map[string]templates.Page{
		signInPages(), consentPages(), devicePages(), signOutPages(), accountPages(), errorPages(), formPostPages(), homePages(), passkeyPages(), factorPages(),
		devMailPages(),
		peoplePages(), passwordPages(),
	} {
		maps.Copy(all, topic)
	}
	return all
}

// LeavesByScript reports whether a page goes on to another site as soon as its script runs.
func LeavesByScript(page templates.Page) bool {
	out, isOut := page.(templates.LoggedOut)
	_, isPost := page.(templates.FormPost)
	return isPost || isOut && out.Return && len(out.Frames) > 0
}

var (
	someClient = templates.Client{
		Name:        "Orders",
		RedirectURI: "https://app.example.com/callback?x=y",
		LogoURI:     "https://cdn.example.com/logo.png",
		PolicyURI:   "https://app.example.com/privacy",
		TosURI:      "https://app.example.com/terms",
	}
	unknownClient = templates.Client{Name: "Orders", RedirectURI: "http://127.0.0.1/cb", LogoURI: "https://cdn.example.com/logo.png", Unknown: true, PublishedBy: "apps.example.org"}
	stranger      = templates.Client{Name: "Orders", RedirectURI: "https://app.example.net/cb", Unknown: true}

	alice      = templates.User{Name: "Alice Liddell", Username: "alice"}
	someHidden = map[string]string{"flow": "f1"}
	someTime   = time.Date(2026, time.March, 4, 15, 4, 5, 0, time.UTC)

	someScopes = []templates.Scope{{Name: "openid"}, {Name: "offline_access"}, {Name: "orders.read", Resource: "Orders API"},
		{Name: "email", Values: []string{"alice@example.com"}},
		{Name: "orders.write", Resource: "Orders API", Description: templates.Text{"": "Place and cancel orders", "de": "Bestellungen aufgeben und stornieren"}, Changes: true}}
	someMoney   = &templates.Money{Amount: "123.5", Currency: "EUR"}
	somePayment = []templates.AuthorizationDetail{{Type: "Payment", Resource: "Bank API",
		Headline: templates.Text{"": "Pay {instructedAmount} to {creditorName}", "de": "{instructedAmount} an {creditorName} zahlen"},
		Fields: []templates.DetailField{
			{Name: "instructedAmount", Label: templates.Text{"": "Amount", "de": "Betrag"}, Value: "EUR 123.5", Money: someMoney},
			{Name: "creditorName", Label: templates.Text{"": "To"}, Value: "Muster Bücher GmbH"},
		}}}
	declaredPayment = []templates.AuthorizationDetail{{Type: "Payment", Resource: "Bank API", Payment: &templates.Payment{Amount: *someMoney, Payee: "Muster Bücher GmbH"},
		Fields: []templates.DetailField{
			{Name: "instructedAmount", Value: "EUR 123.5", Money: someMoney, Part: templates.AmountPart},
			{Name: "creditorName", Value: "Muster Bücher GmbH", Part: templates.PayeePart},
			{Name: "iban", Label: templates.Text{"": "IBAN"}, Value: "DE02 1001 0010 9307 1186 03"},
			{Name: "reference", Label: templates.Text{"": "Reference"}, Value: "Invoice 2026-1187"},
		}}}
	someDetails = []templates.AuthorizationDetail{
		{Type: "Payment", Resource: "Bank API", Fields: []templates.DetailField{
			{Name: "amount", Label: templates.Text{"": "Amount", "de": "Betrag"}, Value: "EUR 123.50"},
			{Name: "Creditor", Value: "Merchant A\nBerlin"},
			{Name: "Note", Value: strings.Repeat("ab", 300)},
		}},
		{Type: "account_information"},
	}
)
