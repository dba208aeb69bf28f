// Package playground is a small single-page app and the API that it calls, for people who want to
// see what happens: each request of the authorization code flow, the tokens decoded, the time that
// is left. serve --dev offers it.
//
//	/playground           the app: code + PKCE by WebCrypto, tokens in memory only
//	/playground/{asset}   its script and style
//	/playground/api/...   the Orders API, guarded by authz/bearer as any backend would be
package playground

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/bearer"
)

//go:embed assets
var assets embed.FS

// policy allows the app its own script, style and requests, and the iframe of a silent renewal.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"

// Config says whose playground it is.
type Config struct {
	Issuer   string // where the app signs in; it is served below this
	ClientID string // a public client whose redirect URI is Issuer + "/playground"
	Resource string // the identifier of the Orders API
}

// New returns the handler of /playground and everything below it.
func New(c Config) (http.Handler, error) {
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	index, err := template.ParseFS(assets, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	verifier, err := bearer.New(bearer.Config{Issuer: c.Issuer, Audience: c.Resource})
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	base := issuer.Path + "/playground"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", policy)
		_ = index.Execute(w, map[string]string{ // the client may have gone
			"Base": base, "Issuer": c.Issuer, "ClientID": c.ClientID, "Resource": c.Resource,
		})
	})
	for _, name := range []string{"app.js", "oauth.js", "app.css"} {
		mux.HandleFunc("GET "+base+"/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, files, name)
		})
	}
	mux.Handle("GET "+base+"/api/orders", verifier.Protect(bearer.RequireScope("orders.read")(http.HandlerFunc(listOrders))))
	mux.Handle("POST "+base+"/api/orders", verifier.Protect(bearer.RequireScope("orders.write")(http.HandlerFunc(placeOrder))))
	return mux, nil
}

type order struct {
	ID       string `json:"id"`
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
	For      string `json:"for"` // subject of the access token
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context())
	answer(w, http.StatusOK, []order{{"1001", "Treacle", 3, p.Subject}, {"1002", "Looking-glass", 1, p.Subject}})
}

func placeOrder(w http.ResponseWriter, r *http.Request) {
	p, _ := bearer.FromContext(r.Context())
	answer(w, http.StatusCreated, order{"1003", "Pocket watch", 1, p.Subject})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
