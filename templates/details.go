package templates

import (
	"regexp"
	"slices"
	"strings"
)

// AuthorizationDetail is one object of authorization_details (RFC 9396 section 2).
type AuthorizationDetail struct {
	Type     string // a description by the operator
	Resource string // the name of the resource; empty if there is none
	// Headline says all of it in one sentence, with fields in braces, such as "Pay {instructedAmount} to {creditorName}".
	// It may be empty. If a field of it is missing or long, the page has no sentence: it would say less than the truth.
	Headline Text
	Payment  *Payment // nil: it is none
	Fields   []DetailField
}

// Payment is how much is to be paid, and to whom.
type Payment struct {
	Amount Money  // more than nothing
	Payee  string // empty: not known
}

// DetailField is one member of an authorization detail. If its Value has more than MaxDetailValue characters,
// the page cuts it and says so.
type DetailField struct {
	Name  string // of the member
	Label Text   // the operator's word for it; without one, the name is shown
	Value string
	Money *Money     // what Value means; nil: it is no amount of money
	Part  DetailPart // of a payment
}

// DetailPart is what a member is in a payment. It has a word of ours, and is emphasised.
type DetailPart string

const (
	AmountPart DetailPart = "amount"
	PayeePart  DetailPart = "payee"
)

// MaxDetailValue is how many characters of a value are shown. A person should not have to agree to something
// that the page hides, so refuse requests with longer values.
const MaxDetailValue = 500

// maxHeadlineValue bounds, in bytes, a value in a headline.
const maxHeadlineValue = 120

var fieldName = regexp.MustCompile(`\{[^{}]+\}`)

// sentence returns the headline of a detail in a language, "" if there is none.
func sentence(lang string, d AuthorizationDetail) string {
	for _, text := range []string{d.Headline[lang], d.Headline[""], d.Headline["en"]} {
		missing := false
		said := fieldName.ReplaceAllStringFunc(text, func(name string) string {
			value := d.inSentence(lang, strings.Trim(name, "{}"))
			missing = missing || value == ""
			return value
		})
		if said != "" && !missing {
			return said
		}
	}
	return ""
}

// inSentence returns the value of a field, "" if it is missing, or no short text.
func (d AuthorizationDetail) inSentence(lang, name string) string {
	i := slices.IndexFunc(d.Fields, func(f DetailField) bool { return f.Name == name })
	switch {
	case i < 0:
		return ""
	case d.Fields[i].Money != nil:
		return apart(lang, d.Fields[i].Money.In(lang))
	}
	return shortValue(lang, d.Fields[i].Value)
}

// shortValue returns a value for a heading, "" if it is no short text.
func shortValue(lang, value string) string {
	if value == "" || len(value) > maxHeadlineValue || strings.Contains(value, "\n") {
		return ""
	}
	return apart(lang, value)
}
