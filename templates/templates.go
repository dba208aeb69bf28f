// Package templates draws the pages that a person sees from typed data. It knows neither storage nor
// protocol.
//
//	Branding -> New -> theme + style.css, logo, marks -> Assets (cached for ever, hash in the name)
//	                |
//	Page -> Render: choose the language (ui_locales, Accept-Language), texts from catalogue/<language>/<topic>.json
//	               -> html/layout.html around html/<page>.html, into a buffer
//	               -> headers and body, or an error and nothing written
//
// Every page works without JavaScript. The only scripts are the line that submits a FormPost, and the lines
// that leave a LoggedOut page when its frames have loaded. The Content-Security-Policy of those pages names
// their hashes.
package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed html
var htmlFiles embed.FS

// Renderer draws pages. It is safe for concurrent use.
type Renderer struct {
	pages  map[string]map[string]*template.Template // by language, then by page
	assets assets
}

// New prepares every page in every language. basePath is the path of the issuer without a trailing slash: ""
// or, for example, "/auth". The error names everything that is wrong with the branding.
func New(basePath string, brand Branding) (*Renderer, error) {
	if brand.Name == "" {
		brand.Name = defaultName
	}
	files, err := newAssets(basePath, brand)
	if err != nil {
		return nil, err
	}
	catalogues, err := loadCatalogues()
	if err != nil {
		return nil, err
	}
	r := &Renderer{pages: map[string]map[string]*template.Template{}, assets: files}
	for _, lang := range languages {
		if r.pages[lang], err = parse(lang, catalogues[lang], brand, files); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parse reads the pages with the texts of one language.
func parse(lang string, texts catalogue, brand Branding, files assets) (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Option("missingkey=error").Funcs(template.FuncMap{
		"t":            texts.text,
		"rich":         texts.rich,
		"errorText":    texts.errorText,
		"scopeText":    texts.scopeText,
		"claimLabel":   texts.claimLabel,
		"date":         texts.date,
		"lang":         func() string { return lang },
		"brand":        func() Branding { return brand },
		"asset":        files.url,
		"appLink":      appLink,
		"webLink":      webLink,
		"foreignLink":  foreignLink,
		"redirectHost": redirectHost,
		"initial":      initial,
		"cut":          cut,
		"differ":       differ,
	}).ParseFS(htmlFiles, "html/layout.html", "html/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	pages := map[string]*template.Template{}
	names, err := pageNames()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(htmlFiles, "html/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		pages[name] = page
	}
	return pages, nil
}

// pageNames lists the pages in html: every file but the layout and its parts.
func pageNames() ([]string, error) {
	files, err := fs.Glob(htmlFiles, "html/*.html")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); name != "layout" && name != "parts" {
			names = append(names, name)
		}
	}
	return names, nil
}

// view is the data of the layout.
type view struct {
	Name      string // of the page's template
	Status    int
	RequestID string // empty: the page has none
	Page      Page
}

// Render answers req with a page, which shows the X-Request-Id that the answer has already. If it returns an
// error, nothing has been written. The policy has no form-action, because Chromium applies it to the whole
// redirect chain behind a form, which ends at the client.
func (r *Renderer) Render(w http.ResponseWriter, req *http.Request, status int, page Page) error {
	m := page.meta()
	if m.err != nil {
		return fmt.Errorf("render page %s: %w", m.template, m.err)
	}
	lang := chooseLanguage(m.uiLocales, req.Header.Get("Accept-Language"))
	var body bytes.Buffer
	if err := r.pages[lang][m.template].Execute(&body, view{m.template, status, w.Header().Get("X-Request-Id"), page}); err != nil {
		return fmt.Errorf("render page %s: %w", m.template, err)
	}

	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Security-Policy", policy(m))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // without a referrer, browsers post our own forms from the origin null
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may have gone
	return nil
}

// policy is the Content-Security-Policy of a page.
func policy(m meta) string {
	directives := []string{
		"default-src 'none'",
		"style-src 'self'",
		strings.TrimSpace("img-src 'self' " + m.imageOrigin),
		"frame-ancestors 'none'",
		"base-uri 'none'",
	}
	if len(m.frameOrigins) > 0 {
		directives = append(directives, "frame-src "+strings.Join(m.frameOrigins, " "))
	}
	if m.script != "" {
		sum := sha256.Sum256([]byte(m.script))
		directives = append(directives, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(directives, "; ")
}
