package templates

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// languages we speak; the first is the fallback. Another one also needs its name below, moneyFormats in money.go, and
// the enum of Branding.Languages in package config.
var languages = []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ja", "zh", "ar"}

// names are what the languages call themselves.
var names = map[string]string{
	"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "it": "Italiano", "pt": "Português",
	"nl": "Nederlands", "pl": "Polski", "ja": "日本語", "zh": "中文", "ar": "العربية",
}

// speaker chooses among the languages that are offered.
type speaker struct {
	languages []string // the first is the fallback
	matcher   language.Matcher
}

// newSpeaker offers some of our languages, all of them if none is named. The error names what is no language of ours.
func newSpeaker(offered []string) (speaker, error) {
	if len(offered) == 0 {
		offered = languages
	}
	var tags []language.Tag
	for _, lang := range offered {
		if !slices.Contains(languages, lang) {
			return speaker{}, fmt.Errorf("branding languages %q: not one of %s", lang, strings.Join(languages, ", "))
		}
		tags = append(tags, language.MustParse(lang))
	}
	return speaker{slices.Clone(offered), language.NewMatcher(tags)}, nil
}

// maxPreferences bounds, in bytes, how much of a list of languages is read.
const maxPreferences = 512

// choose returns the best match in uiLocales, BCP 47 tags separated by spaces, else the best in acceptLanguage, else the
// first language. Nothing in either is an error.
func (s speaker) choose(uiLocales, acceptLanguage string) string {
	if len(uiLocales) <= maxPreferences {
		var tags []language.Tag
		for _, s := range strings.Fields(uiLocales) {
			if tag, err := language.Parse(s); err == nil {
				tags = append(tags, tag)
			}
		}
		if lang := s.match(tags); lang != "" {
			return lang
		}
	}
	if len(acceptLanguage) <= maxPreferences {
		if tags, _, err := language.ParseAcceptLanguage(acceptLanguage); err == nil {
			if lang := s.match(tags); lang != "" {
				return lang
			}
		}
	}
	return s.languages[0]
}

func (s speaker) match(tags []language.Tag) string {
	_, i, confidence := s.matcher.Match(tags...)
	if confidence == language.No {
		return ""
	}
	return s.languages[i]
}

// Languages lists the languages that pages can come in, as BCP 47 tags.
func Languages() []string { return slices.Clone(languages) }

// direction returns in which direction a language is written: ltr or rtl.
func direction(lang string) string {
	switch script, _ := language.Make(lang).Script(); script.String() {
	case "Arab", "Hebr":
		return "rtl"
	}
	return "ltr"
}
