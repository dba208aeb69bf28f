package templates

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"sync"
	"time"
)

//go:embed html
var htmlFiles embed.FS

// pageSet has the pages of one language. Each is prepared when it is first drawn, because a server draws few pages
// in most languages, and preparing all of them takes longer than the rest of its start.
type pageSet struct {
	own    own
	layout func() (*template.Template, error)

	mu    sync.Mutex
	pages map[string]*template.Template // by name
}

// newPageSet has the texts of one language, and the operator's templates.
func newPageSet(lang string, texts catalogue, brand Branding, files assets, issuer *url.URL, theirs own) *pageSet {
	return &pageSet{own: theirs, pages: map[string]*template.Template{}, layout: sync.OnceValues(func() (*template.Template, error) {
		layout := template.New(layoutFile).Option("missingkey=error").Funcs(template.FuncMap{
			"t":            texts.text,
			"rich":         texts.rich,
			"around":       texts.around,
			"more":         texts.more,
			"errorText":    texts.errorText,
			"scopeText":    func(s Scope) string { return texts.scopeText(lang, s) },
			"inWords":      func(t Text) string { return t.In(lang) },
			"scopeGroups":  texts.scopeGroups,
			"sentence":     func(d AuthorizationDetail) string { return sentence(lang, d) },
			"money":        func(m Money) string { return apart(lang, m.In(lang)) },
			"short":        func(value string) string { return shortValue(lang, value) },
			"claimLabel":   texts.claimLabel,
			"date":         texts.date,
			"in":           texts.in,
			"ago":          func(zone *time.Location, t time.Time) (template.HTML, error) { return texts.ago(lang, zone, t) },
			"plural":       func(key string, n int) (string, error) { return texts.plural(lang, key, n) },
			"when":         texts.moment,
			"lang":         func() string { return lang },
			"dir":          func() string { return direction(lang) },
			"languageName": func(lang string) string { return names[lang] },
			"brand":        func() Branding { return brand },
			"host":         func() string { return issuer.Host },
			"named":        named,
			"accountURL":   func() string { return issuer.Path + "/account" },
			"asset":        files.url,
			"icon":         icon,
			"appLink":      appLink,
			"webLink":      webLink,
			"foreignLink":  foreignLink,
			"redirectHost": redirectHost,
			"initial":      initial,
			"cut":          cut,
			"differ":       differ,
		})
		err := theirs.parse(layout, layoutFile)
		if err == nil {
			err = own(nil).parse(layout, partsFile)
		}
		if err == nil {
			err = theirs.parse(layout, partsFile) // what it defines replaces ours
		}
		if err != nil {
			return nil, fmt.Errorf("parse layout: %w", err)
		}
		return layout, nil
	})}
}

// parse adds a template to a set: the operator's, or ours.
func (o own) parse(set *template.Template, name string) error {
	text, err := o.text(name)
	if err != nil {
		return err
	}
	if set.Name() != name {
		set = set.New(name)
	}
	_, err = set.Parse(text)
	return err
}

// page returns a page by its name.
func (s *pageSet) page(name string) (*template.Template, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if page, ok := s.pages[name]; ok {
		return page, nil
	}
	layout, err := s.layout()
	if err != nil {
		return nil, err
	}
	page, err := layout.Clone()
	if err == nil {
		err = s.own.parse(page, name+".html")
	}
	if err != nil {
		return nil, fmt.Errorf("parse page %s: %w", name, err)
	}
	s.pages[name] = page
	return page, nil
}
