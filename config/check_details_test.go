package config

import (
	"slices"
	"strings"
	"testing"
)

const aPayment = anAPI + "    authorization_details_types: [{type: x, fields: [a, b, c], required: [a, b], payment: "

func TestPayment(t *testing.T) {
	for _, payment := range []string{"{amount: a}", "{amount: a, payee: c}", "{amount: a, currency: b, payee: c}", "{}"} {
		if errs := errorsOf(t, aPayment+payment+"}]\n"); errs != nil {
			t.Errorf("%s: %q", payment, errs)
		}
	}
	c, err := Parse("f", []byte(aPayment+"{amount: a, currency: b, payee: c}}]\n"), nil)
	if err != nil || c.Resources[0].AuthorizationDetailsTypes[0].Payment != (DetailPayment{"a", "b", "c"}) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestPaymentWrong(t *testing.T) {
	for payment, want := range map[string]string{
		"{payee: c}":               "payment.amount: a payment without an amount",
		"{amount: d}":              `payment.amount "d": not a member that this type has`,
		"{amount: c}":              `payment.amount "c": a request could leave it out`,
		"{amount: a, currency: c}": `payment.currency "c": a request could leave it out`,
		"{amount: a, currency: a}": `payment.currency "a": named twice`,
		"{amount: a, payee: a}":    `payment.payee "a": named twice`,
		"{amount: a, payee: d}":    `payment.payee "d": not a member that this type has`,
		"{amount: a, payee: type}": `payment.payee "type": not a member that this type has`,
		"{amount: a, colour: b}":   "payment.colour: unknown key",
		"{amount: [a]}":            "payment.amount: expected a single value, found a list",
		"a":                        "payment: expected a mapping",
	} {
		errs := errorsOf(t, aPayment+payment+"}]\n")
		if !slices.ContainsFunc(errs, func(e string) bool { return strings.Contains(e, want) }) {
			t.Errorf("%s: %q, want %q", payment, errs, want)
		}
	}
}
