package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"golang.org/x/text/language"
)

// sharedFields are the members that all types of authorization_details have (RFC 9396 sections 2 and
// 2.2).
var sharedFields = []string{"type", "locations", "actions", "datatypes", "identifier", "privileges"}

func (l *loader) checkDetailType(t *DetailType, path string) {
	l.checkLabel(path+".name", t.Name)
	l.checkEach(path+".fields", t.Fields, func(name string) *member.Flaw {
		if slices.Contains(sharedFields, name) {
			return problemf("remove it", "all types have it")
		}
		return checkNotEmpty(name)
	})
	l.checkEach(path+".required", t.Required, func(name string) *member.Flaw {
		if name == "type" || (!slices.Contains(sharedFields, name) && !slices.Contains(t.Fields, name)) {
			return problemf("list it under fields too", "not a member that this type has")
		}
		return nil
	})
	l.checkTexts(path+".labels", t.Labels, slices.Concat(t.Fields, sharedFields), "list it under fields too")
	l.checkPayment(t, path+".payment")
	for lang, text := range t.Headline {
		at := child(path+".headline", lang)
		l.report(at, text, cmp.Or(languageFlaw(lang), member.LabelFlaw(text)))
		for _, name := range regexp.MustCompile(`\{[^{}]*\}`).FindAllString(text, -1) {
			if !slices.Contains(t.Fields, strings.Trim(name, "{}")) {
				l.report(at, text, problemf("list it under fields too", "%s is not a member that this type has", name))
			}
		}
	}
}

// checkPayment checks that a payment has an amount at all times, and names members that the type has.
func (l *loader) checkPayment(t *DetailType, path string) {
	p := &t.Payment
	if *p == (DetailPayment{}) {
		return
	}
	if p.Amount == "" {
		l.report(path+".amount", nil, problemf("name the member that has the amount", "a payment without an amount"))
	}
	seen := []string{""}
	for _, m := range []struct {
		key, name string
		required  bool
	}{{"amount", p.Amount, true}, {"currency", p.Currency, true}, {"payee", p.Payee, false}} {
		switch {
		case m.name != "" && !slices.Contains(t.Fields, m.name):
			l.report(child(path, m.key), m.name, problemf("list it under fields too", "not a member that this type has"))
		case m.name != "" && m.required && !slices.Contains(t.Required, m.name):
			l.report(child(path, m.key), m.name, problemf("list it under required too", "a request could leave it out"))
		case m.name != "" && slices.Contains(seen, m.name):
			l.report(child(path, m.key), m.name, problemf("name another member", "named twice"))
		}
		seen = append(seen, m.name)
	}
}

// checkTexts checks texts for people, each under a name that is known, with # and a language behind it except for the
// default.
func (l *loader) checkTexts(path string, texts map[string]string, known []string, hint string) {
	for key, text := range texts {
		at := child(path, key)
		name, lang, translated := strings.Cut(key, "#")
		switch {
		case !slices.Contains(known, name):
			l.report(at, nil, problemf(hint, "%s is not known", name))
		case translated && languageFlaw(lang) != nil:
			l.report(at, nil, languageFlaw(lang))
		default:
			l.report(at, text, member.LabelFlaw(text))
		}
	}
}

// languageFlaw returns what is wrong with a language's tag (BCP 47), nil if nothing is.
func languageFlaw(tag string) *member.Flaw {
	if _, err := language.Parse(tag); err != nil {
		return problemf("write a language such as de or pt-BR", "not a language")
	}
	return nil
}
