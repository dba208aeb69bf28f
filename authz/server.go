// Package authz is the authorization server: the HTTP endpoints of OAuth 2.1 and OpenID Connect,
// and the pages on which people sign in.
//
//	        SPA / app                                   this package                        subpackages
//	/par ----------------> authenticateClient -> checkAuthorization -> request_uri           outbound
//	/authorize -> begin -> newAuthorization -> missing? --- page --> /login /consent …      session, account
//	                            ^                 |                       |                  connect
//	                            +---- ?flow= -----|-----------------------+
//	                                              +--- nothing missing -> code -> redirect
//	/device_authorization -> authenticateClient -> codes; their user: /device -> missing? -> allow
//	/token -------------> authenticateClient -> redeem… -> issue -> one Apply -> JSON        client, dpop, keys
//	/userinfo /introspect /revoke -> activeToken -> grant, user, session still alive?        storage
//	/register -> metadata -> checked, completed -> one Apply -> JSON                         client, throttle
//	/logout /account -> session ends, its clients' logout tokens due: one Apply -> Run       backchannel
//
// routes.go lists every endpoint. fosite parses, checks and dispatches OAuth requests; it is wired
// in provider.go and known nowhere else. Records are read first, decided upon and signed, and
// written by one storage.Store.Apply at the end of a request.
package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/backchannel"
	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/dpop"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/lease"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/tokeninfo"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Server is a running authorization server. It is an http.Handler.
type Server struct {
	config     Config
	issuer     oauth.Issuer
	store      storage.Store
	resources  resource.Set
	sealing    *keys.Sealing
	keys       *keys.Ring
	algs       []jose.SignatureAlgorithm
	grantTypes []string
	successors *keys.Deriver
	subjects   *keys.Deriver
	nonces     *dpop.Nonces // nil: proofs need none
	accounts   *account.Directory
	sessions   *session.Sessions
	connectors connect.Set
	outbound   *outbound.Client
	outbox     *backchannel.Outbox
	backups    *backup.Schedule // nil: none are made
	audit      *audit.Log
	events     *events.Recorder
	clientKeys *client.Keys
	pages      *pages.Pages
	ledger     *allowance.Ledger
	observer   *observe.Observer
	health     *observe.Health
	logger     *slog.Logger

	metadata atomic.Pointer[metadata]
	handler  http.Handler

	managed *directory.Managed

	// Clients that the operator has not named.
	clients       *directory.Clients
	grants        *grant.Grants
	tokens        *token.Tokens
	auth          *clientauth.Authenticator
	requests      *authorize.Requests
	tokenEndpoint *tokenendpoint.Endpoint
	logout        *logout.Logout
	interaction   *interaction.Interaction
	tokenInfo     *tokeninfo.Endpoints
	register      *register.Endpoint
	operator      *operator.API
	clientSecrets *keys.Deriver
}

// New prepares a server. It reads the store, creates signing keys and configured users where they
// are missing, and speaks to no other machine.
func New(ctx context.Context, c Config) (*Server, error) {
	issuer, err := oauth.ParseIssuer(c.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, issuer: issuer, store: c.Store, resources: c.Resources, logger: c.Logger}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	s.ledger = &allowance.Ledger{Networks: throttle.New(), Clients: throttle.New(), TokensInvite: c.Registration.Mode == register.Token}
	s.algs = algsInUse(c)
	s.grantTypes = tokenendpoint.Offered(c.Clients)
	s.successors = c.Secret.Deriver(purposeRefresh)
	if err := c.MTLS.Check(c.Clients, c.TrustedProxies); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		s.openSealing, s.openAudit, s.openManaged, s.openKeys, s.openSubjects, s.openNonces, s.openAccounts, s.openConnectors, s.openOutbound, s.openClients, s.openPages, s.openObserver,
		s.openOutbox, s.openBackups,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	managed, err := s.managed.All(ctx)
	if err != nil {
		return nil, err
	}
	s.metadata.Store(&metadata{managed, s.discoveryDocument(managed)})
	s.handler = s.observer.Handler(s.routes())
	return s, nil
}

func (s *Server) openSealing(ctx context.Context) (err error) {
	s.sealing, err = keys.OpenSealing(ctx, keys.SealingConfig{
		Store:       s.store,
		Secret:      s.config.Secret,
		Outside:     max(authorize.CarriedLifetime, s.longestGrace()) + oauth.ClockSkew,
		OutsideMore: s.managedGrace,
		Logger:      s.logger,
		Replaced: func(ctx context.Context, id string) ([]storage.Write, error) { // before anything else of the server is open
			if err := s.openAudit(ctx); err != nil {
				return nil, err
			}
			return s.events.SecretReplaced(ctx, id), nil
		},
		Counted: func(earlier int) { s.observer.SetEarlierSecretRecords(earlier) },
	})
	return err
}

func (s *Server) openManaged(context.Context) error {
	var parse func([]byte) (client.Metadata, error)
	if s.config.Operator != nil {
		parse = s.config.Operator.ParseClient
	}
	s.managed = directory.NewManaged(s.store, parse, func(ctx context.Context, u keys.Use) error { return s.keys.Use(ctx, u) })
	return nil
}

func (s *Server) openKeys(ctx context.Context) error {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return err
	}
	for _, alg := range managed.Algs {
		if !slices.Contains(s.algs, alg) {
			s.algs = append(s.algs, alg)
		}
	}
	s.keys, err = keys.Open(ctx, s.store, s.config.Secret, keys.Policy{
		Algs:        s.algs,
		RotateEvery: s.config.Signing.RotateEvery,
		Announce:    s.config.Signing.Announce,
		Retain:      max(s.longestUse(), managed.Token) + oauth.ClockSkew,
		More: func(ctx context.Context) (keys.Use, error) {
			managed, err := s.managed.All(ctx)
			if err != nil {
				return keys.Use{}, err
			}
			return keys.Use{Algs: managed.Algs, Retain: managed.Token + oauth.ClockSkew}, nil
		},
		Announced: s.events.KeyAnnounced,
		Logger:    s.logger,
	})
	return err
}

func (s *Server) openAudit(ctx context.Context) error {
	deriver, err := keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeAudit)
	s.audit = audit.New(audit.Config{
		Store: s.store,
		MAC: func(message []byte) []byte {
			mac := deriver.Derive(message)[0]
			return mac[:]
		},
		Keep: s.config.Audit.Keep,
		Tampered: func(ctx context.Context, found string) {
			s.observer.Alarm(ctx, observe.AuditTampered, slog.String("found", found))
		},
		Logger: s.logger,
	})
	s.events = &events.Recorder{Audit: s.audit, IsClient: func(ctx context.Context, id string) bool { return s.clients.IsClient(ctx, id) }}
	return err
}

func (s *Server) openSubjects(ctx context.Context) (err error) {
	s.subjects, err = keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeSubject)
	return err
}

func (s *Server) openAccounts(ctx context.Context) error {
	s.accounts = account.New(s.store, account.NewPasswords())
	s.accounts.Changed = s.events.UserChanged
	s.sessions = session.New(s.store, session.Config{
		Secure:         s.issuer.Secure,
		Path:           s.issuer.Path,
		Idle:           s.config.Sessions.Idle,
		Max:            s.config.Sessions.Max,
		RememberMe:     s.config.Sessions.RememberMe,
		ActivityBeacon: s.config.Sessions.Beacon,
		Began:          s.events.SessionBegan,
		Crowded:        s.events.SessionCrowded,
		Ended: func(ctx context.Context, ended *session.Session) ([]storage.Write, error) {
			return s.logout.SessionEnded(ctx, ended)
		},
	})
	differ, err := s.accounts.EnsureUsers(ctx, s.config.Users)
	if len(differ) > 0 {
		s.logger.Warn("the configuration states something else than these users have; it only creates users, so theirs counts",
			"users", differ, "do", "authzd user update, disable and set-password change users that exist")
	}
	return err
}

func (s *Server) openConnectors(context.Context) error {
	for _, c := range s.config.Connectors {
		c.RedirectURI = s.issuer.URL("/callback/" + c.ID)
		connector, err := connect.New(c)
		if err != nil {
			return fmt.Errorf("connector %s: %w", c.ID, err)
		}
		s.connectors = append(s.connectors, connector)
	}
	return nil
}

// openOutbound makes two clients: whatever strangers have us fetch, it does not hold up the keys of the
// operator's clients.
func (s *Server) openOutbound(context.Context) (err error) {
	if s.outbound, err = outbound.New(s.config.Outbound); err != nil {
		return err
	}
	forConfigured, err := outbound.New(s.config.Outbound)
	s.clientKeys = client.NewKeys(forConfigured, s.outbound)
	s.ledger.Keys = s.clientKeys
	return err
}

// openClients prepares for clients that the operator has not named.
func (s *Server) openClients(ctx context.Context) (err error) {
	if r := s.config.Registration; r.On() && (r.UnusedAfter <= 0 || r.PerAddressPerHour <= 0 || r.MaxClients <= 0) {
		return errors.New("registration: UnusedAfter, PerAddressPerHour and MaxClients must be positive")
	}
	c := directory.Config{Store: s.store, File: s.config.Clients, Managed: s.managed, Outbound: s.config.Outbound, Ledger: s.ledger}
	if s.config.Registration.On() {
		c.Registered, c.UnusedAfter = s.offer(client.Registered), s.config.Registration.UnusedAfter
	}
	if s.config.Documents {
		c.Documents = s.offer(client.Document)
	}
	if s.clients, err = directory.New(c); err != nil {
		return err
	}
	s.grants = &grant.Grants{
		Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Events: s.events, Logger: s.logger,
		EndOffline: s.config.Sessions.EndOffline,
	}
	s.tokens = &token.Tokens{
		Issuer: s.issuer, Store: s.store, Keys: s.keys, Subjects: s.subjects, Clients: s.clients, Grants: s.grants, Resources: s.resources,
		Alg: s.config.Signing.Alg, AccessLifetime: s.config.Lifetimes.AccessToken, IDLifetime: s.config.Lifetimes.IDToken,
	}
	s.auth = &clientauth.Authenticator{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Keys: s.clientKeys, Ledger: s.ledger, Guesses: throttle.New(), Nonces: s.nonces,
		MTLS: s.config.MTLS, TrustedProxies: s.config.TrustedProxies, Dev: s.config.Dev,
	}
	s.clientSecrets, err = keys.LastingDeriver(ctx, s.store, s.config.Secret, purposeClientSecret)
	return err
}

func (s *Server) openPages(context.Context) (err error) {
	renderer, err := templates.New(s.issuer.Path, s.config.Branding)
	s.pages = &pages.Pages{Renderer: renderer, Issuer: s.issuer, Clients: s.clients, Events: s.events, Dev: s.config.Dev}
	s.requests = &authorize.Requests{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Auth: s.auth, Keys: s.clientKeys, Outbound: s.outbound, Ledger: s.ledger,
		Resources: s.resources, Connectors: s.connectors, Tokens: s.tokens, SigningKeys: s.keys, Pages: s.pages, Events: s.events, Dev: s.config.Dev,
		PushLifetime: s.config.Lifetimes.PAR, CodeLifetime: s.config.Lifetimes.Code,
	}
	if err != nil {
		return err
	}
	s.tokenEndpoint, err = tokenendpoint.New(tokenendpoint.Config{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Auth: s.auth, Keys: s.clientKeys,
		Ledger: s.ledger, Resources: s.resources, Grants: s.grants, Tokens: s.tokens, Successors: s.successors, Events: s.events,
		GrantTypes: s.grantTypes, TrustedIssuers: s.config.TrustedIssuers,
		RefreshLifetime: s.config.Lifetimes.RefreshToken, RefreshIdle: s.config.Lifetimes.RefreshIdle, RefreshGrace: s.config.Lifetimes.RefreshGrace,
	})
	return err
}

func (s *Server) openObserver(context.Context) (err error) {
	methods := []string{events.MethodPassword}
	for _, c := range s.connectors {
		methods = append(methods, c.ID())
	}
	s.health = observe.NewHealth(observe.Check{Name: "storage", Ready: s.store.Ready})
	s.observer, err = observe.New(observe.Config{
		Logger:         s.logger,
		Registry:       s.config.Metrics,
		TrustedProxies: s.config.TrustedProxies,
		Routes:         append(routeNames(s.routeTable()), operator.RouteNames()...),
		LoginMethods:   methods,
		Panicked: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.reportJSON(w, r, errors.New("the handler panicked"))
		}),
	})
	return err
}

// openOutbox has a client of its own: nobody else waits for relying parties that are slow.
func (s *Server) openOutbox(context.Context) error {
	caller, err := outbound.New(s.config.Outbound)
	s.logout = &logout.Logout{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Sessions: s.sessions, Tokens: s.tokens, Keys: s.keys, Ledger: s.ledger,
		Pages: s.pages, Events: s.events, Dev: s.config.Dev,
		EndOffline: s.config.Sessions.EndOffline, RefreshLifetime: s.config.Lifetimes.RefreshToken,
	}
	s.outbox = backchannel.New(backchannel.Config{
		Store: s.store, Client: caller, Observer: s.observer, Logger: s.logger,
		Host: s.logout.Host, Address: s.logout.Address, Sign: s.logout.Token,
	})
	s.logout.Outbox = s.outbox
	s.tokenInfo = &tokeninfo.Endpoints{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Sessions: s.sessions, Auth: s.auth, Grants: s.grants, Tokens: s.tokens,
		Keys: s.keys, Events: s.events,
	}
	s.register = &register.Endpoint{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Auth: s.auth, Keys: s.clientKeys, Outbound: s.outbound, Ledger: s.ledger,
		Events: s.events, Secrets: s.clientSecrets, Policy: s.config.Registration,
	}
	s.operator = operator.New(&operator.API{
		Config: s.config.Operator, Issuer: s.issuer, Store: s.store, File: s.config.File, Secret: s.config.Secret, Sealing: s.sealing, Keys: s.keys,
		PageTokens: s.config.Secret.Sealer(purposePage), Clients: s.clients, Register: s.register, Accounts: s.accounts, Sessions: s.sessions,
		Connectors: s.connectors, Grants: s.grants, Tokens: s.tokens, Auth: s.auth, Logout: s.logout, Outbox: s.outbox, Audit: s.audit,
		Events: s.events, Observer: s.observer,
	})
	s.interaction = &interaction.Interaction{
		Issuer: s.issuer, Store: s.store, Clients: s.clients, Accounts: s.accounts, Sessions: s.sessions, Connectors: s.connectors, Auth: s.auth,
		Ledger: s.ledger, Resources: s.resources, Grants: s.grants, Tokens: s.tokens, Requests: s.requests, Logout: s.logout, Outbox: s.outbox,
		Pages: s.pages, Events: s.events, Flows: s.config.Secret.Sealer(purposeFlow), Upstream: s.config.Secret.Sealer(purposeConnect),
		DeviceLifetime: s.config.Lifetimes.DeviceCode, RememberMe: s.config.Sessions.RememberMe, Playground: s.config.Playground != nil, Dev: s.config.Dev,
	}
	return err
}

// Run does what no request does, until ctx ends: it rotates signing keys, seals anew what is under an
// earlier secret, ends the sessions that are over, tells clients of it, and seals the audit log. A server
// answers without it.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sealing.Run(ctx) })
	group.Go(func() error { return s.operator.Compact(ctx) })
	group.Go(func() error { return s.watchFile(ctx) })
	group.Go(func() error { return s.keys.Run(ctx) })
	group.Go(func() error { return s.sessions.Run(ctx, s.logger) })
	group.Go(func() error { return s.outbox.Run(ctx) })
	group.Go(func() error { return s.audit.Run(ctx) })
	group.Go(func() error { return lease.Run(ctx, s.store, leaseAudit, s.audit.Seal) })
	group.Go(func() error { return s.grants.Sweep(ctx) })
	if s.backups != nil {
		group.Go(func() error { return lease.Run(ctx, s.store, leaseBackup, s.backups.Run) })
	}
	return group.Wait()
}

// Drain makes the readiness probe fail, so that no new traffic is sent.
func (s *Server) Drain() { s.health.SetDraining() }

// operations serves health and metrics, and everything else by rest; nil: nothing else.
func (s *Server) operations(rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.health.Live)
	mux.HandleFunc("GET /readyz", s.health.Ready)
	mux.HandleFunc("GET /healthz", s.health.Ready)
	mux.Handle("GET /metrics", s.observer.MetricsHandler())
	if rest == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez", "/readyz", "/healthz", "/metrics":
			mux.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// algsInUse are the algorithms that the server, a resource or a client signs with, in that order.
func algsInUse(c Config) []jose.SignatureAlgorithm {
	algs := []jose.SignatureAlgorithm{c.Signing.Alg}
	add := func(alg jose.SignatureAlgorithm) {
		if alg != "" && !slices.Contains(algs, alg) {
			algs = append(algs, alg)
		}
	}
	for _, r := range c.Resources {
		add(r.Alg)
	}
	if c.admitsStrangers() {
		add(jose.RS256) // OpenID Connect register.Policy section 2: what a client can count on
	}
	c.Clients.Each(func(cl *client.Client) {
		for _, alg := range cl.Algs() {
			add(jose.SignatureAlgorithm(alg))
		}
	})
	return algs
}

// longestUse is how long a signed token may be shown to somebody: an access token until it expires,
// and an ID token, as a hint, for as long as the session that it speaks of.
func (s *Server) longestUse() time.Duration {
	longest := max(authorize.JarmLifetime, s.config.Lifetimes.AccessToken, s.config.Lifetimes.IDToken, s.config.Sessions.Max, s.config.Sessions.RememberMe)
	s.config.Clients.Each(func(c *client.Client) {
		longest = max(longest, time.Duration(c.AccessTokenLifetime), time.Duration(c.IDTokenLifetime))
	})
	return longest
}

// admitsStrangers tells whether clients may turn up that the operator has not named.
func (c *Config) admitsStrangers() bool { return c.Registration.On() || c.Documents }

// openNonces makes the nonces of proofs, the same in every replica.
func (s *Server) openNonces(context.Context) (err error) {
	if !s.config.DPoP.RequireNonce {
		return nil
	}
	var keys [][]byte
	for _, key := range s.config.Secret.Deriver(purposeNonce).Derive(nil) {
		keys = append(keys, key[:])
	}
	s.nonces, err = dpop.NewNonces(keys...)
	return err
}

// longestGrace is how long the longest grace is in which a rotated refresh token of a client of the configuration
// may be sent again.
func (s *Server) longestGrace() time.Duration {
	longest := s.config.Lifetimes.RefreshGrace
	s.config.Clients.Each(func(c *client.Client) {
		if c.RefreshGrace != nil {
			longest = max(longest, time.Duration(*c.RefreshGrace))
		}
	})
	return longest
}

// managedGrace is longestGrace for the clients that the operator has made through the admin API.
func (s *Server) managedGrace(ctx context.Context) (time.Duration, error) {
	managed, err := s.managed.All(ctx)
	if err != nil {
		return 0, err
	}
	return managed.RefreshGrace + oauth.ClockSkew, nil
}

// AdminSocket serves health, metrics and the admin API, to whoever may connect.
func (s *Server) AdminSocket() http.Handler {
	return s.operations(s.operator.Handler(s.operator.AtSocket))
}

// AdminListener serves health and metrics to everybody, and the admin API to whoever has an access token
// for it.
func (s *Server) AdminListener() http.Handler {
	return s.operations(s.operator.Handler(s.operator.AtListener))
}

func (s *Server) openBackups(context.Context) error {
	if s.config.Backup == nil {
		return nil
	}
	c := *s.config.Backup
	c.Write, c.Logger = s.operator.ScheduledBackup, s.logger
	s.backups = backup.New(c)
	return s.observer.ShowBackups(func() (time.Time, int64, uint64) {
		status := s.backups.Status()
		return status.Newest, status.Bytes, status.Failures
	})
}

// watchFile raises an alarm when the file of the store is gone.
func (s *Server) watchFile(ctx context.Context) error {
	if s.config.File == nil {
		return nil
	}
	if lost := s.config.File.Lost(ctx); lost != nil {
		s.observer.Alarm(ctx, observe.DatabaseLost, slog.String("found", lost.Error()))
	}
	return nil
}
