package templates

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/strictjson"
)

// catalogueFiles has a folder for each language, and in it a flat JSON object of texts for each topic. "{name}" in
// a text is a placeholder.
//
//go:embed catalogue
var catalogueFiles embed.FS

// catalogue holds the texts of one language.
type catalogue map[string]string

// catalogues are those of all languages, read once.
var catalogues = sync.OnceValues(loadCatalogues)

func loadCatalogues() (map[string]catalogue, error) {
	all := map[string]catalogue{}
	for _, lang := range languages {
		texts, err := loadCatalogue(catalogueFiles, "catalogue/"+lang)
		if err != nil {
			return nil, err
		}
		all[lang] = texts
	}
	return all, nil
}

// loadCatalogue reads the topics of one language from a folder. A text that is there twice is an error, in one
// topic or in two.
func loadCatalogue(files fs.FS, folder string) (catalogue, error) {
	topics, err := fs.Glob(files, folder+"/*.json")
	if err != nil {
		return nil, err
	}
	all := catalogue{}
	for _, topic := range topics {
		b, err := fs.ReadFile(files, topic)
		if err != nil {
			return nil, err
		}
		texts := catalogue{}
		if err := strictjson.Unmarshal(b, &texts); err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		for key, text := range texts {
			if _, twice := all[key]; twice {
				return nil, fmt.Errorf("read %s: another topic has the text %q too", topic, key)
			}
			all[key] = text
		}
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
