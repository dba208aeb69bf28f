package bearer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/authz/weburl"
)

// Follower follows the revocation feed of one issuer, so that tokens which are checked without the issuer stop to
// count within 2 seconds after a logout, a revocation, or a change of roles. One Follower serves all Verifiers of a
// program:
//
//	f, err := bearer.NewFollower(bearer.FollowerConfig{Issuer: "https://id.example.com"})
//	go f.Run(ctx)
//	v, err := bearer.New(bearer.Config{Issuer: "https://id.example.com", Audience: "…", Revocations: f})
//
//	Run     long poll -> signature -> merge: known entries stay until no token can live that they concern
//	Verify  Check: is the feed fresh enough? -> Ended: is the token on the list?
//
// A feed that is away is no reason for 401: the policy says whether tokens go on to count, or get 503.
type Follower struct {
	issuer   string
	lost     Lost
	strict   bool
	keys     *keySet
	endpoint *fetch.Document[string] // nil: fixed is used
	fixed    string
	client   *http.Client
	id       string
	secret   string
	prove    func(form url.Values, header http.Header) error
	asked    atomic.Bool // to prove itself by prove
	logger   *slog.Logger

	base    time.Time    // heard counts from here
	heard   atomic.Int64 // nanoseconds after base at which the newest document came; 0: none came
	alarmed atomic.Bool  // the log says that the feed is lost

	mu      sync.RWMutex
	list    *revocation.List // guarded by mu
	changed chan struct{}    // guarded by mu; closed with the next entries
	stats   followerCounts
}

// FollowerConfig says which feed is followed, and what is to happen without it.
type FollowerConfig struct {
	// Issuer is the issuer identifier, as in Config. Required.
	Issuer string

	// URL is that of the feed. Default: authzd_revocations_endpoint of the issuer's metadata.
	URL string

	// Lost says what happens to tokens while nothing was heard of the feed for longer than a minute. Default:
	// GoOn.
	Lost Lost

	// Strict refuses tokens with 503 before the first list has come. Otherwise Lost decides, a minute after
	// NewFollower.
	Strict bool

	// ClientID and ClientSecret authenticate the API (client_secret_basic), if the issuer shows its feed to
	// clients only (revocations.access: clients).
	ClientID, ClientSecret string

	// Authenticate adds to a form, or to the header of its request, what proves the API otherwise, such as a client
	// assertion (private_key_jwt, RFC 7523). The feed is then asked by POST, once it has answered 401 to a GET. nil: none.
	Authenticate func(form url.Values, header http.Header) error

	// Client fetches the feed, metadata and keys. Redirects are not followed; its Timeout is not used, because a
	// long poll takes 25 seconds. nil: http.DefaultTransport.
	Client *http.Client

	// Logger gets failed loads, an alarm when the feed is lost, and its end. nil: slog.Default().
	Logger *slog.Logger
}

// Lost is a policy for the time without the feed.
type Lost string

const (
	GoOn   Lost = "go_on"  // tokens count until they expire; the log has an alarm
	Refuse Lost = "refuse" // 503 with Retry-After; ErrUnavailable
)

// FeedState says how much is known of the feed.
type FeedState string

const (
	FeedFresh FeedState = "fresh" // heard in the last half minute
	FeedStale FeedState = "stale" // in the last minute: tokens go on to count
	FeedLost  FeedState = "lost"  // not for longer than a minute, or never
)

const (
	staleAfter = 30 * time.Second
	lostAfter  = time.Minute
)

var errLost = errors.New("the revocation feed is lost")

// NewFollower checks the configuration. Nothing is fetched before Run.
func NewFollower(cfg FollowerConfig) (*Follower, error) {
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Lost == "" {
		cfg.Lost = GoOn
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("bearer: %w", err)
	}
	client := withoutRedirects(cfg.Client)
	f := &Follower{
		issuer:  cfg.Issuer,
		lost:    cfg.Lost,
		strict:  cfg.Strict,
		keys:    newKeySet(newSource(cfg.Issuer, client), defaultRefreshInterval, cfg.Logger),
		fixed:   cfg.URL,
		client:  client,
		id:      cfg.ClientID,
		secret:  cfg.ClientSecret,
		prove:   cfg.Authenticate,
		logger:  cfg.Logger,
		base:    time.Now(),
		list:    revocation.NewList(cfg.Issuer),
		changed: make(chan struct{}),
	}
	client.Timeout = 0
	if cfg.URL == "" {
		f.endpoint = newEndpoint(newSource(cfg.Issuer, client), "authzd_revocations_endpoint", firstRetry)
	}
	return f, nil
}

func (cfg *FollowerConfig) check() error {
	is := Issuer{Issuer: cfg.Issuer}
	errs := []error{is.check()}
	if u, err := url.Parse(cfg.URL); cfg.URL != "" && (err != nil || !weburl.IsSecure(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		errs = append(errs, fmt.Errorf("the URL %q of the feed must be an https URL (or http on a loopback host) without userinfo, query and fragment", cfg.URL))
	}
	if cfg.Lost != GoOn && cfg.Lost != Refuse {
		errs = append(errs, fmt.Errorf("the policy Lost must be %q or %q", GoOn, Refuse))
	}
	if cfg.Authenticate != nil && cfg.ClientSecret != "" {
		errs = append(errs, errors.New("the function Authenticate and a ClientSecret are two ways to prove the same"))
	}
	if (cfg.ClientID == "") != (cfg.ClientSecret == "") {
		errs = append(errs, errors.New("the ClientID and the ClientSecret belong together"))
	}
	return errors.Join(errs...)
}

// Issuer returns the issuer whose feed is followed.
func (f *Follower) Issuer() string { return f.issuer }

// Ended reports whether the feed has ended a token, a grant or a session of the issuer. It takes less than a
// microsecond and allocates nothing.
func (f *Follower) Ended(c *revocation.Claims) bool {
	kind, ended := f.lookUp(c)
	if ended {
		f.stats.refuse(kind)
	}
	return ended
}

// lookUp is Ended for those who refuse no request.
func (f *Follower) lookUp(c *revocation.Claims) (kind revocation.Kind, ended bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.list.Ended(c)
}

// Check returns nil, or an error that wraps ErrUnavailable if the policy forbids to honour tokens now. Its answer
// to a request is 503 with Retry-After, never 401.
func (f *Follower) Check() error {
	if f.State() != FeedLost {
		return nil
	}
	started := f.heard.Load() != 0
	if starting := !started && time.Since(f.base) <= lostAfter; starting && !f.strict {
		return nil
	} else if !starting {
		f.alarm()
		if f.lost == GoOn && (started || !f.strict) {
			return nil
		}
	}
	f.stats.lost.Add(1)
	return &unavailable{errLost, retryLost}
}

// retryLost is when a client may try again.
const retryLost = 5 * time.Second

// State returns how much is known of the feed now.
func (f *Follower) State() FeedState {
	switch age, heard := f.age(); {
	case !heard || age > lostAfter:
		return FeedLost
	case age > staleAfter:
		return FeedStale
	}
	return FeedFresh
}

// age returns the time since the newest document came, or since NewFollower if none came.
func (f *Follower) age() (age time.Duration, heard bool) {
	at := f.heard.Load()
	return time.Since(f.base) - time.Duration(at), at != 0
}

// alarm writes the loss of the feed to the log, once.
func (f *Follower) alarm() {
	if f.alarmed.CompareAndSwap(false, true) {
		age, _ := f.age()
		f.logger.Error("the revocation feed is lost: tokens that have ended are not recognised", "issuer", f.issuer, "policy", string(f.lost), "age", age.Round(time.Second))
	}
}

// Changed returns a channel that is closed when new entries come. A caller that keeps a connection open for the time of a
// token calls it first, asks Ended next, and then waits for the channel; see Verifier.Watch.
func (f *Follower) Changed() <-chan struct{} {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.changed
}

// revocationClaims are what the feed may say about a token.
func (p *Principal) revocationClaims() revocation.Claims {
	return revocation.Claims{
		Grant: p.GrantID, Session: p.SessionID, Subject: p.Subject, Token: p.ID, Client: p.ClientID,
		IssuedAt: p.IssuedAt.Unix(),
	}
}

// honours returns nil if the feed lets the principal's token count.
func (f *Follower) honours(p *Principal) error {
	if err := f.Check(); err != nil {
		return err
	}
	return f.permits(p)
}

// permits is honours for a token that the issuer was asked about: the age of the feed does not matter.
func (f *Follower) permits(p *Principal) error {
	if c := p.revocationClaims(); f.Ended(&c) {
		return errRevoked
	}
	return nil
}

var errRevoked = &TokenError{"the token has been revoked"}
