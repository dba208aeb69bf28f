package authz

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Config is all that New needs. Nothing in it may be changed afterwards.
type Config struct {
	// Issuer is the issuer identifier, without a trailing slash (RFC 8414 section 2).
	Issuer string
	// Dev explains errors in full on the error pages, lets loopback origins call from a browser and
	// serves the playground. Never in production.
	Dev bool

	Store     storage.Store      // the caller closes it, after Run has returned
	File      operator.StoreFile // of the store; nil: it is not one file
	Secret    *keys.Secret
	Clients   *client.Registry
	Resources []resource.Resource
	Users     []users.User // created if absent, never overwritten

	Connectors []connect.Config // RedirectURI is filled in here
	Outbound   outbound.Config  // for the URLs that clients name
	MTLS       *clientauth.MTLS // nil: certificates of clients are not looked at
	Branding   templates.Branding

	// TrustedIssuers vouch for users to the clients of the JWT bearer grant.
	TrustedIssuers []tokenendpoint.TrustedIssuer

	Operator *operator.Config // nil: there is no admin API
	// Backup is when the server makes backups by itself; Write and Logger are filled in here. nil: it
	// makes none.
	Backup *backup.Config

	Registration register.Policy
	// Documents: a client_id may be the URL of the client's metadata (draft-ietf-oauth-client-id-metadata-
	// document).
	Documents bool

	Lifetimes Lifetimes
	Sessions  Sessions
	Signing   Signing
	DPoP      DPoP
	Audit     Audit

	// CORSHeaders are request headers that apps in a browser may send, beside those that the standards
	// need. nil: traceparent and tracestate.
	CORSHeaders []string

	// Playground answers /playground and what is below it; nil: nothing does.
	Playground http.Handler

	TrustedProxies []netip.Prefix
	Logger         *slog.Logger         // nil: slog.Default()
	Metrics        *prometheus.Registry // nil: a new one
}

// Lifetimes are the server's defaults; a client may have its own.
type Lifetimes struct {
	AccessToken, IDToken, Code time.Duration
	PAR                        time.Duration // in which a pushed request must begin (RFC 9126 section 2.2)
	DeviceCode                 time.Duration // for the user to come and decide
	RefreshToken               time.Duration // absolute, from the code exchange on
	RefreshIdle                time.Duration // since the last refresh
	RefreshGrace               time.Duration // in which a retry of a refresh is answered again
}

// Sessions limits browser logins.
type Sessions struct {
	Idle, Max  time.Duration
	RememberMe time.Duration // both, for a user who asked to be remembered; 0: nobody is asked
	// Beacon: only what the user does counts as activity, that is our pages and
	// POST /session/activity. Otherwise a token refresh counts too.
	Beacon bool
	// EndOffline: logging out ends the offline grants too that came from the session.
	EndOffline bool
}

// Audit says how long the audit log is kept.
type Audit struct {
	Keep time.Duration // 0: for ever
}

// Signing says how tokens are signed unless a resource or client asks for something else.
type Signing struct {
	Alg         jose.SignatureAlgorithm
	RotateEvery time.Duration
	Announce    time.Duration
}

// DefaultLifetimes, DefaultSessions and DefaultSigning are for callers without a configuration file.
var (
	DefaultLifetimes = Lifetimes{
		AccessToken: 15 * time.Minute, IDToken: time.Hour, Code: time.Minute, DeviceCode: 10 * time.Minute, PAR: 90 * time.Second,
		RefreshToken: 720 * time.Hour, RefreshIdle: 168 * time.Hour, RefreshGrace: time.Minute,
	}
	DefaultSessions = Sessions{Idle: 12 * time.Hour, Max: 168 * time.Hour, RememberMe: 720 * time.Hour}
	DefaultSigning  = Signing{Alg: jose.RS256, RotateEvery: 2160 * time.Hour, Announce: 24 * time.Hour}
)

// DPoP says how proofs of possession are checked.
type DPoP struct {
	// RequireNonce makes clients put a nonce of the server into their proofs (RFC 9449 section 8): they
	// are told by use_dpop_nonce. A proof can then not be made for later, and the clocks of the clients
	// do not matter.
	RequireNonce bool
}
