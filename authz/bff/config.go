package bff

import (
	"crypto/x509"
	_ "embed"
	"log/slog"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

// ConfigSource is the source of this file, whose comments are the manual of the keys.
//
//go:embed config.go
var ConfigSource []byte

// Config describes cookie mode: one provider, and any number of frontends.
type Config struct {
	// Issuer is the provider, as its discovery document names it. http is for loopback only.
	Issuer string `yaml:"issuer"`

	// ClientID is the client of every frontend that names none. It must be a confidential client.
	ClientID string `yaml:"client_id"`
	// Authentication is how the client proves itself to the provider.
	Authentication provider.Authentication `yaml:"client_authentication"`

	// Sessions says how long sessions live.
	Sessions SessionLimits `yaml:"sessions"`

	// Revocations says how the provider's revocation feed is followed.
	Revocations Revocations `yaml:"revocations"`

	// Frontends are the apps, each with an origin, or a path of an origin.
	Frontends []Frontend `yaml:"frontends"`

	// Gate lets people into sites that know nothing of signing in. It signs people in at its own URL, as if that were
	// a frontend of the name gate. A zero Gate is none.
	Gate gate.Settings `yaml:"gate"`

	// Store keeps the sessions.
	Store storage.Store `yaml:"-"`
	// Sealed says that the sessions are sealed into their cookies instead, and that there is no Store. Such sessions
	// end by the revocation feed, and there are neither WebSockets nor gates.
	Sealed bool `yaml:"-"`
	// Secret seals the tokens in the store, and what a sign-in leaves in the browser.
	Secret *keys.Secret `yaml:"-"`
	// HTTPClient calls the provider. It must not follow redirects to other hosts. nil: a client with the
	// certificate authorities of the system.
	HTTPClient *http.Client `yaml:"-"`
	// RootCAs are the certificate authorities that are trusted for APIs; nil: those of the system.
	RootCAs *x509.CertPool `yaml:"-"`
	// Diagnostics serves /bff/diagnostics, which shows a developer the state of a session, without tokens. It is for
	// development.
	Diagnostics bool `yaml:"-"`
	// Audit records sign-ins, ends of sessions and refusals. Call its Run and Seal too. It must lie in Store. nil: the
	// structured events of requests are the only record.
	Audit *audit.Log `yaml:"-"`
	// Observer counts alarms. Wrap the handler of New in its Handler. nil: alarms are logged only.
	Observer *observe.Observer `yaml:"-"`
	// Logger receives warnings. nil: slog.Default().
	Logger *slog.Logger `yaml:"-"`
}

// SessionLimits say how long sessions live.
type SessionLimits struct {
	// Idle is the time without activity after which a session ends; 0: 12h. Only a sign-in and POST
	// /bff/activity count as activity.
	Idle member.Duration `yaml:"idle"`
	// Max is the time after which it ends in any case; 0: 168h.
	Max member.Duration `yaml:"max"`
}

// The limits if none are given, as authzd's.
const (
	defaultIdle = 12 * time.Hour
	defaultMax  = 168 * time.Hour
)

// Revocations says how cookie mode and the gate follow the provider's revocation feed. By it, a session ends within two
// seconds after its user was disabled, and has new roles within two seconds after they were changed.
type Revocations struct {
	// Lost says what happens to sessions while nothing was heard of the feed for longer than a minute: go_on (the
	// default) lets them go on, and raises an alarm; refuse answers 503; off follows no feed, for a provider that
	// has none.
	Lost string `yaml:"lost" enum:"go_on,refuse,off"`
}

// Frontend is one app in the browser.
type Frontend struct {
	// Name is a short name of lower-case letters, digits and "-". The session cookie is called __Host-Http-NAME.
	Name string `yaml:"name"`
	// URL is the origin of the app, such as https://orders.example.com, or an origin with a path. Two apps of
	// one origin can call each other: see Warnings.
	URL string `yaml:"url"`
	// ClientID is another client than Config's; empty: that one.
	ClientID string `yaml:"client_id"`
	// Scope is what a sign-in asks for, with spaces between; empty: openid profile. openid is always asked for.
	Scope string `yaml:"scope"`
	// Routes lead to the APIs that the app calls. Each resource among them gets its own token.
	Routes []relay.Route `yaml:"routes"`
	// App is where the app's own files are. Without it, every path that is no route is 404.
	App relay.App `yaml:"app"`
	// AppNeedsSession says that the app's own pages are behind the session too. After a sign-in, the browser then
	// gets a small page that goes on, because it would not send a Strict cookie on a redirect from another site. It is
	// for Go programs that serve such pages beside this package: the files of App are public.
	AppNeedsSession bool `yaml:"-"`
	// Lax gives the session cookie SameSite=Lax. It is for the host of a gate.
	Lax bool `yaml:"-"`
}
