package templates

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// languages we speak; the first is the fallback.
var languages = []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ja", "zh", "ar"}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, lang := range languages {
		tags[i] = language.MustParse(lang)
	}
	return language.NewMatcher(tags)
}()

// maxPreferences bounds, in bytes, how much of a list of languages is read.
const maxPreferences = 512

// chooseLanguage returns one of languages: the best match in ui_locales, else the best in
// Accept-Language, else the first. Nothing in either is an error.
func chooseLanguage(uiLocales, acceptLanguage string) string {
	if len(uiLocales) <= maxPreferences {
		var tags []language.Tag
		for _, s := range strings.Fields(uiLocales) {
			if tag, err := language.Parse(s); err == nil {
				tags = append(tags, tag)
			}
		}
		if lang := match(tags); lang != "" {
			return lang
		}
	}
	if len(acceptLanguage) <= maxPreferences {
		if tags, _, err := language.ParseAcceptLanguage(acceptLanguage); err == nil {
			if lang := match(tags); lang != "" {
				return lang
			}
		}
	}
	return languages[0]
}

func match(tags []language.Tag) string {
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return ""
	}
	return languages[i]
}

// Language returns the language of a page: the best of those that a client (ui_locales) or else a browser
// (Accept-Language) prefers.
func Language(uiLocales, acceptLanguage string) string {
	return chooseLanguage(uiLocales, acceptLanguage)
}

// Languages lists the languages that pages come in, as BCP 47 tags.
func Languages() []string { return slices.Clone(languages) }

// direction returns in which direction a language is written: ltr or rtl.
func direction(lang string) string {
	if lang == "ar" {
		return "rtl"
	}
	return "ltr"
}
