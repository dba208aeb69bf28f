package bff

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/weburl"
)

// BFF is cookie mode for all its frontends. It is an http.Handler for everything that browsers and the provider send
// to them. Do not put it behind an http.ServeMux, which answers unclean paths by a redirect.
type BFF struct {
	Config
	frontends []*frontend
	gate      *gate.Gate                    // nil: there is none
	clients   map[string]*provider.Provider // by client_id
	feed      feed
}

// frontend is one app.
type frontend struct {
	Frontend
	bff      *BFF
	origin   string // as browsers write it
	host     string // in lower case, without the scheme's port
	path     string // of the URL, without a slash at its end; empty: the whole origin
	insecure bool   // plain http
	client   *provider.Provider
	sessions *websession.Sessions
	relay    *relay.Relay
	logins   *transactions
	logouts  *pageTokens
	routes   []route
}

// New checks cfg and returns cookie mode. It makes no request, so a provider that is down keeps nothing from starting.
// Call Run too.
func New(cfg Config) (*BFF, error) {
	if err := cfg.Problems().Err(); err != nil {
		return nil, err
	}
	switch a := &cfg.Authentication; {
	case cfg.Secret == nil || (cfg.Store == nil) != cfg.Sealed:
		return nil, errors.New("bff: a Secret is required, and a Store or Sealed")
	case a.UsesKey() && a.Key == nil, a.UsesCertificate() && a.Certificate == nil:
		return nil, fmt.Errorf("bff: client_authentication %s without its key", a.Method)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	b := &BFF{Config: cfg, clients: map[string]*provider.Provider{}}
	if err := b.openFeed(); err != nil {
		return nil, err
	}
	if err := b.doubtCopy(); err != nil {
		return nil, fmt.Errorf("bff: %w", err)
	}
	for _, warning := range cfg.Warnings() {
		b.Logger.Warn(warning.Path + " " + warning.Reason + "; " + warning.Hint)
	}
	for _, f := range cfg.Frontends {
		one, err := b.newFrontend(f)
		if err != nil {
			return nil, fmt.Errorf("bff: frontend %s: %w", f.Name, err)
		}
		b.frontends = append(b.frontends, one)
	}
	if err := b.openGate(); err != nil {
		return nil, fmt.Errorf("bff: gate: %w", err)
	}
	return b, nil
}

func (b *BFF) newFrontend(described Frontend) (*frontend, error) {
	u, err := url.Parse(described.URL)
	if err != nil {
		return nil, err
	}
	if described.ClientID == "" {
		described.ClientID = b.ClientID
	}
	f := &frontend{
		Frontend: described, bff: b, origin: weburl.OriginOf(u), path: strings.TrimSuffix(u.Path, "/"),
		insecure: u.Scheme == "http", client: b.client(described.ClientID),
	}
	_, f.host, _ = strings.Cut(f.origin, "://")
	sameSite := http.SameSiteStrictMode
	if f.Lax {
		sameSite = http.SameSiteLaxMode
	}
	f.sessions = websession.New(websession.Config{
		Frontend: f.Name, ClientID: f.ClientID, Insecure: f.insecure, SameSite: sameSite,
		Idle: b.Sessions.Idle.Or(defaultIdle), Max: b.Sessions.Max.Or(defaultMax),
		Store: b.Store, Secret: b.Secret, Refresh: f.client.Refresh, Revoke: f.client.Revoke,
		Judge: b.feed.judge, Changed: b.feed.changed,
		RecordBegin: b.sessionBegan, RecordEnd: b.sessionEnded, Observer: b.Observer, Logger: b.Logger,
	})
	f.logins = newTransactions(b.Secret, f)
	f.logouts = &pageTokens{b.Secret.Sealer("bff logout")}
	if f.relay, err = relay.New(relay.Config{
		URL: f.base(), Routes: f.Routes, App: f.App, Sessions: f.sessions, Store: b.Store,
		OwnCookies: []string{f.logins.prefix, f.logins.marker}, ClientToken: f.clientToken, Login: f.path + "/bff/login", TicketRefused: f.ticketRefused,
		RootCAs: b.RootCAs, Logger: b.Logger,
	}); err != nil {
		return nil, err
	}
	f.routes = f.table()
	return f, nil
}

func (b *BFF) client(id string) *provider.Provider {
	if b.clients[id] == nil {
		b.clients[id] = provider.New(provider.Config{Issuer: b.Issuer, ClientID: id, Authentication: b.Authentication, HTTPClient: b.HTTPClient})
	}
	return b.clients[id]
}

// Run does what cookie mode does by itself until ctx ends: it follows the revocation feed, ends sessions at their limits,
// and notices sessions that end at other replicas.
func (b *BFF) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, f := range b.frontends {
		all.Go(func() { f.sessions.Run(ctx) })
	}
	all.Go(func() { b.feed.run(ctx) })
	if b.Store != nil {
		all.Go(func() { websession.Watch(ctx, b.Store, b.SessionsOf, b.Logger) })
	}
	if b.gate != nil {
		all.Go(func() { _ = b.gate.Run(ctx) }) // it ends with ctx only
	}
	all.Wait()
}

// Close ends the open WebSockets and event streams, so that a server can drain. Give it to
// http.Server.RegisterOnShutdown.
func (b *BFF) Close() {
	for _, f := range b.frontends {
		f.relay.Close()
	}
}

// ServeHTTP finds the frontend by host and path. One of two that both fit has the longer path. Everything below /gate/ is
// the gate's at every host, because proxies ask under the host of their site.
func (b *BFF) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.gate != nil && b.gate.Serves(r) {
		b.gate.ServeHTTP(w, r)
		return
	}
	var found *frontend
	for _, f := range b.frontends {
		if f.serves(r) && (found == nil || len(f.path) > len(found.path)) {
			found = f
		}
	}
	if found == nil {
		b.answer(w, r, refuse(http.StatusMisdirectedRequest, "not_found", "no app is served at this host and path"))
		return
	}
	found.ServeHTTP(w, r)
}

func (f *frontend) serves(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if u := (&url.URL{Scheme: strings.SplitN(f.origin, ":", 2)[0], Host: host}); weburl.HasDefaultPort(u) {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return host == f.host && (f.path == "" || r.URL.Path == f.path || strings.HasPrefix(r.URL.Path, f.path+"/"))
}
