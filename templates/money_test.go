package templates

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/currency"
)

func TestMoney(t *testing.T) {
	for _, c := range []struct{ amount, currency, lang, want string }{
		{"123.50", "EUR", "en", "€123.50"},
		{"123.5", "EUR", "en", "€123.50"},
		{"123", "EUR", "en", "€123.00"},
		{"007.5", "EUR", "en", "€7.50"},
		{"0.5", "EUR", "en", "€0.50"},
		{"0", "EUR", "en", "€0.00"},
		{"1234567.50", "EUR", "en", "€1,234,567.50"},
		{"1234.50", "EUR", "de", "1.234,50 €"},
		{"1234.50", "EUR", "fr", "1\u202f234,50 €"},
		{"1234.50", "EUR", "es", "1.234,50 €"},
		{"1234.50", "EUR", "it", "1.234,50 €"},
		{"1234.50", "BRL", "pt", "R$ 1.234,50"},
		{"1234.50", "EUR", "nl", "€ 1.234,50"},
		{"1234.50", "PLN", "pl", "1\u00a0234,50 zł"},
		{"1234", "JPY", "ja", "￥1,234"},
		{"1234.50", "CNY", "zh", "￥1,234.50"},
		{"1234.50", "EUR", "ar", "\u200f1,234.50 €"},
		{"-5", "EUR", "en", "-€5.00"},
		{"-5", "EUR", "de", "-5,00 €"},
		{"100", "JPY", "en", "¥100"},
		{"100.00", "JPY", "en", "¥100"},
		{"100.50", "JPY", "en", "¥100.5"}, // never rounded
		{"1.005", "EUR", "en", "€1.005"},  // never rounded
		{"1.00500", "EUR", "en", "€1.005"},
		{"5.5", "TND", "en", "TND 5.500"},
		{"5", "CHF", "en", "CHF 5.00"},
		{"5", "CHF", "de", "5,00 CHF"},
		{"5", "USD", "en", "$5.00"},
		{"5", "CAD", "en", "CA$5.00"},
		{"5", "XYZ", "en", "XYZ 5"},
		{"5.10", "XYZ", "de", "5,1 XYZ"},
		{"5", "XXX", "en", "XXX 5.00"},
		{"123456789012345678.12345678", "EUR", "en", "€123,456,789,012,345,678.12345678"},
	} {
		m, ok := ParseMoney(c.amount, c.currency)
		if got := strings.ReplaceAll(m.In(c.lang), "\u00a0", " "); !ok || got != strings.ReplaceAll(c.want, "\u00a0", " ") {
			t.Errorf("%s %s in %s: %q, want %q", c.amount, c.currency, c.lang, got, c.want)
		}
	}
}

func TestNoMoney(t *testing.T) {
	for _, c := range [][2]string{
		{"", "EUR"}, {"1e3", "EUR"}, {"1,000", "EUR"}, {"+1", "EUR"}, {"1.", "EUR"}, {".5", "EUR"}, {"--1", "EUR"}, {"1 or 1000", "EUR"},
		{"1\n", "EUR"}, {"٣", "EUR"}, {"1234567890123456789", "EUR"}, {"1.123456789", "EUR"}, {"NaN", "EUR"}, {"<nil>", "EUR"},
		{"1", ""}, {"1", "eur"}, {"1", "EURO"}, {"1", "€"}, {"1", "<b>"}, {"1", "ЕUR"},
	} {
		if m, ok := ParseMoney(c[0], c[1]); ok {
			t.Errorf("%q is money: %s", c, m.In("en"))
		}
	}
	for amount, want := range map[string]bool{"0": false, "0.00": false, "-1": false, "-0": false, "0.01": true, "1": true} {
		if got := (Money{amount, "EUR"}).Positive(); got != want {
			t.Errorf("%s is positive: %t", amount, got)
		}
	}
}

// TestSignsAreUnique: no sign means two currencies in a language, and every language has a format.
func TestSignsAreUnique(t *testing.T) {
	for _, lang := range languages {
		if moneyFormats[lang].pattern == "" {
			t.Errorf("%s has no format for money", lang)
		}
		signs := map[string]string{}
		for all := currency.Query(); all.Next(); {
			code := all.Unit().String()
			sign, decimals := signOf(code, lang)
			if other := signs[sign]; other != "" && other != code || sign == "" || decimals > 4 {
				t.Errorf("%s: %q is %s and %s, with %d decimals", lang, sign, code, other, decimals)
			}
			signs[sign] = code
		}
	}
}

// FuzzMoney: what is taken for money is shown with all of its digits, and nothing else is shown.
func FuzzMoney(f *testing.F) {
	for _, seed := range [][2]string{{"123.50", "EUR"}, {"-0.5", "JPY"}, {"000", "XYZ"}, {"1e3", "EUR"}, {"999999999999999999.99999999", "TND"}} {
		f.Add(seed[0], seed[1])
	}
	digits := func(s string) string {
		return strings.Trim(strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s), "0")
	}
	f.Fuzz(func(t *testing.T, amount, cur string) {
		m, ok := ParseMoney(amount, cur)
		if !ok {
			return
		}
		for _, lang := range languages {
			shown := m.In(lang)
			if digits(shown) != digits(amount) || !utf8.ValidString(shown) || strings.HasPrefix(amount, "-") != strings.Contains(shown, "-") {
				t.Errorf("%s %s in %s: %q", amount, cur, lang, shown)
			}
		}
	})
}
