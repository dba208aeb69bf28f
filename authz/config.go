package authz

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/tokenendpoint"
	"github.com/authzd/authzd/authz/upkeep"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// Config is the configuration of a Server. Do not change anything in it after New.
type Config struct {
	// Issuer is the issuer identifier, without a trailing slash (RFC 8414 section 2).
	Issuer string
	// Dev explains errors in full on the error pages, and lets loopback origins call from a browser. Do not
	// set it in production.
	Dev bool

	Store     storage.Store    // the caller closes it, after Run has returned
	File      upkeep.StoreFile // of the store; nil: it is not one file
	Secret    *keys.Secret
	Clients   *client.Registry
	Resources []resource.Resource
	Users     []users.User // created if absent, never overwritten

	Connectors []connect.Config // New fills in RedirectURI
	Outbound   outbound.Config  // for the URLs that clients name
	MTLS       *clientauth.MTLS // nil: certificates of clients are ignored
	Branding   templates.Branding

	// Mail sends mails. Without a Transport, nothing that needs mail is offered.
	Mail Mail

	Passkeys Passkeys

	// TrustedIssuers vouch for users to the clients of the JWT bearer grant.
	TrustedIssuers []tokenendpoint.TrustedIssuer

	Operator *operator.Config // nil: there is no admin API
	// Backup says when the server makes backups by itself; New fills in Write and Logger. nil: it makes none.
	Backup *backup.Config

	Registration register.Policy
	// Documents allows a client_id that is the URL of the client's metadata
	// (draft-ietf-oauth-client-id-metadata-document).
	Documents bool

	Accounts Accounts
	// Factors says how strongly people must prove who they are. Classes are the authentication context classes that
	// name this in requests and tokens, the weakest first; nil: DefaultClasses.
	Factors factor.Policy
	Classes []authorize.Class

	Lifetimes Lifetimes
	Sessions  Sessions
	Signing   Signing
	DPoP      DPoP
	Audit     Audit

	Revocations Revocations

	// CORSHeaders are request headers that apps in a browser may send, beside those that the standards
	// need. nil: traceparent and tracestate.
	CORSHeaders []string

	// Playground serves /playground and the paths below it; nil: there is none.
	Playground http.Handler

	TrustedProxies []netip.Prefix       // proxies whose headers about the caller count
	Logger         *slog.Logger         // nil: slog.Default()
	Metrics        *prometheus.Registry // nil: a new one
}

// Mail says how mails are sent.
type Mail struct {
	From      string         // a mailbox, such as "Example <id@example.com>"
	Transport mail.Transport // nil: there is no mail
}

// Accounts says how people's own accounts work.
type Accounts struct {
	// Registration says who may make an account. Without mail, nobody may.
	Registration AccountRegistration
	// AllowedDomains are the only domains whose addresses may sign up; empty: all.
	AllowedDomains []string

	// Password says which new passwords are accepted. It does not hold for those of Users. New fills in Issuer,
	// Always and Leaks.
	Password password.Policy
	// LeaksURL is the address of a service that knows leaked passwords, without the prefix of a hash; empty: nobody is
	// asked.
	LeaksURL string
	// EndPasswordAfter is how many wrong passwords in a row end a user's password; 0: none do.
	EndPasswordAfter int
}

// AccountRegistration says who may make an account.
type AccountRegistration string

// The values of AccountRegistration. The zero value is RegistrationOff.
const (
	RegistrationOff    AccountRegistration = "off"    // operators make all accounts
	RegistrationInvite AccountRegistration = "invite" // people whom an operator invites by mail
	RegistrationOpen   AccountRegistration = "open"   // everybody
)

// Lifetimes are the server's defaults. A client may have other ones.
type Lifetimes struct {
	AccessToken, IDToken, Code time.Duration
	PAR                        time.Duration // how long a request_uri can begin a sign-in (RFC 9126 section 2.2)
	DeviceCode                 time.Duration // how long the user of a device has to decide (RFC 8628 section 3.2)
	RefreshToken               time.Duration // how long a grant can be refreshed, from the exchange of the code
	RefreshIdle                time.Duration // how long a grant can be refreshed, from the last refresh
	RefreshGrace               time.Duration // how long after a refresh the same refresh token is answered again
}

// Sessions limits browser sessions.
type Sessions struct {
	Idle, Max  time.Duration // a session ends after Idle without activity, and after Max in any case
	RememberMe time.Duration // Idle and Max of a user who wants to be remembered; 0: the page does not offer it
	// Beacon says that only our pages and POST /session/activity count as activity. Otherwise a token refresh
	// counts too.
	Beacon bool
	// EndOffline says that a logout also ends the offline grants of the session.
	EndOffline bool
}

// Audit says how long the audit log is kept.
type Audit struct {
	Keep time.Duration // 0: for ever
}

// Revocations says who may read the revocation feed.
type Revocations struct {
	ClientsOnly bool // confidential clients, which authenticate; otherwise anybody
}

// Signing says how tokens are signed, and when signing keys are rotated.
type Signing struct {
	Alg         jose.SignatureAlgorithm // where the resource or the client sets no other
	RotateEvery time.Duration
	Announce    time.Duration // how long a key is published before it signs
}

// DefaultLifetimes, DefaultSessions, DefaultClasses and DefaultSigning are for callers without a configuration file.
var (
	DefaultLifetimes = Lifetimes{
		AccessToken: 15 * time.Minute, IDToken: time.Hour, Code: time.Minute, DeviceCode: 10 * time.Minute, PAR: 90 * time.Second,
		RefreshToken: 720 * time.Hour, RefreshIdle: 168 * time.Hour, RefreshGrace: time.Minute,
	}
	DefaultSessions = Sessions{Idle: 12 * time.Hour, Max: 168 * time.Hour, RememberMe: 720 * time.Hour}
	DefaultClasses  = []authorize.Class{{Name: authorize.ACRTwoFactors, Level: factor.Two}}
	DefaultSigning  = Signing{Alg: jose.RS256, RotateEvery: 2160 * time.Hour, Announce: 24 * time.Hour}
)

// DPoP says how proofs of possession are checked.
type DPoP struct {
	// RequireNonce demands a nonce of the server in proofs (RFC 9449 section 8). A proof without one is answered
	// with use_dpop_nonce. Then proofs can't be made in advance, and the clocks of clients do not matter.
	RequireNonce bool
}
