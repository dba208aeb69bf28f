package templates

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// pluralForms are the forms of a text that depends on a number. Each language has the keys of the forms that it
// needs: "ago.minutes#one", "ago.minutes#other".
var pluralForms = map[plural.Form]string{
	plural.Zero: "#zero", plural.One: "#one", plural.Two: "#two", plural.Few: "#few", plural.Many: "#many", plural.Other: "#other",
}

// pluralForm returns the form that a language uses with n things, such as "#one".
func pluralForm(lang string, n int) string {
	return pluralForms[plural.Cardinal.MatchPlural(language.MustParse(lang), n, 0, 0, 0, 0)]
}

// plural returns the text for n things, with n in place of {count}.
func (c catalogue) plural(lang, key string, n int) (string, error) {
	return c.text(key+pluralForm(lang, n), "count", strconv.Itoa(n))
}

// in writes a moment to the minute, in a zone; nil is UTC, which is named.
func (c catalogue) in(zone *time.Location, t time.Time) template.HTML {
	return timeElement(t, c.moment(t, zone))
}

// ago says how long ago a moment was, up to a day; then it is in.
func (c catalogue) ago(lang string, zone *time.Location, t time.Time) (template.HTML, error) {
	past := time.Since(t)
	var text string
	var err error
	switch {
	case past < time.Minute:
		text, err = c.text("ago.now")
	case past < time.Hour:
		text, err = c.plural(lang, "ago.minutes", int(past/time.Minute))
	case past < 24*time.Hour:
		text, err = c.plural(lang, "ago.hours", int(past/time.Hour))
	default:
		return c.in(zone, t), nil
	}
	return timeElement(t, text), err
}

// timeElement is a moment for machines around its text for people.
func timeElement(t time.Time, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.UTC().Format("2006-01-02T15:04:05Z"), template.HTMLEscapeString(text)))
}

// moment writes a moment to the minute, in a zone; nil is UTC.
func (c catalogue) moment(t time.Time, zone *time.Location) string {
	if zone == nil || zone == time.UTC {
		return c.date(t)
	}
	t = t.In(zone)
	name := t.Format("MST")
	local := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	return strings.Replace(c.date(local), "UTC", name, 1)
}
