package register

import (
	"time"
)

// Who may register clients: nobody, whoever holds an initial access token, or everybody.
const (
	Off   = "off"
	Token = "token"
	Open  = "open"
)

// Policy says who may register clients (RFC 7591), and what such clients may have. Scopes and
// Resources hold for clients with metadata documents too.
type Policy struct {
	Mode                string   // empty: Off
	InitialAccessTokens []string // RFC 7591 section 3
	Scopes              []string
	Resources           []string
	NativeSchemes       []string      // without a dot, and yet allowed in redirect URIs of native applications
	UnusedAfter         time.Duration // a client that got no token for so long is forgotten
	PerAddressPerHour   int           // registrations, of 2 KiB of metadata
	MaxClients          int           // stored at a time, likewise

	// SoftwareStatementIssuers has, for each issuer whose software statements count (RFC 7591 section
	// 2.3), the URL of its keys.
	SoftwareStatementIssuers map[string]string
}

// On tells whether clients that registered themselves are known.
func (r *Policy) On() bool { return r.Mode == Token || r.Mode == Open }

// DefaultPolicy is for callers without a configuration file; nobody may register until they
// set the mode.
var DefaultPolicy = Policy{
	Scopes:      []string{"openid", "profile", "email", "address", "phone", "offline_access"},
	UnusedAfter: 720 * time.Hour, PerAddressPerHour: 30, MaxClients: 10_000,
}
