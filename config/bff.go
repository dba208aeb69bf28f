package config

import (
	"net/netip"
	"time"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/member"
)

// BFF is the whole of bff.yaml, the configuration of "authzd bff". Everything that is said of authzd.yaml is true of
// it too. Its variables begin with AUTHZD_BFF_, as in AUTHZD_BFF_STORAGE_BOLT_PATH.
type BFF struct {
	// Issuer is the OpenID provider where people sign in, exactly as it calls itself (OpenID Connect
	// Discovery section 3): an authzd, or another one.
	Issuer string `yaml:"issuer"`

	// ClientID is what the issuer calls this BFF: a confidential client. A frontend may have its own.
	ClientID string `yaml:"client_id"`

	// ClientAuthentication says how the BFF proves to the issuer that it is this client.
	ClientAuthentication ClientAuthentication `yaml:"client_authentication"`

	// KeyFile holds the private key of the client, in PEM (PKCS #8), for private_key_jwt. It is made on
	// first start, with mode 0600, if it is not there. "authzd bff jwks" prints its public half, and
	// /bff/jwks.json of each frontend serves it. Default: "client.key" beside the bolt file, or in
	// "./bff-data". Replicas must have the same.
	KeyFile string `yaml:"key_file" path:"true"`

	// Listen is the address of all frontends and of the gate: ":9020" for all interfaces, "localhost:9020"
	// for both loopback addresses, or one address and port. Default: ":9020".
	Listen string `yaml:"listen"`

	// Socket is a Unix socket that serves the same over http, for proxies on this machine: those of its group may
	// connect (mode 0660). See gate.trust_unix_socket. Default: none.
	Socket string `yaml:"socket" path:"true"`

	// ShutdownDelay is how long the BFF goes on serving after SIGTERM, while /readyz answers 503 already:
	// as long as the load balancer needs to notice. At most 5m. Default: 0s.
	ShutdownDelay time.Duration `yaml:"shutdown_delay"`

	// TLS serves https directly, for all frontends with one certificate. Without it, a proxy in front has to.
	TLS TLS `yaml:"tls"`

	// TrustedProxies are the networks (CIDR) of the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`

	// Admin is the operator's door: the admin API, metrics and health.
	Admin BFFAdmin `yaml:"admin"`

	// Storage says where sessions are kept.
	Storage BFFStorage `yaml:"storage"`

	// SecretFile holds the secret that seals tokens, and the keys of the gate, at rest. It is made on first
	// start, with mode 0600, if it is not there. Default: the file "secret" beside the bolt file, or in
	// "./bff-data". Replicas must have the same. A list is for rotation: the first seals, the others still
	// open. "env:NAME" stands for the environment variable of that name.
	SecretFile PathList `yaml:"secret_file" path:"true"`

	// KMS keeps these secrets under a key that is kept elsewhere. Default: the file holds the secret itself.
	KMS KMS `yaml:"kms"`

	// Log says what is written to standard error, and how.
	Log Log `yaml:"log"`

	// Audit is the log of sign-ins and their ends. It lies in the store: with storage.sealed there is none.
	Audit Audit `yaml:"audit"`

	// Backup has the BFF make backups of its store by itself.
	Backup Backup `yaml:"backup"`

	// Sessions are those of people at the frontends.
	Sessions bff.SessionLimits `yaml:"sessions"`

	// Revocations says how the issuer's revocation feed is followed.
	Revocations bff.Revocations `yaml:"revocations"`

	// Outbound is for the connections to the issuer and to APIs.
	Outbound BFFOutbound `yaml:"outbound"`

	// Frontends are the apps that people sign in to.
	Frontends []bff.Frontend `yaml:"frontends"`

	// Gate lets people into sites that know nothing of signing in. Leave it out, and there is none.
	Gate gate.Settings `yaml:"gate"`

	// Warnings are what this configuration may have, and hardly should.
	Warnings Errors `yaml:"-" json:"-"`
}

// ClientAuthentication says how a BFF proves that it is its client.
type ClientAuthentication struct {
	// Method is private_key_jwt (RFC 7523) with key_file, client_secret_basic or client_secret_post
	// with client_secret, or tls_client_auth or self_signed_tls_client_auth (RFC 8705) with cert_file
	// and key_file here. Default: private_key_jwt.
	Method string `yaml:"method" enum:"private_key_jwt,client_secret_basic,client_secret_post,tls_client_auth,self_signed_tls_client_auth"`

	// ClientSecret is what the issuer gave to the client, for client_secret_basic and client_secret_post.
	ClientSecret member.Secret `yaml:"client_secret"`

	// CertFile is the PEM certificate chain that is shown to the issuer, for tls_client_auth and
	// self_signed_tls_client_auth.
	CertFile string `yaml:"cert_file" path:"true"`

	// KeyFile is the PEM private key of the certificate.
	KeyFile string `yaml:"key_file" path:"true"`

	// RotateEvery is how long a key of private_key_jwt is used, at least 48h: a new one is added to the
	// key_file above, published at /bff/jwks.json for a day, and then signs. It needs a client with a
	// jwks_uri, and storage.bolt, because replicas would make different keys. 0s: "authzd bff key rotate"
	// alone adds one.
	RotateEvery time.Duration `yaml:"rotate_every"`
}

// BFFAdmin is the operator's door.
type BFFAdmin struct {
	// Socket is a Unix socket with mode 0600, for the local operator: the admin API, metrics and health.
	// Default: "admin.sock" beside the bolt file, or in "./bff-data"; with storage.sealed none.
	Socket string `yaml:"socket" path:"true"`

	// Listen is an address for metrics and health over http, such as 127.0.0.1:9021. Default: none.
	Listen string `yaml:"listen"`
}

// BFFStorage says where sessions are kept: bolt, postgres or sealed.
type BFFStorage struct {
	// Bolt is the embedded database: one file, one process.
	Bolt BFFBolt `yaml:"bolt"`

	// Postgres is a database that any number of replicas share, instead of bolt. It may not be the one of
	// an authzd.
	Postgres Postgres `yaml:"postgres"`

	// Sealed keeps each session in the cookie of its browser, encrypted with secret_file. Nothing is stored
	// here: any number of replicas need the same secret_file and nothing else. There is no back-channel
	// logout, no WebSocket and no gate; that a session has ended elsewhere is known from the issuer's
	// revocation feed alone.
	Sealed bool `yaml:"sealed"`
}

// BFFBolt is the embedded database of a BFF.
type BFFBolt struct {
	// Path is the database file. It is made, with its folder, if it is not there. Default:
	// "./bff-data/bff.db", unless storage.postgres.url or storage.sealed is
	// given.
	Path string `yaml:"path" path:"true"`

	// KeepSize keeps the file as large as it has become. Otherwise it is compacted, while it is in use,
	// once it has 64 MiB or more of which half is free, once an hour at most.
	KeepSize bool `yaml:"keep_size"`

	// Ship keeps a copy of the database elsewhere, about a second behind: what "authzd bff restore --from"
	// brings back, to any moment, and "authzd bff standby" follows.
	Ship Ship `yaml:"ship"`
}

// BFFOutbound is for the connections to the issuer and to APIs.
type BFFOutbound struct {
	// CAFile is a PEM bundle of authorities that are trusted in addition to the system's.
	CAFile string `yaml:"ca_file" path:"true"`
}

// Engine is the storage as a server has it.
func (s *BFFStorage) Engine() Storage {
	return Storage{Bolt: Bolt(s.Bolt), Postgres: s.Postgres}
}
