// Package inspect says what is wrong with an operator's own templates before a person meets it.
//
//	folder -> Templates: every page of package gallery, every mail
//	            draw with theirs: errors of the template, with file and line
//	            draw with ours, once: what the page must have (needs.go)
//	            compare: fields, buttons, links and ids that are missing; what a browser would block (blocked.go)
//
// It can't see what none of these pages reaches: a condition on the name of one client, for example.
package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/html"

	"github.com/authzd/authzd/templates"
	"github.com/authzd/authzd/templates/gallery"
)

// mostFlaws bounds what is said of one file: a mistake in a part that every page has is one of every page.
const mostFlaws = 10

// Templates returns everything that is wrong with the templates of a branding, by file and line. The rest of the branding
// must be right. The error is the system's, about the folder.
func Templates(issuer string, b templates.Branding) ([]*templates.TemplateError, error) {
	names, err := templates.OwnTemplates(b.Templates)
	if flaws := each(err); len(flaws) > 0 {
		return flaws, nil
	} else if err != nil || len(names) == 0 {
		return nil, err
	}
	c := &checker{folder: b.Templates, names: names, texts: map[string]string{}, found: map[templates.TemplateError]finding{}, languages: b.Languages}
	if len(c.languages) == 0 {
		c.languages = templates.Languages()
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(b.Templates, name))
		if err != nil {
			return nil, err
		}
		c.texts[name] = string(text)
	}
	if err := errors.Join(c.checkPages(issuer, b), c.checkLetters(issuer, b)); err != nil {
		return nil, err
	}
	return c.flaws(), nil
}

// each returns the template errors that an error joins.
func each(err error) (flaws []*templates.TemplateError) {
	if flaw, ok := err.(*templates.TemplateError); ok {
		return []*templates.TemplateError{flaw}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			flaws = append(flaws, each(err)...)
		}
	}
	return flaws
}

// checker gathers flaws, each once.
type checker struct {
	folder string
	names  []string                            // of the operator's templates
	texts  map[string]string                   // by name
	found  map[templates.TemplateError]finding // by the flaw without its hint, which quotes one page of many

	languages []string // that are offered
}

// finding is where a flaw was found first, and what to do about it.
type finding struct{ hint, in string }

func (c *checker) has(name string) bool { return slices.Contains(c.names, name) }

// add notes a flaw of a file, found in a page or a mail.
func (c *checker) add(name string, line int, hint, reason, in string) {
	c.note(templates.TemplateError{File: filepath.Join(c.folder, name), Line: line, Reason: reason, Hint: hint}, in)
}

func (c *checker) note(flaw templates.TemplateError, in string) {
	f := finding{printable(flaw.Hint), in}
	flaw.Reason, flaw.Hint = printable(flaw.Reason), ""
	if _, known := c.found[flaw]; !known {
		c.found[flaw] = f
	}
}

// printable returns a text that may have parts of a template as one line, without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, strings.ReplaceAll(s, "\n", " "))
}

// line returns the first line of a template that has a text in any case, between two patterns; 0: none has it.
func (c *checker) line(name, before, text, after string) int {
	pattern, err := regexp.Compile("(?i)" + before + regexp.QuoteMeta(text) + after)
	if err != nil {
		return 0 // the text is no UTF-8, as the parser of HTML cut it
	}
	at := pattern.FindStringIndex(c.texts[name])
	if at == nil {
		return 0
	}
	return 1 + strings.Count(c.texts[name][:at[0]], "\n")
}

// flaws returns what was found, by file and line.
func (c *checker) flaws() (flaws []*templates.TemplateError) {
	for flaw, f := range c.found {
		flaw.Reason, flaw.Hint = flaw.Reason+" (in "+f.in+")", f.hint
		flaws = append(flaws, &flaw)
	}
	slices.SortFunc(flaws, func(a, b *templates.TemplateError) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Reason, b.Reason))
	})
	of := map[string]int{}
	for _, flaw := range flaws {
		of[flaw.File]++
	}
	said := map[string]int{}
	return slices.DeleteFunc(flaws, func(flaw *templates.TemplateError) bool {
		said[flaw.File]++
		if said[flaw.File] == mostFlaws && of[flaw.File] > mostFlaws {
			flaw.Reason += fmt.Sprintf(", and %d more like this", of[flaw.File]-mostFlaws)
		}
		return said[flaw.File] > mostFlaws
	})
}

// failed notes that a template could not be parsed or drawn. instead is the file to blame if the error is in one of ours.
func (c *checker) failed(err error, instead, hint, in string) {
	flaw := templates.Locate(err, c.folder, instead)
	if flaw == nil {
		c.add(instead, 1, fmt.Sprintf("compare it with %q", "authzd template print "+instead), err.Error(), in)
		return
	}
	if hint != "" {
		flaw.Hint = hint
	}
	if name := undefined.FindStringSubmatch(flaw.Reason); name != nil {
		flaw.Hint = `write {{define "` + name[1] + name[2] + `"}}…{{end}}`
	}
	c.note(*flaw, in)
}

var (
	undefined  = regexp.MustCompile(`no such template "([^"]*)"|template "([^"]*)" not defined`)
	wrongField = regexp.MustCompile(`can't evaluate field \w+ in type templates\.(\w+)$`)
)

// checkPages draws every page that one of the templates is part of.
func (c *checker) checkPages(issuer string, b templates.Branding) error {
	if !slices.ContainsFunc(c.names, func(name string) bool { return !strings.HasPrefix(name, "letter.") }) {
		return nil
	}
	theirs, err := templates.New(issuer, b)
	if err != nil {
		return err
	}
	plain := b
	plain.Templates = ""
	ours, err := templates.New(issuer, plain)
	if err != nil {
		return err
	}
	all := c.has("layout.html") || c.has("parts.html")
	pages := gallery.Pages()
	for i, shows := range slices.Sorted(maps.Keys(pages)) {
		page := pages[shows]
		name := templates.NameOf(page) + ".html"
		if !all && !c.has(name) {
			continue
		}
		model, err := draw(ours, c.languages[0], page)
		if err != nil {
			return err
		}
		p := &pageCheck{checker: c, shows: shows, name: name, needs: read(model)}
		for _, lang := range c.languagesFor(name, i) {
			known := len(c.found)
			drawn, err := draw(theirs, lang, page)
			if err == nil {
				p.compare(read(drawn))
			} else {
				c.failed(err, p.blamed(), fieldsHint(err, page), p.in())
			}
			if len(c.found) > known {
				break // the other languages would say the same
			}
		}
	}
	return nil
}

// languagesFor returns the languages to draw a page in: all if its own template is the operator's. If only parts of it are,
// the first and one that changes from page to page, so that each part is drawn in many.
func (c *checker) languagesFor(name string, i int) []string {
	all := c.languages
	if c.has(name) {
		return all
	}
	return slices.Compact([]string{all[0], all[i%len(all)]})
}

// pageCheck is the check of one page.
type pageCheck struct {
	*checker
	shows string // its name in the gallery
	name  string // of the file of its template
	needs *document
}

// files are the operator's templates that are part of the page: its own first.
func (p *pageCheck) files() (files []string) {
	for _, name := range []string{p.name, "parts.html", "layout.html"} {
		if p.has(name) {
			files = append(files, name)
		}
	}
	return files
}

// blamed is the file that must have what the page lacks.
func (p *pageCheck) blamed() string { return p.files()[0] }

// lacks notes that the page does not have what it needs.
func (p *pageCheck) lacks(hint, reason string) {
	name, line := p.blamed(), 1
	if at := strings.Index(p.texts[name], `define "content"`); at >= 0 {
		line += strings.Count(p.texts[name][:at], "\n")
	}
	p.add(name, line, hint, reason, p.in())
}

func (p *pageCheck) in() string { return "the page “" + p.shows + "”" }

// draw returns a page as a browser gets it.
func draw(r *templates.Renderer, lang string, page templates.Page) (*html.Node, error) {
	w := &recorder{header: http.Header{"X-Request-Id": {"r-1"}}}
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{"Accept-Language": {lang}}}
	if err := r.Render(w, req, http.StatusOK, page); err != nil {
		return nil, err
	}
	return html.Parse(strings.NewReader(w.body.String()))
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// fieldsHint lists the data of a page, for an error about a field that it does not have.
func fieldsHint(err error, page templates.Page) string {
	t, wrong := reflect.TypeOf(page), wrongField.FindStringSubmatch(err.Error())
	if wrong == nil || wrong[1] != "Page" && wrong[1] != t.Name() {
		return ""
	}
	var fields []string
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && !f.Anonymous {
			fields = append(fields, f.Name)
		}
	}
	return ".Page has " + strings.Join(fields, ", ")
}
