// Package bearer protects the APIs of a resource server with the access tokens of authzd, or of any other issuer that
// follows RFC 9068. It asks the issuer for its public keys and for what has ended, and nothing for each request, except
// about opaque tokens.
//
//	request -> Protect: one Authorization header, scheme Bearer or DPoP                       middleware.go
//	              |  opaque token: introspection (RFC 7662), kept for a minute at most        introspect.go
//	              |  JWT: form -> its issuer -> header (alg, typ, kid) -> key                 verify.go, authority.go
//	              |                       -> signature -> claims; by choice kept              cache.go
//	              |                                           |
//	              |                metadata (RFC 8414) -> JWKS, kept by its max-age,          discovery.go, keys.go
//	              |                fetched again for an unknown kid, at most once an interval
//	              |  Follower: has the token ended before its time? is the feed fresh?        follower.go, follow.go
//	              |  sender: who shows a token that is bound to a key (cnf) must hold the key: sender.go
//	              |          a DPoP proof (RFC 9449), or the connection's certificate (RFC 8705)
//	              v
//	          RequireScope / RequireRole / RequireACR / RequireAuthAge                        stepup.go
//	              v
//	          handler: FromContext(ctx) is the caller
//
// Tickets open WebSockets from browsers (tickets.go, redeem.go). Either and Ways accompany a migration from sessions
// (ways.go). Package bearergrpc does the same as Protect for gRPC.
//
// Refusals are those of RFC 6750 section 3: 401 without an error code for a request without credentials, 400
// invalid_request, 401 invalid_token, 403 insufficient_scope; of RFC 9449: 401 invalid_dpop_proof and
// use_dpop_nonce; of RFC 9470: 401 insufficient_user_authentication. While a token can't be judged, because the issuer
// or its feed is away, the answer is 503, so that the client keeps a good token. Answers have a JSON body with error and
// error_description.
//
// A browser's preflight has no token: put CORS outside of Protect.
package bearer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config says which tokens are accepted.
type Config struct {
	// Issuer is the issuer identifier. The iss claim must be equal, character by character. https, or http on
	// a loopback host. Required.
	Issuer string

	// Audience is this API's identifier; a token's aud must contain it. Required, unless
	// InsecureAnyAudience is set.
	Audience string

	// Audiences are further identifiers of this API, such as its old one. A token's aud must contain Audience or
	// one of them.
	Audiences []string

	// InsecureAnyAudience accepts tokens that were issued for other APIs. Then anybody who has one, such as
	// another API's operator, can use it here.
	InsecureAnyAudience bool

	// Types are the accepted typ headers. Default: at+jwt, which includes application/at+jwt (RFC 9068
	// section 4). If the issuer types its access tokens like any JWT, it needs "JWT" here. Then only the
	// claims distinguish an ID token, which is a weaker test.
	Types []string

	// Algorithms are the accepted signature algorithms. Default: RS256, PS256, ES256, EdDSA.
	Algorithms []string

	// Issuers are further issuers whose tokens are accepted.
	Issuers []Issuer

	// Introspection asks Issuer about opaque tokens. nil: opaque tokens are refused.
	Introspection *Introspection

	// Revocations follow Issuer's revocation feed: tokens that have ended are refused. nil: a JWT counts until it
	// expires.
	Revocations *Follower

	// Client fetches metadata and keys. Redirects are not followed. nil: http.DefaultTransport.
	Client *http.Client

	// Leeway is the tolerated clock difference. Zero means 30 seconds; negative means none.
	Leeway time.Duration

	// Realm is named in challenges. Default: Audience, or Issuer if that is empty.
	Realm string

	// CacheTokens is how many verified JWTs are kept, a few kilobytes each, so that the next request with the same
	// token costs no check of a signature. Time, keys, Revocations and the sender are checked each time. Default:
	// none.
	CacheTokens int

	// RefreshInterval is the shortest time between two fetches of the keys, even if many tokens with unknown
	// keys arrive. Default: 30 seconds.
	RefreshInterval time.Duration

	// DPoP configures the proofs of possession (RFC 9449). Its zero value accepts tokens that are bound to a
	// key, and others.
	DPoP DPoP

	// Certificate returns the certificate of the request's client, or nil, for tokens that are bound to one
	// (RFC 8705 section 3). nil: the certificate of the TLS connection, which is right if no proxy ends it.
	// Behind such a proxy, read the certificate that it passes on, and make sure that nobody else can send
	// that header.
	Certificate func(*http.Request) *x509.Certificate

	// Metadata is what the API publishes about itself (RFC 9728); see Verifier.Metadata. nil: nothing.
	Metadata *Metadata

	// Ways counts requests by route, and by whether they came with a token or the old session. nil: nothing is
	// counted.
	Ways *Ways

	// Logger gets failed fetches. nil: slog.Default().
	Logger *slog.Logger
}

const (
	defaultLeeway          = 30 * time.Second
	defaultRefreshInterval = 30 * time.Second
)

// Verifier verifies tokens. It is safe for concurrent use. Make one and keep it, because it holds the keys.
type Verifier struct {
	authorities []*authority
	cache       *cache // nil: nothing is kept
	leeway      time.Duration
	realm       string
	logger      *slog.Logger
	ways        *Ways // nil: nothing is counted

	proofs      *proofs // nil: no proof can be checked
	certificate func(*http.Request) *x509.Certificate
	metadata    *publication // nil: nothing is published
}

// New checks the configuration and reports everything that is wrong with it, or returns a Verifier. It does
// not contact the issuer before the first token arrives, so an API can start before its issuer.
func New(cfg Config) (*Verifier, error) {
	if cfg.Leeway == 0 {
		cfg.Leeway = defaultLeeway
	}
	if cfg.RefreshInterval == 0 {
		cfg.RefreshInterval = defaultRefreshInterval
	}
	if len(cfg.Types) == 0 {
		cfg.Types = []string{"at+jwt"}
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	if cfg.Certificate == nil {
		cfg.Certificate = connectionCertificate
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Realm == "" {
		cfg.Realm = cfg.Audience
	}
	if cfg.Realm == "" {
		cfg.Realm = cfg.Issuer
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("bearer: %w", err)
	}

	v := &Verifier{
		cache:  newCache(cfg.CacheTokens),
		leeway: max(cfg.Leeway, 0),
		realm:  cfg.Realm,
		logger: cfg.Logger,
		ways:   cfg.Ways,

		certificate: cfg.Certificate,
	}
	var errs [2]error
	v.proofs, errs[0] = newProofs(cfg.DPoP, cfg.Audience)
	v.metadata, errs[1] = newPublication(&cfg)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("bearer: %w", err)
	}
	for _, is := range cfg.issuers() {
		v.authorities = append(v.authorities, newAuthority(&cfg, &is))
	}
	return v, nil
}

// check returns every mistake in a Config with defaults filled in.
func (cfg *Config) check() error {
	errs := []error{checkIssuers(cfg.issuers())}
	if cfg.Audience == "" && !cfg.InsecureAnyAudience {
		errs = append(errs, errors.New("an Audience is required: the identifier of this API"))
	}
	if cfg.Audience != "" && cfg.InsecureAnyAudience {
		errs = append(errs, errors.New("the Audience and InsecureAnyAudience exclude each other"))
	}
	if cfg.Audience == "" && len(cfg.Audiences) > 0 {
		errs = append(errs, errors.New("the Audiences need an Audience"))
	}
	if cfg.RefreshInterval < 0 {
		errs = append(errs, errors.New("the RefreshInterval must not be negative"))
	}
	if cfg.CacheTokens < 0 {
		errs = append(errs, errors.New("the CacheTokens must not be negative"))
	}
	return errors.Join(errs...)
}
