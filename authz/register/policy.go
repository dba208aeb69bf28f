package register

import (
	"time"
)

// Modes of a Policy.
const (
	Off   = "off"   // nobody may register clients
	Token = "token" // an initial access token is needed
	Open  = "open"  // everybody may register clients
)

// Policy says who may register clients (RFC 7591), and what such clients may have. Scopes and Resources apply
// to clients with metadata documents too.
type Policy struct {
	Mode                string   // empty: Off
	InitialAccessTokens []string // RFC 7591 section 3
	Scopes              []string
	Resources           []string
	NativeSchemes       []string      // schemes without a dot that redirect URIs of native applications may have
	UnusedAfter         time.Duration // a client that got no token for this long is forgotten
	PerAddressPerHour   int           // registrations; one counts once for each 2 KiB of metadata
	MaxClients          int           // clients that are stored at a time; one counts once for each 2 KiB of metadata

	// SoftwareStatementIssuers has, for each trusted issuer of software statements (RFC 7591 section 2.3), the
	// URL of its keys.
	SoftwareStatementIssuers map[string]string
}

// On reports whether clients can register. If they can't, those that have registered are unknown, too.
func (r *Policy) On() bool { return r.Mode == Token || r.Mode == Open }

// DefaultPolicy is for callers without a configuration file. Nobody may register until they set Mode.
var DefaultPolicy = Policy{
	Scopes:      []string{"openid", "profile", "email", "address", "phone", "offline_access"},
	UnusedAfter: 720 * time.Hour, PerAddressPerHour: 30, MaxClients: 10_000,
}
