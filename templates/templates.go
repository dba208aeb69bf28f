// Package templates draws the pages that a person sees from typed data. It knows neither storage nor
// protocol.
//
//	Branding -> New -> theme + style.css, logo, marks -> Assets (cached for ever, hash in the name)
//	                |
//	Page -> Render: choose the language (language_choice.go), texts from catalogue/<language>/<topic>.json
//	               -> html/layout.html around html/<page>.html, into a buffer
//	               -> headers and body, or an error and nothing written
//
// A page defines "heading" (also the title, so without markup) and "content"; "lead" is a sentence below the heading,
// and "way" the stations between the person and the app: "start" is this server. The line that leaves a station is
// dotted, with the class joined it is solid, with cut it ends in red, with ended in grey. Dots are $: the whole view.
//
//	{{define "way"}}<li>{{template "asked" .Page}}</li>                      person, "not you?"; or "person" with a User
//	<li>{{template "app" .Page.Client}}</li>{{end}}                          logo, name, host; "tile" and "named" are its halves
//	{{template "problem" .Problem}}                                          what failed: the texts problem.X and problem.X.do
//	<div class="note warning" id="…">{{icon "warning"}}<div><b>what</b> <p>what to do</p></div></div>
//	<form method="post" action="{{.Action}}">{{template "hidden" .Hidden}}   every form
//	<div class="field"><label for="x">…</label><small id="x-hint">…</small><input id="x" aria-describedby="x-hint"></div>
//	<div class="field reveal"> label, <input type="{{if $.Revealed}}text{{else}}password{{end}}">, {{template "reveal" $}}</div>
//	<input class="code" inputmode="numeric" autocomplete="one-time-code">    a code to type; .big-code one to compare
//	<ul class="rules"><li>…</li></ul>                                        li.live ticks itself while one types; ul.ticks is true
//	<div class="buttons">refusal, consent</div>                              .primary, .quiet, .danger, .small; .group stacks them
//	<ul class="rows"><li class="row"><span class="tile" aria-hidden="true">{{icon "phone"}}</span> <div><b>…</b> <small>…</small></div> <button class="small">…</button></li></ul>
//	<span class="tag ok">…</span>, <dl class="facts"><div><dt>…</dt><dd>…</dd></div></dl>, <details>, .codes, .steps, .value, .fine, .or
//
// An operator's own templates can stand in for these files: see own.go and package inspect.
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
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Renderer draws pages. It is safe for concurrent use.
type Renderer struct {
	pages   map[string]*pageSet // by language
	assets  assets
	speaker speaker
	path    string // of the issuer
	secure  bool   // the issuer is https
}

// New reads the texts of every language. A page is prepared when it is first drawn. The pages name the host of the
// issuer, and link to what is below its path. The error names everything that is wrong with the branding, but for mistakes
// in an operator's own templates: package inspect finds them.
func New(issuer string, brand Branding) (*Renderer, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if brand.Name == "" {
		brand.Name = defaultName
	}
	files, err := newAssets(u.Path, brand)
	if err != nil {
		return nil, err
	}
	catalogues, err := catalogues()
	if err != nil {
		return nil, err
	}
	own, err := readOwn(brand.Templates)
	if err != nil {
		return nil, err
	}
	offered, err := newSpeaker(brand.Languages)
	if err != nil {
		return nil, err
	}
	r := &Renderer{pages: map[string]*pageSet{}, assets: files, speaker: offered, path: strings.TrimSuffix(u.Path, "/"), secure: u.Scheme == "https"}
	if catalogues, err = brand.withTexts(catalogues); err != nil {
		return nil, err
	}
	for _, lang := range offered.languages {
		r.pages[lang] = newPageSet(lang, catalogues[lang], brand, files, u, own)
	}
	return r, nil
}

// view is the data of the layout.
type view struct {
	Name      string // of the page's template
	Status    int
	RequestID string // empty: the page has none
	Now       time.Time
	Page      Page

	SelfURL   string // of this page, relative; empty: it answers a form, and can't be opened by a link
	RevealURL string // of this page with passwords as text, or back to dots; empty: there is no such page
	Revealed  bool   // passwords are shown as text

	Language *languageChoice // nil: the page offers no other language
}

// newView makes the view of a page that answers req. Passwords are shown as text if the query says show=yes. The
// field comes back empty, because a link sends nothing that was typed.
func newView(name string, status int, requestID string, page Page, req *http.Request) view {
	v := view{Name: name, Status: status, RequestID: requestID, Now: time.Now(), Page: page}
	query := req.URL.Query()
	if req.Method != http.MethodGet || len(req.URL.RawQuery) > maxQuery {
		return v
	}
	v.SelfURL, v.Revealed = "?"+query.Encode(), query.Get("show") == "yes"
	if query.Del("show"); !v.Revealed {
		query.Set("show", "yes")
	}
	v.RevealURL = "?" + query.Encode()
	return v
}

// maxQuery bounds, in bytes, the query that a page repeats in its links.
const maxQuery = 16 << 10

// Render answers req with a page, which shows the X-Request-Id that the answer has already. If it returns an
// error, nothing has been written. The policy has no form-action, because Chromium applies it to the whole
// redirect chain behind a form, which ends at the client.
func (r *Renderer) Render(w http.ResponseWriter, req *http.Request, status int, page Page) error {
	m := page.meta()
	if m.err != nil {
		return fmt.Errorf("render page %s: %w", m.template, m.err)
	}
	lang := r.Language(req, m.uiLocales)
	prepared, err := r.pages[lang].page(m.template)
	if err != nil {
		return err
	}
	v := newView(m.template, status, w.Header().Get("X-Request-Id"), page, req)
	v.Language = r.languageChoice(req, status, m, lang)
	var body bytes.Buffer
	if err := prepared.Execute(&body, v); err != nil {
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
	switch {
	case m.scripts:
		directives = append(directives, "script-src 'self'")
	case m.script != "":
		sum := sha256.Sum256([]byte(m.script))
		directives = append(directives, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return strings.Join(directives, "; ")
}
