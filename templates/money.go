package templates

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"
)

// Money is an amount of money. Pages show all of its digits: nothing is ever rounded.
type Money struct {
	Amount   string // a decimal number, such as 123.5
	Currency string // ISO 4217, such as EUR; it need not be known
}

var (
	decimal = regexp.MustCompile(`^-?[0-9]{1,18}(\.[0-9]{1,8})?$`)
	iso4217 = regexp.MustCompile(`^[A-Z]{3}$`)
)

// ParseMoney reports whether amount is a decimal number and cur has the form of a currency.
func ParseMoney(amount, cur string) (Money, bool) {
	return Money{amount, cur}, decimal.MatchString(amount) && iso4217.MatchString(cur)
}

// Positive reports whether the amount is more than nothing.
func (m Money) Positive() bool {
	return !strings.HasPrefix(m.Amount, "-") && strings.ContainsAny(m.Amount, "123456789")
}

// moneyFormat is how a language writes money (CLDR). Amounts of four digits are grouped in every language, as banks do.
type moneyFormat struct {
	pattern string // ¤ is the currency, # the number
	group   string // between thousands
	point   string // before the decimals
}

// In a pattern, ~ is a space that does not break.
var moneyFormats = map[string]moneyFormat{
	"en": {"¤#", ",", "."},
	"de": {"#~¤", ".", ","},
	"fr": {"#~¤", "\u202f", ","},
	"es": {"#~¤", ".", ","},
	"it": {"#~¤", ".", ","},
	"pt": {"¤~#", ".", ","},
	"nl": {"¤~#", ".", ","},
	"pl": {"#~¤", "\u00a0", ","},
	"ja": {"¤#", ",", "."},
	"zh": {"¤#", ",", "."},
	"ar": {"\u200f#~¤", ",", "."}, // with digits as the other numbers of our pages
}

// In writes the amount as a language does, with the sign of the currency and as many decimals as it has. Further digits
// stay. A currency that is not known is shown by its code.
func (m Money) In(lang string) string {
	format := moneyFormats[lang]
	sign, decimals := signOf(m.Currency, lang)
	amount, negative := strings.CutPrefix(m.Amount, "-")
	whole, fraction, _ := strings.Cut(amount, ".")
	for len(fraction) > decimals && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	if decimals > len(fraction) {
		fraction += strings.Repeat("0", decimals-len(fraction))
	}
	number := grouped(strings.TrimLeft(whole, "0"), format.group)
	if fraction != "" {
		number += format.point + fraction
	}
	pattern := format.pattern
	if last, _ := utf8.DecodeLastRuneInString(sign); unicode.IsLetter(last) && pattern == "¤#" {
		pattern = "¤~#" // CHF 5, not CHF5
	}
	if negative {
		pattern = "-" + pattern
	}
	return strings.NewReplacer("~", "\u00a0", "¤", sign, "#", number).Replace(pattern)
}

// grouped puts a separator between the thousands of a number without leading zeros.
func grouped(digits, separator string) string {
	if digits == "" {
		return "0"
	}
	if len(digits) <= 3 {
		return digits
	}
	return grouped(digits[:len(digits)-3], separator) + separator + digits[len(digits)-3:]
}

// signOf returns the sign of a currency in a language, which no other currency has there, and how many decimals it has.
// A currency that is not known has its code, and no decimals that it must have.
func signOf(code, lang string) (sign string, decimals int) {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return code, 0
	}
	decimals, _ = currency.Standard.Rounding(unit)
	var b signWriter
	b.lang = language.Make(lang)
	currency.Symbol(unit).Format(&b, 'v')
	if sign = b.String(); sign == "¤" {
		sign = code
	}
	return sign, decimals
}

// signWriter is what golang.org/x/text/currency wants of a fmt.State to write a sign in a language.
type signWriter struct {
	strings.Builder
	lang language.Tag
}

func (w *signWriter) Language() language.Tag { return w.lang }
func (*signWriter) Width() (int, bool)       { return 0, false }
func (*signWriter) Precision() (int, bool)   { return 0, false }
func (*signWriter) Flag(int) bool            { return false }

var _ fmt.State = (*signWriter)(nil)

// apart keeps a value from reordering the text around it (Unicode Standard Annex 9), where no bdi element can be. The
// value has no such characters itself.
func apart(lang, value string) string {
	if direction(lang) == "ltr" && !strings.ContainsFunc(value, isRightToLeft) {
		return value
	}
	return "\u2068" + value + "\u2069"
}

func isRightToLeft(r rune) bool {
	p, _ := bidi.LookupRune(r)
	c := p.Class()
	return c == bidi.R || c == bidi.AL || c == bidi.AN
}
