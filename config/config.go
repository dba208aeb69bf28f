// Package config is the reference manual of authzd.yaml: every key is a field of Config or of a
// type in entries.go, and the comment on the field says what the key does. The JSON Schema quotes
// the same comments, and example.yaml shows every key once.
//
// Loading goes one way, and no step stops at its first error:
//
//	defaults ─> (dev.yaml) ─> authzd.yaml ─> AUTHZD_… variables ─> derived defaults ─> check
//	   │            │              │                │                    │               │
//	   └────────────┴──────────────┴────────┬───────┴────────────────────┴───────────────┘
//	                                        ▼
//	                           Errors: line, key, value, reason, hint
//
// A Config that Load has returned is complete and valid: presets and defaults are filled in, and
// nobody needs to look behind a zero value.
//
// Common to all keys:
//
//   - A key with an empty value, such as "", [] or nothing at all, counts as not given.
//   - Times are Go durations: 90s, 15m, 720h.
//   - Names of files and folders are relative to the file that has them; defaults, and what variables
//     say, to the working directory.
//   - An environment variable wins over the file. Its name is the path of the key in capitals, as in
//     AUTHZD_STORAGE_BOLT_PATH; members of a client, user, resource or connector have its identifier
//     in the path, as in AUTHZD_CONNECTORS_GOOGLE_CLIENT_SECRET, and those of one of several secrets
//     its place, as in AUTHZD_CLIENTS_PORTAL_CLIENT_SECRETS_0_SECRET. Lists are separated by commas.
//   - A secret can stand in a file of its own, named by the same key with _file at its end; a
//     newline at the file's end is not part of it.
package config

import (
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/templates"
)

// Config is the whole of authzd.yaml.
type Config struct {
	// Issuer is the public URL of this server, exactly as tokens carry it (OpenID Connect Core
	// section 2, RFC 8414 section 2): https, or http on loopback; a path is allowed; no query, no
	// fragment, no trailing slash.
	Issuer string `yaml:"issuer"`

	// Listen is the address of the public endpoints: ":9010" for all interfaces, "localhost:9010"
	// for both loopback addresses, or one address and port.
	// Default: ":9010".
	Listen string `yaml:"listen"`

	// ShutdownDelay is how long the server goes on serving after SIGTERM, while /readyz answers 503
	// already: as long as the load balancer needs to notice, so that it sends nothing to a closed
	// listener. At most 5m. Default: 0s, for where nobody asks /readyz.
	ShutdownDelay time.Duration `yaml:"shutdown_delay"`

	// TLS serves https directly. Without it, a proxy in front has to.
	TLS TLS `yaml:"tls"`

	// MTLS is for clients that show certificates.
	MTLS MTLS `yaml:"mtls"`

	// TrustedProxies are the networks (CIDR) of the proxies whose X-Forwarded-For, and mtls.header,
	// is believed.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`

	// Admin is the operator's door: the admin API, metrics and health.
	Admin Admin `yaml:"admin"`

	// Storage says where everything is kept.
	Storage Storage `yaml:"storage"`

	// SecretFile holds the secret that seals private keys at rest. It is made on first start, with
	// mode 0600, if it is not there. Default: the file "secret" beside the bbolt file, or in
	// "./authzd-data". Replicas must have the same. A list is for rotation: the first seals, the
	// others still open. "env:NAME" stands for the environment variable of that name, which then
	// holds the secret itself.
	SecretFile PathList `yaml:"secret_file" path:"true"`

	// KMS keeps these secrets under a key that is kept elsewhere. Default: the file holds the secret
	// itself.
	KMS KMS `yaml:"kms"`

	// Log says what is written to standard error, and how.
	Log Log `yaml:"log"`

	// Lifetimes are how long tokens live, unless a client says otherwise.
	Lifetimes Lifetimes `yaml:"lifetimes"`

	// Sessions are the browser logins.
	Sessions Sessions `yaml:"sessions"`

	// Signing is the ring of keys that sign tokens.
	Signing Signing `yaml:"signing"`

	// DPoP says how the proofs of keys are checked that tokens are bound to (RFC 9449).
	DPoP DPoP `yaml:"dpop"`

	// Audit is the log of who did what.
	Audit Audit `yaml:"audit"`

	// Backup has the server make backups by itself.
	Backup Backup `yaml:"backup"`

	// Registration lets clients register themselves (RFC 7591, OpenID Connect Dynamic Client
	// Registration).
	Registration Registration `yaml:"registration"`

	// ClientIDMetadataDocuments lets a client be known by the URL of its metadata, without a
	// registration (draft-ietf-oauth-client-id-metadata-document). What such a client may have is said
	// by registration.scope and registration.resources.
	ClientIDMetadataDocuments bool `yaml:"client_id_metadata_documents"`

	// Revocations is the feed of tokens that ended before their time, for APIs that check tokens offline.
	Revocations Revocations `yaml:"revocations"`

	// Mail is how mails to people are sent.
	Mail Mail `yaml:"mail"`

	// CORS is for apps in a browser, beyond what their clients say.
	CORS CORS `yaml:"cors"`

	// Outbound is for the connections that authzd itself opens.
	Outbound Outbound `yaml:"outbound"`

	// Branding is what the pages look like.
	Branding Branding `yaml:"branding"`

	// Resources are the APIs that access tokens are for (RFC 8707).
	Resources []Resource `yaml:"resources"`

	// Clients are the applications (RFC 7591 names).
	Clients []client.Metadata `yaml:"clients"`

	// Users are local accounts, created at start if absent and never overwritten.
	Users []users.User `yaml:"users"`

	// Accounts says how people's own accounts work.
	Accounts Accounts `yaml:"accounts"`

	// Connectors are the upstream identity providers that users may sign in with.
	Connectors []Connector `yaml:"connectors"`

	// TrustedIssuers vouch for users by signed assertions: a client that shows one gets an access token
	// in that user's name (RFC 7523 section 2.1), without a consent page.
	TrustedIssuers []TrustedIssuer `yaml:"trusted_issuers"`

	// Warnings are what this configuration may have, and hardly should.
	Warnings Errors `yaml:"-" json:"-"`
}

// TLS is the server's own certificate: both files or neither.
type TLS struct {
	// CertFile is the PEM certificate chain, the server's own first.
	CertFile string `yaml:"cert_file" path:"true"`

	// KeyFile is the PEM private key of the certificate.
	KeyFile string `yaml:"key_file" path:"true"`
}

// Admin is the operator's door.
type Admin struct {
	// Socket is a Unix socket with mode 0600, for the local operator. Default: "admin.sock" beside
	// the bbolt file, or in "./authzd-data".
	Socket string `yaml:"socket" path:"true"`

	// Listen is an address for metrics and health over http, such as 127.0.0.1:9011, and for the admin
	// API with an access token. With it there is a resource "<issuer>/admin" with the scope authzd:admin,
	// which a client needs for that; a user needs the role authzd:admin, too. Default: none.
	Listen string `yaml:"listen"`
}

// AdminScope is the scope of the admin API.
const AdminScope = "authzd:admin"

// AdminResource is the resource that the admin API is at admin.listen.
func (c *Config) AdminResource() string { return c.Issuer + "/admin" }

// Storage names the engine: bolt or postgres.
type Storage struct {
	// Bolt is the embedded database.
	Bolt Bolt `yaml:"bolt"`

	// Postgres is a database that any number of replicas share, instead of bolt.
	Postgres Postgres `yaml:"postgres"`
}

// Bolt is the embedded database: one file, one process.
type Bolt struct {
	// Path is the database file. It is made, with its folder, if it is not there. Default:
	// "./authzd-data/authzd.db", unless storage.postgres.url is given.
	Path string `yaml:"path" path:"true"`

	// KeepSize keeps the file as large as it has become. Otherwise it is compacted, while it is in use,
	// once it has 64 MiB or more of which half is free, once an hour at most.
	KeepSize bool `yaml:"keep_size"`

	// Ship keeps a copy of the database elsewhere, about a second behind: what "authzd restore --from"
	// brings back, to any moment, and "authzd standby" follows.
	Ship Ship `yaml:"ship"`
}

// Ship is where the changes of the database go, all the time.
type Ship struct {
	// To is a directory, best on another machine's disk, or s3://bucket/prefix. No two databases can
	// share one. Default: none, and nothing is shipped.
	To string `yaml:"to" path:"true"`

	// Every is how long a change waits for others to be shipped with, 1s to 1m: about so much is lost
	// with the machine.
	Every time.Duration `yaml:"every"`

	// SnapshotEvery is the time from one copy of the whole database to the next, 1h to 744h. A restore
	// reads one, and all changes since.
	SnapshotEvery time.Duration `yaml:"snapshot_every"`

	// Keep is how far back a moment can be restored.
	Keep time.Duration `yaml:"keep"`

	// SpoolMiB is how many MiB of changes wait on this machine's disk, beside the database, while
	// nothing can be shipped. If they become more, they are given up, and shipping begins anew with a
	// snapshot.
	SpoolMiB *int `yaml:"spool_mib"`

	// Recipients are the age public keys (age1...) that everything is encrypted for: who has any of the
	// private keys can read it, the server cannot. Default: it is not encrypted.
	Recipients []string `yaml:"recipients"`

	// S3 says how the bucket is reached.
	S3 S3 `yaml:"s3"`
}

// S3 is a bucket of Amazon S3, or of what speaks its protocol.
type S3 struct {
	// Endpoint is the URL of the service, without the bucket; http only on loopback. Its certificate may
	// be of an authority in outbound.ca_file. Default: that of AWS.
	Endpoint string `yaml:"endpoint"`

	// Region is the region of the bucket.
	Region string `yaml:"region"`

	// AccessKeyID names the key that may read, write, list and delete there.
	AccessKeyID string `yaml:"access_key_id"`

	// SecretAccessKey is the key's secret.
	SecretAccessKey member.Secret `yaml:"secret_access_key"`

	// PathStyle puts the bucket into the path of each URL and not into its host name, as most services
	// other than AWS want it.
	PathStyle bool `yaml:"path_style"`
}

// Postgres is a database that any number of replicas share: PostgreSQL 13 or later. Of CockroachDB and
// YugabyteDB, which speak its language, docs/postgresql.md says what to expect.
type Postgres struct {
	// URL names the database and the role that owns it, as psql has it:
	// postgres://role:password@host/database?sslmode=verify-full&sslrootcert=ca.pem. Of several hosts,
	// separated by commas, the one is used that takes writes. A remote host needs an sslmode that
	// says for sure whether the connection is encrypted: verify-full, verify-ca, require or disable.
	// Behind a pooler of transactions, such as pgbouncer, it needs default_query_exec_mode=exec.
	URL member.Secret `yaml:"url"`

	// MaxConnections is how many connections this process opens at most.
	MaxConnections *int `yaml:"max_connections"`

	// StartTimeout is how long a start waits for a server that is away, at most 1h. 0s: it fails at once.
	StartTimeout time.Duration `yaml:"start_timeout"`
}

// Log says what is written to standard error, and how.
type Log struct {
	// Level is the least important level that is written.
	Level string `yaml:"level" enum:"debug,info,warn,error"`

	// Format is json for machines or text for people.
	Format string `yaml:"format" enum:"json,text"`
}

// Lifetimes are how long tokens live, unless a client says otherwise.
type Lifetimes struct {
	// AccessToken is the life of an access token. A role change or a disabled user is seen by a
	// stateless API within this time.
	AccessToken time.Duration `yaml:"access_token"`

	// IDToken is the life of an ID token.
	IDToken time.Duration `yaml:"id_token"`

	// Code is the life of an authorization code, at most 10m (RFC 6749 section 4.1.2).
	Code time.Duration `yaml:"code"`

	// PAR is how long after it was pushed an authorization request may begin, 5s to 10m (RFC 9126
	// section 2.2). It may then take as long as any other.
	PAR time.Duration `yaml:"par"`

	// DeviceCode is how long the user of a TV or a command line has to come and allow it (RFC 8628
	// section 3.2), at most 1h.
	DeviceCode time.Duration `yaml:"device_code"`

	// RefreshToken is the absolute life of a grant: refreshing does not extend it.
	RefreshToken time.Duration `yaml:"refresh_token"`

	// RefreshIdle ends a grant that was not refreshed for this long.
	RefreshIdle time.Duration `yaml:"refresh_idle"`

	// RefreshGrace is how long a rotated refresh token may be sent again, for answers lost on the way
	// and for several tabs, as long as its successor is unused. After it, reuse is theft. A client may
	// have its own; 0s forbids retries to all that have none.
	RefreshGrace time.Duration `yaml:"refresh_grace"`
}

// Sessions are the browser logins.
type Sessions struct {
	// Idle ends a session without activity.
	Idle time.Duration `yaml:"idle"`

	// Max ends a session whatever the user does.
	Max time.Duration `yaml:"max"`

	// RememberMe stands in for idle and max where the user ticked "remember me". 0s: the box is not
	// offered, and the limits hold for everybody.
	RememberMe time.Duration `yaml:"remember_me"`

	// Activity says what counts as activity: refresh (a page of ours or a refreshed token) or
	// beacon (only what the user really does: a page of ours, or the app's call of
	// POST /session/activity).
	Activity string `yaml:"activity" enum:"refresh,beacon"`

	// EndOffline makes a logout end the refresh tokens with offline_access too that came from the
	// session. A session that reaches a limit leaves them alone in any case.
	EndOffline bool `yaml:"end_offline"`
}

// Revocations is the revocation feed.
type Revocations struct {
	// Access says who may read it: public (anybody; it has hashes only) or clients (confidential clients that
	// authenticate as for introspection).
	Access string `yaml:"access" enum:"public,clients"`
}

// Signing is the ring of keys that sign tokens.
type Signing struct {
	// Alg signs wherever a client or resource names no other.
	Alg string `yaml:"alg" enum:"RS256,ES256,PS256,EdDSA"`

	// RotateEvery is how often a new key takes over.
	RotateEvery time.Duration `yaml:"rotate_every"`

	// Announce is how long a new key is published before it signs, so that verifiers with a
	// cached key set learn of it in time.
	Announce time.Duration `yaml:"announce"`
}

// Audit is the log of who did what.
type Audit struct {
	// Keep is how long the audit log is kept, at least 24h; 0 means for ever.
	Keep time.Duration `yaml:"keep"`
}

// Backup has the server make backups by itself, one replica for all.
type Backup struct {
	// Dir is the folder of the backups, best on another machine's disk. Of several replicas each must
	// reach it. Default: none, and no backups are made.
	Dir string `yaml:"dir" path:"true"`

	// Every is the time from one backup to the next, at least 1m.
	Every time.Duration `yaml:"every"`

	// Keep is how many backups are kept. The newest always is.
	Keep *int `yaml:"keep"`

	// KeepFor is how long a backup is kept although there are more. 0s: not for that.
	KeepFor time.Duration `yaml:"keep_for"`

	// Recipients are the age public keys (age1...) that backups are encrypted for: who has any of the
	// private keys can read them, the server cannot. Default: they are not encrypted.
	Recipients []string `yaml:"recipients"`
}

// DPoP says how the proofs of keys are checked that tokens are bound to.
type DPoP struct {
	// RequireNonce makes clients put a nonce of this server into their proofs (RFC 9449 section 8): one
	// can then not be made for later, and the clients' clocks do not matter. It costs a client a second
	// request every few minutes.
	RequireNonce bool `yaml:"require_nonce"`
}

// Registration lets clients register themselves. They always ask their users for consent.
type Registration struct {
	// Mode is off, token (for those who hold an initial access token), or open (for everybody). What
	// registered before is unknown while it is off.
	Mode string `yaml:"mode" enum:"off,token,open"`

	// InitialAccessTokens are those that admit to registration in mode token (RFC 7591 section 3).
	InitialAccessTokens []InitialAccessToken `yaml:"initial_access_tokens"`

	// Scope are the scopes that such clients may ask for, in one string; what else they register is
	// left out. Those of the admin API can't be among them. Default: openid, profile, email, address,
	// phone, offline_access, and the scopes of the resources here.
	Scope member.Scopes `yaml:"scope"`

	// Resources are the APIs that such clients may call. Default: none.
	Resources []string `yaml:"resources"`

	// NativeSchemes are private-use schemes without a dot that native apps may register redirect URIs
	// of, such as cursor. A client that does counts as native.
	NativeSchemes []string `yaml:"native_schemes"`

	// UnusedAfter is how long a client is remembered that gets no tokens. When there is no room left,
	// one that never got any is forgotten after an hour.
	UnusedAfter time.Duration `yaml:"unused_after"`

	// PerAddressPerHour is how many clients may be registered in an hour from one IPv4 address, or one
	// IPv6 network of 64 bits; four times as many from one of 48. One with more than 2 KiB of metadata
	// counts for several.
	PerAddressPerHour *int `yaml:"per_address_per_hour"`

	// MaxClients is how many registered clients are remembered at a time, of 2 KiB of metadata each. One
	// that has more counts for several.
	MaxClients *int `yaml:"max_clients"`

	// SoftwareStatementIssuers are those whose software statements are believed (RFC 7591 section
	// 2.3): what these say wins over what the client says itself. Statements of others are refused.
	SoftwareStatementIssuers []SoftwareStatementIssuer `yaml:"software_statement_issuers"`
}

// CORS is for apps in a browser. Which origins may call is said by each client.
type CORS struct {
	// AllowedHeaders are request headers that apps may send to the endpoints, beside those that the
	// standards need: those that a tracing library adds, for example. Discovery and the keys may be
	// asked with any header. Default: traceparent, tracestate.
	AllowedHeaders []string `yaml:"allowed_headers"`
}

// Outbound is for the connections that authzd itself opens.
type Outbound struct {
	// AllowPrivateNetworks (CIDR) may be called although they are not public, over http too: by
	// default no URL that a client names leads into a private network. Connectors go anywhere.
	AllowPrivateNetworks []netip.Prefix `yaml:"allow_private_networks"`

	// CAFile is a PEM bundle of authorities that are trusted in addition to the system's.
	CAFile string `yaml:"ca_file" path:"true"`
}

// Branding is what the pages look like.
type Branding struct {
	// Name of the service, shown on every page.
	Name string `yaml:"name"`

	// LogoFile is an image (SVG, PNG, JPEG, WebP or GIF) to show in place of the name. Mails have it too if it is a
	// PNG, JPEG or GIF of 64 KiB at most: many mail programs show no others.
	LogoFile string `yaml:"logo_file" path:"true"`

	// LogoDarkFile is the image for dark mode. Default: that of logo_file.
	LogoDarkFile string `yaml:"logo_dark_file" path:"true"`

	// BackdropFile is an image behind the frame of the pages. It never lies behind text, and narrow
	// windows do not load it.
	BackdropFile string `yaml:"backdrop_file" path:"true"`

	// HelpURL is linked at the foot of each page, as are the next two.
	HelpURL string `yaml:"help_url"`

	// ImprintURL says who runs the service.
	ImprintURL string `yaml:"imprint_url"`

	// PrivacyURL is the privacy policy of the service.
	PrivacyURL string `yaml:"privacy_url"`

	// Texts replaces texts of the pages and mails, by the keys that "authzd template texts" lists:
	// sign_in.heading: Welcome. For one language only, # and its tag follow: "sign_in.heading#de". A text keeps its
	// placeholders, such as {client}.
	Texts map[string]string `yaml:"texts"`

	// Languages are those that pages and mails are offered in; people choose one at the foot of each page. The first is
	// for people who read none of them. Default: all.
	Languages []string `yaml:"languages" enum:"en,de,fr,es,it,pt,nl,pl,ja,zh,ar"`

	// Templates is a folder with templates of your own. Each has the name of the one of ours that it replaces:
	// "authzd template list" lists them, and "authzd template print sign-in.html" prints one to begin with. Every page and
	// mail is drawn with them before the server starts, and what is wrong is an error here.
	Templates string `yaml:"templates" path:"true"`

	// CSS sets variables of the style sheet, such as accent: "#0a58ca". The colours are background,
	// surface, stub, text, muted, border, edge, control, accent, on-accent, link, danger, danger-surface, warning,
	// warning-surface, ok and mark, each also with -dark for dark mode; radius is a length, font a list of families.
	// Colours that can't be read on each other are refused.
	CSS map[string]string `yaml:"css"`
}

// Look is the branding as the pages and mails take it.
func (b Branding) Look() templates.Branding {
	return templates.Branding{
		Name: b.Name, LogoFile: b.LogoFile, LogoDarkFile: b.LogoDarkFile, BackdropFile: b.BackdropFile, CSS: b.CSS,
		HelpURL: b.HelpURL, ImprintURL: b.ImprintURL, PrivacyURL: b.PrivacyURL, Texts: b.Texts, Languages: b.Languages, Templates: b.Templates,
	}
}
