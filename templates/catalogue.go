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

// around is text as HTML, of which only the value can be seen: screen readers get all of it. It is for a button in a
// group whose other words go without saying.
func (c catalogue) around(key, name, value string) (template.HTML, error) {
	text, ok := c[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	before, after, _ := strings.Cut(text, "{"+name+"}")
	unseen := func(words string) string {
		if words == "" {
			return ""
		}
		return `<span class="unseen">` + template.HTMLEscapeString(words) + `</span>`
	}
	return template.HTML(unseen(before) + "<bdi>" + template.HTMLEscapeString(value) + "</bdi>" + unseen(after)), nil
}

// more returns the second sentence of a text: it says what to do. Not every text has one.
func (c catalogue) more(family string, name any) string {
	return c[fmt.Sprintf("%s.%v.do", family, name)]
}

// explanation is what a page says of an error: what happened, and what to do.
type explanation struct{ Heading, Text string }

// errorText explains an error code, or its status if the code is unknown.
func (c catalogue) errorText(code string, status int) explanation {
	if _, ok := c["error."+code]; !ok {
		code = "4xx"
		if status >= 500 {
			code = "5xx"
		}
	}
	return explanation{c["error."+code], c["error."+code+".do"]}
}

// scopeText explains a scope in the operator's words, or a standard scope in ours. Without either it returns "".
func (c catalogue) scopeText(lang string, s Scope) string {
	if text := s.Description.In(lang); text != "" {
		return text
	}
	if s.Resource != "" {
		return ""
	}
	return c["scope."+s.Name]
}

// scopeGroup is the scopes that belong together on a page.
type scopeGroup struct {
	Heading string
	Host    string // of an API; may be empty
	Scopes  []Scope
}

// scopeGroups puts the scopes of each API together, behind those of the account. What an app may do while the person
// is away comes last.
func (c catalogue) scopeGroups(scopes []Scope) []scopeGroup {
	account, away := scopeGroup{Heading: c["consent.your_account"]}, scopeGroup{Heading: c["consent.away"]}
	var apis []scopeGroup
	for _, s := range scopes {
		i := slices.IndexFunc(apis, func(g scopeGroup) bool { return g.Heading == s.Resource && g.Host == s.Host })
		switch {
		case s.Name == "offline_access":
			away.Scopes = append(away.Scopes, s)
		case s.Resource == "":
			account.Scopes = append(account.Scopes, s)
		case i >= 0:
			apis[i].Scopes = append(apis[i].Scopes, s)
		default:
			apis = append(apis, scopeGroup{s.Resource, s.Host, []Scope{s}})
		}
	}
	groups := append([]scopeGroup{account}, append(apis, away)...)
	return slices.DeleteFunc(groups, func(g scopeGroup) bool { return len(g.Scopes) == 0 })
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
