package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// catalogueFiles hold one flat JSON object of texts per language. "{name}" in a text is a
// placeholder.
//
//go:embed catalogue
var catalogueFiles embed.FS

// languages we speak; the first is the fallback.
var languages = []string{"en", "de", "fr", "es"}

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

// catalogue holds the texts of one language.
type catalogue map[string]string

func loadCatalogues() (map[string]catalogue, error) {
	all := map[string]catalogue{}
	for _, lang := range languages {
		b, err := catalogueFiles.ReadFile("catalogue/" + lang + ".json")
		if err != nil {
			return nil, err
		}
		texts := catalogue{}
		if err := json.Unmarshal(b, &texts); err != nil {
			return nil, fmt.Errorf("read catalogue %s: %w", lang, err)
		}
		all[lang] = texts
	}
	return all, nil
}

// text returns a text with its placeholders filled from pairs of name and value.
func (c catalogue) text(key string, pairs ...string) (string, error) {
	text, ok := c[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	return strings.NewReplacer(braced(pairs)...).Replace(text), nil
}

// rich is text as HTML, with the values emphasised and kept from reordering the text around them.
func (c catalogue) rich(key string, pairs ...string) (template.HTML, error) {
	text, ok := c[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	pairs = braced(pairs)
	for i := 1; i < len(pairs); i += 2 {
		pairs[i] = "<strong><bdi>" + template.HTMLEscapeString(pairs[i]) + "</bdi></strong>"
	}
	return template.HTML(strings.NewReplacer(pairs...).Replace(template.HTMLEscapeString(text))), nil
}

// braced copies pairs with each name in braces, as it is in the texts.
func braced(pairs []string) []string {
	out := slices.Clone(pairs)
	for i := 0; i < len(out); i += 2 {
		out[i] = "{" + out[i] + "}"
	}
	return out
}

// errorText returns the plain sentence for an error code, or for its status if the code is unknown.
func (c catalogue) errorText(code string, status int) string {
	if text, ok := c["error."+code]; ok {
		return text
	}
	if status >= 500 {
		return c["error.5xx"]
	}
	return c["error.4xx"]
}

// scopeText explains a standard scope, or returns "" if it is not one.
func (c catalogue) scopeText(s Scope) string {
	if s.Resource != "" {
		return ""
	}
	return c["scope."+s.Name]
}

// claimLabel names a standard claim, and leaves others as they are.
func (c catalogue) claimLabel(claim string) string {
	if label, ok := c["claim."+claim]; ok {
		return label
	}
	return claim
}

// date writes a moment to the minute, in UTC.
func (c catalogue) date(t time.Time) string {
	t = t.UTC()
	return strings.NewReplacer(
		"{day}", t.Format("2"),
		"{month}", c["month."+t.Format("1")],
		"{year}", t.Format("2006"),
		"{time}", t.Format("15:04"),
	).Replace(c["date"])
}

// initial returns the first letter of the first name that begins with a letter.
func initial(names ...string) string {
	for _, s := range names {
		if r, _ := utf8.DecodeRuneInString(strings.TrimSpace(s)); unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "?"
}

// Languages lists the languages that pages come in, as BCP 47 tags.
func Languages() []string { return slices.Clone(languages) }
