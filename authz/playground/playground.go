// Package playground is a small single-page app and its API, for people who want to see each step: each
// request of the authorization code flow, the tokens decoded, the time that is left. serve --dev offers it.
//
//	/playground           the app: code + PKCE by WebCrypto, tokens in memory only
//	  app.js              what the buttons do
//	    oauth.js, jwt.js  the protocol: sign-in, silent renewal, refresh, calls, logout
//	    dpop.js           the key that tokens can be bound to, and its proofs
//	    view.js           what is shown
//	/playground/api/...   the Orders API, guarded by authz/bearer as any backend would be
//
// A second app does the same in cookie mode, without a token. "authzd bff" serves it, as it serves any app in a folder:
//
//	cookiemode/           WriteCookieMode copies it there
//	  app.js              what the buttons do
//	    session.js        the protocol: a header, a cookie that no script sees, a ticket for a WebSocket
//	    view.js           what is shown
//
// Nothing here is privileged: both apps are clients like any other, and the first asks for consent.
package playground

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/authzd/authzd/authz/bearer"
)

//go:embed assets
var assets embed.FS

// policy allows the app its own script, style and requests, and the iframe of a silent renewal.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
	"frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"

// Config is the input of New.
type Config struct {
	Issuer   string // where the app signs in; the app is served below this
	ClientID string // a public client whose redirect URI is Issuer + "/playground"
	Resource string // the identifier of the Orders API; it is served at Issuer + "/playground/api"
}

// New returns the handler of /playground and everything below it.
func New(c Config) (http.Handler, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	verifier, err := bearer.New(bearer.Config{Issuer: c.Issuer, Audience: c.Resource})
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	base := issuer.Path + "/playground"
	app, err := page(c, base)
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+base, app)
	for _, name := range []string{"app.js", "oauth.js", "dpop.js", "jwt.js", "view.js", "app.css"} {
		content, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("playground: %w", err)
		}
		mux.Handle("GET "+base+"/"+name, file(name, content))
	}
	api := &orders{bySub: map[string][]order{}, followers: map[string]map[chan order]bool{}}
	mux.Handle(base+"/api/", api.handler(base+"/api", verifier))
	return mux, nil
}

// page is the app's HTML document.
func page(c Config, base string) (http.Handler, error) {
	index, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, err
	}
	var document bytes.Buffer
	if err := index.Execute(&document, struct {
		Config
		Base string
	}{c, base}); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", policy)
		_, _ = w.Write(document.Bytes()) // the client may have gone
	}), nil
}

// file serves one of the app's files. Browsers ask for it again at every silent renewal.
func file(name string, content []byte) http.Handler {
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(content))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	})
}
