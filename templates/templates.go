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
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Renderer draws pages. It is safe for concurrent use.
type Renderer struct {
	pages  map[string]*pageSet // by language
	assets assets
}

// New reads the texts of every language. A page is prepared when it is first drawn. basePath is the path of the
// issuer without a trailing slash: "" or, for example, "/auth". The error names everything that is wrong with the branding.
func New(basePath string, brand Branding) (*Renderer, error) {
	if brand.Name == "" {
		brand.Name = defaultName
	}
	files, err := newAssets(basePath, brand)
	if err != nil {
		return nil, err
	}
	catalogues, err := catalogues()
	if err != nil {
		return nil, err
	}
	r := &Renderer{pages: map[string]*pageSet{}, assets: files}
	for _, lang := range languages {
		r.pages[lang] = newPageSet(lang, catalogues[lang], brand, files)
	}
	return r, nil
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
	prepared, err := r.pages[lang].page(m.template)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := prepared.Execute(&body, view{m.template, status, w.Header().Get("X-Request-Id"), page}); err != nil {
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
