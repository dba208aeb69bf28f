package gate

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// ConfigSource is the source of this file, whose comments are the manual of the keys.
//
//go:embed config.go
var ConfigSource []byte

// Settings are what an operator writes.
type Settings struct {
	// URL is the origin where people sign in, such as https://gate.example.com. It is also the issuer of what the gate
	// signs. Plain http is for loopback only.
	URL string `yaml:"url"`

	// ClientID is the client of the gate's host, where people sign in. Default: that of the BFF.
	ClientID string `yaml:"client_id"`

	// Scope is what a sign-in asks for, with spaces between. Default: openid profile.
	Scope string `yaml:"scope"`

	// TrustedProxies are the networks (CIDR) of the proxies that may ask. There is no default: all others get 403, because
	// they could say that any request is theirs.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`

	// TrustUnixSocket trusts everybody who can connect to a Unix socket, in place of or beside trusted_proxies.
	TrustUnixSocket bool `yaml:"trust_unix_socket"`

	// Hosts are the sites that the gate guards. A request for another host is refused.
	Hosts []Host `yaml:"hosts"`

	// Headers are what a site is told about the user: the name of a header, and its source. That is sub, sid, roles,
	// groups, assertion (a signed token), or the name of a claim, such as email. Every one of them is in every answer that
	// allows, empty if there is nothing to say, so that what a client sent never survives.
	Headers map[string]string `yaml:"headers"`

	// Embedded says that the gate is used as Middleware only, and so needs no proxy.
	Embedded bool `yaml:"-"`
}

// Config is the input of New.
type Config struct {
	Settings

	// Sessions are those of the gate's own host. Their cookie must be Lax.
	Sessions Sessions
	// Login returns the URL where a person signs in on the gate's host, and comes back to a path of it.
	Login func(returnTo string) string

	// Store and Secret are where hand-over codes and the gate's own signing keys lie, and what seals them. The store must
	// not be the server's: the gate would take the server's keys for its own.
	Store  storage.Store
	Secret *keys.Secret

	// Announced returns writes that are made in the same Apply when a signing key is announced. nil: there are none.
	Announced func(ctx context.Context, alg, kid string, signFrom time.Time) []storage.Write
	// Refused is called when a browser has shown a hand-over code that is not for it. nil: nobody is told.
	Refused func(r *http.Request, code string)

	// Logger gets rotations of keys; nil: nothing is logged.
	Logger *slog.Logger
}

// Host is a site that a gate guards.
type Host struct {
	// URL is the site's origin, such as https://app.example.com. Plain http is for loopback only.
	URL string `yaml:"url" required:"true"`

	// Rules say who may do what. The first one that a request matches counts. A request that matches none is refused.
	Rules []Rule `yaml:"rules"`
}

// Rule lets some people do something. Its path is compared with the decoded path of a request. Query and fragment never
// matter.
type Rule struct {
	// Path is a path, which stands for itself and all paths below it: /admin is for /admin, /admin/ and /admin/users, and
	// not for /administration. Upper and lower case differ.
	Path string `yaml:"path" required:"true"`

	// Exact says that the rule is for the path alone, with or without a slash at its end.
	Exact bool `yaml:"exact"`

	// Methods are the methods that the rule is for. Default: all. GET includes HEAD.
	Methods []string `yaml:"methods"`

	// Allow is anonymous (everybody), signed_in (every user of the issuer) or nobody. Leave it out to name roles or groups.
	Allow string `yaml:"allow" enum:"anonymous,signed_in,nobody"`

	// Roles are let through: one of them, or of groups, is enough.
	Roles []string `yaml:"roles"`

	// Groups are let through: one of them, or of roles, is enough.
	Groups []string `yaml:"groups"`
}

// The values of Rule.Allow.
const (
	Anonymous = "anonymous"
	SignedIn  = "signed_in"
	Nobody    = "nobody"
)

// Given reports whether there is a gate at all.
func (s *Settings) Given() bool {
	return s.URL != "" || s.ClientID != "" || s.Scope != "" || len(s.TrustedProxies) > 0 || s.TrustUnixSocket || len(s.Hosts) > 0 || len(s.Headers) > 0
}
