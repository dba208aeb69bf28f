// Package gate lets people into sites that know nothing of signing in: a reverse proxy asks the gate about every request
// (forward-auth), or a Go program puts Gate.Middleware around its handler.
//
//	browser ──> proxy ──> site                      the proxy asks first, by one of five contracts:
//	              │
//	              └─ GET /gate/nginx ─> contract    which request is it? one source for each part     contract_*.go
//	                                    site, rule  who may do that? a path with two readings: 403    rules.go, readings.go
//	                                    FindAt      who is it? the cookie of this host                authz/bff/websession
//	                 <─ 200, identity               every configured header, empty for nobody         identity.go
//	                 <─ 401, 403, 503               as the contract needs it                          answer.go
//
// A session of one host cannot be seen by another. So it is handed over from the gate's own host, where people sign in:
//
//	https://app/x      no session ─> a transaction cookie of app, with /x in it       transaction.go
//	   └> https://gate/gate/start?host=app&tx=…  signs in if need be (cookie mode)     start.go
//	        └> https://app/gate/enter?code=…     code: once, 60 s, for app and that cookie   enter.go, handover.go
//	             └> https://app/x                with a cookie of app
//
// The gate reads no body, and answers within a second even if its store does not. Its sessions ask the provider only for
// new roles, when the revocation feed says that there are some.
package gate

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
)

// Sessions are the sessions of the gate's own host. *websession.Sessions is one.
type Sessions interface {
	// CookieName is the name of their cookie, which is the same at every site.
	CookieName() string
	// HasCookie reports whether a request has a cookie of the name. The cookie may be worthless.
	HasCookie(r *http.Request) bool
	// Find returns the session of a request to the gate's own host. The error is websession.ErrNone if there is none,
	// websession.ErrCookies if no browser sends such a request, or another one if it cannot be known now.
	Find(r *http.Request) (*websession.Session, error)
	// FindAt is Find at another host, which the session was lent to.
	FindAt(r *http.Request, host string) (*websession.Session, error)
	// ByID returns a session if it lives, else websession.ErrNone.
	ByID(ctx context.Context, id string) (*websession.Session, error)
	// Lend gives the browser a cookie for the session at another host.
	Lend(ctx context.Context, w http.ResponseWriter, session *websession.Session, host string) error
}

// Gate decides. Its methods are safe for concurrent use.
type Gate struct {
	Config
	host     string           // of URL, in normal form
	sites    map[string]*site // by host, in normal form
	headers  []header
	sealer   *keys.Sealer
	ring     *keys.Ring
	memo     memo
	insecure bool          // http on loopback
	asking   chan struct{} // as many as wait for the store
	alarmed  atomic.Int64  // when there was the last alarm, Unix time in nanoseconds
}

// New returns a gate. The error is member.Problems if the configuration is wrong. Call Run too.
func New(ctx context.Context, cfg Config) (*Gate, error) {
	if err := cfg.Problems().Err(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Refused == nil {
		cfg.Refused = func(*http.Request, string) {}
	}
	g := &Gate{
		Config: cfg, sites: map[string]*site{}, headers: headersOf(cfg.Headers),
		sealer: cfg.Secret.Sealer(keys.PurposeGateTransaction), asking: make(chan struct{}, maxAsking),
	}
	own := newSite(Host{URL: cfg.URL})
	g.host, g.insecure = own.host, strings.HasPrefix(own.url, "http:")
	for _, h := range cfg.Hosts {
		s := newSite(h)
		g.sites[s.host] = s
	}
	var err error
	g.ring, err = keys.Open(ctx, cfg.Store, cfg.Secret, keyPolicy(&cfg))
	return g, err
}

// Routes returns the names of all routes, for the metrics.
func Routes() []string {
	names := []string{"gate_jwks", "gate_front", "gate_start", "gate_enter"}
	for _, c := range contracts {
		names = append(names, "gate_"+c.name)
	}
	return names
}

// Run rotates the gate's keys until ctx ends.
func (g *Gate) Run(ctx context.Context) error { return g.ring.Run(ctx) }

// Serves reports whether a request is for the gate: everything below /gate/ at every host, because proxies ask under the
// host of their site, and the front page of its own host.
func (g *Gate) Serves(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/gate/") || r.RequestURI == "/" && onHost(r, g.host)
}

// ServeHTTP serves what Serves reports. Nothing before it may clean the path, as http.ServeMux does: the path of an
// Envoy's request stands there as it was sent.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	name := strings.TrimPrefix(path, "/gate/")
	switch name {
	case "jwks.json":
		g.serveJWKS(w, r)
		return
	case "/":
		g.serveFront(w, r)
		return
	case "start":
		g.serveStart(w, r)
		return
	case "enter":
		g.serveEnter(w, r)
		return
	}
	first, _, _ := strings.Cut(name, "/")
	for i := range contracts {
		if c := &contracts[i]; c.name == first && (c.prefixed || first == name) {
			g.ask(w, r, c)
			return
		}
	}
	http.NotFound(w, r)
}
