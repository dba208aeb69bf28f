// Package relay leads the requests of an app in cookie mode to its APIs, with a token for each, and serves the app's
// own files. The browser sees one origin and no token.
//
//	request -> ServeHTTP: hop (Connection, Upgrade) -> path, read in one way only -> route
//	   |                                                                               | none: the app's files (app.go)
//	   |                                                                               v
//	   |   guard, which knows pages of this origin;  a WebSocket: its ticket too (ticket.go)
//	   v
//	session -> token of the user or of the client -> ReverseProxy.Rewrite: headers.go says what the API hears
//	                                                     v
//	           401 -> one new token, one repetition <- API -> headers.go says what the browser hears
//	                                                     |
//	                             101 -> socket.go: both directions, frame by frame, until the session ends: 4401
//
// A transfer or a stream may take any time, but a client that is stuck is cut (steady.go). A stream of events ends with
// the session, as a socket does.
//
// A session is read and never prolonged: no API call, stream or frame counts as activity.
package relay

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/weburl"
	"github.com/authzd/authzd/storage"
)

// The names of what a relay serves, in events and metrics.
const (
	RouteAPI = "api"
	RouteApp = "app"
)

// Config is the input of New.
type Config struct {
	// URL is the frontend's: an origin, or an origin with a path that does not end in a slash.
	URL string
	// Routes lead to APIs. They have no Problems.
	Routes []Route
	// App is where the app's own files are. Its zero value: nowhere.
	App App

	Sessions *websession.Sessions
	// Store keeps the tickets. Required if a route has WebSocket.
	Store storage.Store
	// OwnCookies are beginnings of the names of further cookies that no API may see or set. Those that begin with
	// __Host-Http-, and the session's cookie, are ours anyway.
	OwnCookies []string

	// ClientToken asks the provider for a token of the frontend's own (RFC 6749 section 4.4) and returns its lifetime;
	// 0: unknown. Required if a route's token is of a client.
	ClientToken func(ctx context.Context, resource string) (token string, lifetime time.Duration, err error)

	// TicketRefused is called when a handshake has shown a ticket that is not good for it. nil: nobody is told.
	TicketRefused func(r *http.Request, session *websession.Session)

	// Login is the URL or path of the sign-in, without a query, that a page is sent to for a step-up.
	Login string

	// RootCAs are the certificate authorities that are trusted for APIs and the app's URL; nil: those of the system.
	RootCAs *x509.CertPool

	Logger *slog.Logger // nil: slog.Default()
}

// Relay is the http.Handler of one frontend, for every path that is not below /bff/. Do not put it behind an
// http.ServeMux, which answers unclean paths by a redirect.
type Relay struct {
	config  Config
	origin  *url.URL
	routes  []*route
	app     *app // nil: the app's files are elsewhere
	clients map[string]*fetch.Document[string]
	sending map[*route]*sender

	stall time.Duration // usualStall, but in tests

	closing   chan struct{}
	closeOnce sync.Once
}

// New returns the relay of a frontend. It opens the app's folder, and connects to nothing.
func New(cfg Config) (*Relay, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Sessions != nil {
		cfg.OwnCookies = append(slices.Clone(cfg.OwnCookies), cfg.Sessions.CookieName())
	}
	if cfg.TicketRefused == nil {
		cfg.TicketRefused = func(*http.Request, *websession.Session) {}
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	p := &Relay{
		config: cfg, origin: u, stall: usualStall, closing: make(chan struct{}),
		clients: map[string]*fetch.Document[string]{}, sending: map[*route]*sender{},
	}
	for i := range cfg.Routes {
		if err := cfg.Routes[i].Problems().Err(); err != nil {
			return nil, fmt.Errorf("relay: route %d: %w", i, err)
		}
		rt, err := newRoute(cfg.Routes[i], u.Path)
		if err != nil {
			return nil, fmt.Errorf("relay: route %s: %w", cfg.Routes[i].Path, err)
		}
		if err := cfg.serves(rt); err != nil {
			return nil, fmt.Errorf("relay: route %s: %w", rt.Path, err)
		}
		if old := find(p.routes, rt.prefix); old != nil && old.prefix == rt.prefix {
			return nil, fmt.Errorf("relay: two routes have the path %s", rt.Path)
		}
		p.routes = append(p.routes, rt)
		p.sending[rt] = p.newSender(rt)
		if rt.Token == TokenClient || rt.Token == TokenUserOrClient {
			p.addClient(rt.Resource)
		}
	}
	if p.app, err = p.newApp(cfg.App); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return p, nil
}

// serves returns an error if something is missing that a route needs.
func (cfg *Config) serves(rt *route) error {
	switch {
	case rt.WebSocket && (cfg.Store == nil || cfg.Sessions == nil):
		return errors.New("a WebSocket needs a Store and Sessions")
	case rt.wantsUser() && cfg.Sessions == nil:
		return errors.New("a token of the user needs Sessions")
	case (rt.Token == TokenClient || rt.Token == TokenUserOrClient) && cfg.ClientToken == nil:
		return errors.New("a token of the client needs ClientToken")
	}
	return nil
}

// Close ends the open WebSockets (1001) and event streams, so that the server can drain. Requests under way go on.
func (p *Relay) Close() { p.closeOnce.Do(func() { close(p.closing) }) }

// ServeHTTP answers a request for an API or for the app.
func (p *Relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := p.serve(w, r); err != nil {
		answer(w, r, err)
	}
}

func (p *Relay) serve(w http.ResponseWriter, r *http.Request) error {
	if err := checkHop(r); err != nil {
		return err
	}
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	path, rt, err := p.lookup(raw)
	switch {
	case err != nil:
		return refuse(http.StatusBadRequest, "invalid_request", err.Error())
	case rt == nil && p.app != nil && p.isBelow(path):
		return p.app.serve(w, r, strings.TrimPrefix(path, p.origin.Path))
	case rt == nil:
		return refuse(http.StatusNotFound, "not_found", "there is nothing at this path")
	}
	name(r, rt)
	if !slices.Contains(rt.Methods, r.Method) {
		w.Header().Set("Allow", strings.Join(rt.Methods, ", "))
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "the API takes no such method here")
	}
	if isHandshake(r) {
		return p.open(w, r, rt, raw)
	}
	if err := guard.Check(r, p.ownOrigin(), kindOf(r, rt)); err != nil {
		return err
	}
	return p.call(w, r, rt, raw)
}

// kindOf returns what the guard demands of a request. A stream of events may come without our header.
func kindOf(r *http.Request, rt *route) guard.Kind {
	if rt.EventStream && r.Method == http.MethodGet && len(r.Header.Values(guard.Header)) == 0 {
		return guard.EventStream
	}
	return guard.API
}

// lookup reads the path of a request, and finds its route. Without one, rt is nil.
func (p *Relay) lookup(raw string) (path string, rt *route, err error) {
	path, err = weburl.ReadPath(raw, weburl.PathOptions{EncodedSlash: true})
	if err != nil {
		return "", nil, err
	}
	rt = find(p.routes, path)
	if rt == nil || !rt.EncodedSlash {
		_, err = weburl.ReadPath(raw, weburl.PathOptions{})
	}
	return path, rt, err
}

// isBelow reports whether a path is the frontend's.
func (p *Relay) isBelow(path string) bool {
	return path == p.origin.Path || strings.HasPrefix(path, p.origin.Path+"/")
}
