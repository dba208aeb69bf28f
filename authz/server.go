// Package authz is the authorization server: the HTTP endpoints of OAuth 2.1 and OpenID Connect, and the pages on
// which people sign in. It wires the packages below together, and maps paths to them:
//
//	server.go     Server, New, Run        open.go       opens each part, from the ground up
//	routes.go     every path, its guard   discovery.go  metadata and keys, for clients and verifiers
//	config.go     Config                  admin.go      health, metrics and the admin API
//	needs.go      what clients need       revocations.go   the revocation feed, and who may read it
//
// Imports between the packages go one way, and a test checks that:
//
//	/authorize /login /consent /device …  interaction -> authorize -> clientauth -> token -> grant -> client, resource -> oauth
//	/par                                                 authorize
//	/token                                tokenendpoint -> authorize …            (the only one that knows fosite)
//	/introspect /revoke /userinfo         tokeninfo
//	/logout                               logout
//	/register                             register
//	admin API                             operator
//
// A request reads its records first, decides and signs, and writes all by one storage.Store.Apply at its end.
package authz

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/allowance"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/client/directory"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/logout"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/selfservice"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/tokeninfo"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/storage"
)

// Server is an authorization server. It is an http.Handler for the public listener. Make it by New.
type Server struct {
	config   Config
	issuer   oauth.Issuer
	store    storage.Store
	logger   *slog.Logger
	observer *observe.Observer
	health   *observe.Health
	handler  http.Handler
	metadata atomic.Pointer[metadata]

	// The ground: keys, the audit log, users, clients and sessions.
	sealing    *keys.Sealing
	keys       *keys.Ring
	algs       []jose.SignatureAlgorithm // in use
	audit      *audit.Log
	feed       *feed.Feed
	proofs     *proof.Proofs
	events     *events.Recorder
	accounts   *account.Directory
	passwords  *password.Policy
	sessions   *session.Sessions
	passkeys   *passkey.Passkeys // nil: there are none
	factors    *factor.Factors
	connectors connect.Set
	resources  resource.Set
	managed    *directory.Managed
	clients    *directory.Clients
	clientKeys *clientkeys.Keys
	outbound   *outbound.Client
	ledger     *allowance.Ledger
	grantTypes []string // on offer
	outbox     *outbox.Outbox
	mail       *mail.Office // nil: there is no mail
	upkeep     *upkeep.Upkeep

	// The packages with endpoints, and those below them, from the ground up.
	grants        *grant.Grants
	tokens        *token.Tokens
	auth          *clientauth.Authenticator
	pages         *pages.Pages
	requests      *authorize.Requests
	tokenEndpoint *tokenendpoint.Endpoint
	logout        *logout.Logout
	interaction   *interaction.Interaction
	selfservice   *selfservice.Service
	tokenInfo     *tokeninfo.Endpoints
	register      *register.Endpoint
	operator      *operator.API
}

// New returns a server. It reads the store, and creates signing keys and configured users that are missing. It
// calls no other machine than the store's. Errors name what is wrong with the configuration or the store.
func New(ctx context.Context, c Config) (*Server, error) {
	issuer, err := oauth.ParseIssuer(c.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, issuer: issuer, resources: c.Resources, logger: c.Logger}
	s.store = outbox.Watch(c.Store, s.wakeOutbox)
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if c.Classes == nil {
		s.config.Classes = DefaultClasses
	}
	s.ledger = &allowance.Ledger{Networks: throttle.New(), Clients: throttle.New(), TokensInvite: c.Registration.Mode == register.Token}
	s.algs = algsInUse(c)
	s.grantTypes = tokenendpoint.Offered(c.Clients)
	if err := c.MTLS.Check(c.Clients, c.TrustedProxies); err != nil {
		return nil, err
	}
	s.feed = s.newFeed()
	for _, open := range parts {
		if err := open(s, ctx); err != nil {
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

// Run does the work in the background until ctx ends: it rotates signing keys, seals records of an earlier secret
// again, surveys password hashes, ends the sessions whose time is over, delivers logout tokens and mails, seals the audit log, and makes backups. A
// server answers requests without it. It returns the first error, or that of ctx.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.upkeep.Run(ctx) })
	group.Go(func() error { return s.keys.Run(ctx) })
	group.Go(func() error { return s.accounts.Run(ctx, s.logger) })
	group.Go(func() error { return s.sessions.Run(ctx, s.logger) })
	group.Go(func() error { return s.outbox.Run(ctx) })
	group.Go(func() error { return s.grants.Sweep(ctx) })
	group.Go(func() error { return s.feed.Run(ctx) })
	return group.Wait()
}

// Drain makes the readiness probe fail, so that a load balancer sends no new requests. Requests are still answered,
// and those that wait for revocations are answered at once.
func (s *Server) Drain() {
	s.health.SetDraining()
	s.feed.Drain()
}

// ServeHTTP answers a request to the public listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
