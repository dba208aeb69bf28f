package bearer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/fetch"
)

// Introspection asks an issuer about its opaque tokens (RFC 7662). The API is a confidential client of the issuer.
// Answers are kept for a minute, but not beyond the token's exp; a "no" is kept for 5 seconds. Many requests with
// one token cause one question. With Revocations, a token that the feed has ended is refused at once.
type Introspection struct {
	// ClientID is the API's client_id. Default: the first audience, which is what authzd expects.
	ClientID string

	// ClientSecret authenticates the API (client_secret_basic). Empty: the certificate of Client does (RFC 8705
	// section 2).
	ClientSecret string

	// Prefix is how the issuer's opaque tokens begin: azt_ with authzd. Only such tokens are shown to the
	// issuer. Empty: every token that does not have the three parts of a JWT.
	Prefix string

	// Client asks. Redirects are not followed. nil: Config.Client.
	Client *http.Client
}

const (
	introspectionTimeout = 10 * time.Second
	keepActive           = time.Minute     // an answer, at most
	keepInactive         = 5 * time.Second // a "no"
	keepAnswers          = 100_000
	maxQuestions         = 64          // at once
	maxWaiting           = 1000        // questions at once, those that wait included
	restAfterFailure     = time.Second // no question is asked
)

func (in *Introspection) check(is *Issuer) error {
	switch {
	case in.ClientSecret == "" && in.Client == nil:
		return fmt.Errorf("the Introspection of %q needs a ClientSecret, or a Client with a certificate", is.Issuer)
	case in.ClientID == "" && len(is.Audiences) == 0:
		return fmt.Errorf("the Introspection of %q needs a ClientID, because there is no audience", is.Issuer)
	}
	return nil
}

// introspector asks one issuer.
type introspector struct {
	authority *authority
	endpoint  *fetch.Document[string]
	client    *http.Client
	id        string
	secret    string
	prefix    string
	logger    *slog.Logger
	slots     chan struct{} // holds one for each question that is asked now

	mu        sync.Mutex
	answers   recent[*answer]         // by the hash of the token
	running   map[tokenHash]*question // those that wait for a slot too
	restUntil time.Time
}

type tokenHash = [sha256.Size]byte

// answer is what the issuer has said about a token.
type answer struct {
	principal *Principal
	refused   *TokenError // nil: the token counts
	until     time.Time   // the answer may be kept so long
}

// question is a question that is being asked. The fields are set when done is closed.
type question struct {
	done   chan struct{}
	answer *answer
	err    error
}

func newIntrospector(cfg *Config, is *Issuer, a *authority) *introspector {
	in := is.Introspection
	client := in.Client
	if client == nil {
		client = cfg.Client
	}
	return &introspector{
		authority: a,
		endpoint:  newEndpoint(newSource(is.Issuer, cfg.Client), "introspection_endpoint", cfg.RefreshInterval),
		client:    withoutRedirects(client),
		id:        in.clientID(is),
		secret:    in.ClientSecret,
		prefix:    in.Prefix,
		logger:    cfg.Logger,
		slots:     make(chan struct{}, maxQuestions),
		answers:   recent[*answer]{max: keepAnswers},
		running:   make(map[tokenHash]*question),
	}
}

func (in *Introspection) clientID(is *Issuer) string {
	if in.ClientID == "" {
		return is.Audiences[0]
	}
	return in.ClientID
}

// introspecting returns the authority that has to be asked about a token, or nil.
func (v *Verifier) introspecting(token string) *authority {
	for _, a := range v.authorities {
		if a.asks != nil && a.asks.concerns(token) {
			return a
		}
	}
	return nil
}

func (i *introspector) concerns(token string) bool {
	if i.prefix == "" {
		return strings.Count(token, ".") != 2
	}
	return strings.HasPrefix(token, i.prefix)
}

// principal returns the principal of an opaque token, if it counts now. The error is a *TokenError, or wraps
// ErrUnavailable.
func (i *introspector) principal(ctx context.Context, token string) (*Principal, error) {
	if len(token) > maxToken {
		return nil, &TokenError{"the token is too long"}
	}
	if !isB64Token(token) { // no issuer has such tokens (RFC 6750 section 2.1)
		return nil, &TokenError{"the token is malformed"}
	}
	found, err := i.find(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case found.refused != nil:
		return nil, found.refused
	}
	if f := i.authority.follower; f != nil {
		if err := f.permits(found.principal); err != nil {
			return nil, err
		}
	}
	p := *found.principal // callers may change theirs
	return &p, nil
}

// find returns the answer that is kept, or that to a question which is asked once for all who wait for it.
func (i *introspector) find(ctx context.Context, token string) (*answer, error) {
	hash := sha256.Sum256([]byte(token))
	i.mu.Lock()
	if kept, ok := i.answers.get(hash); ok && time.Now().Before(kept.until) {
		i.mu.Unlock()
		return kept, nil
	}
	q := i.running[hash]
	if q == nil {
		if rest := time.Until(i.restUntil); rest > 0 || len(i.running) >= maxWaiting {
			i.mu.Unlock()
			return nil, &unavailable{errors.New("too many introspections, or one has failed a moment ago"), max(rest, time.Second)}
		}
		q = &question{done: make(chan struct{})}
		i.running[hash] = q
		go i.run(context.WithoutCancel(ctx), q, hash, token)
	}
	i.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.err
	case <-ctx.Done():
		return nil, &unavailable{ctx.Err(), time.Second}
	}
}

// run asks, and keeps the answer. It outlives the request that has caused it, since others may wait too.
func (i *introspector) run(ctx context.Context, q *question, hash tokenHash, token string) {
	ctx, cancel := context.WithTimeout(ctx, introspectionTimeout)
	defer cancel()
	select {
	case i.slots <- struct{}{}:
		q.answer, q.err = i.ask(ctx, token)
		<-i.slots
	case <-ctx.Done():
		q.err = ctx.Err()
	}

	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.running, hash)
	if q.err == nil {
		i.answers.put(hash, q.answer)
	} else {
		q.err = &unavailable{q.err, restAfterFailure}
		if now := time.Now(); !now.Before(i.restUntil) { // once a second is enough
			i.logger.Error("introspection failed", "issuer", i.authority.issuer, "cause", q.err)
			i.restUntil = now.Add(restAfterFailure)
		}
	}
	close(q.done)
}

// ask makes one request (RFC 7662 section 2.1). An error says nothing about the token.
func (i *introspector) ask(ctx context.Context, token string) (*answer, error) {
	endpoint, err := i.endpoint.Get(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	if i.secret == "" {
		form.Set("client_id", i.id) // RFC 8705 section 2
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if i.secret != "" { // RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(i.id), url.QueryEscape(i.secret))
	}
	asked := time.Now()
	body, _, err := fetch.Body(i.client, req, maxDocument)
	if err != nil {
		return nil, err
	}
	return i.read(body, asked)
}

// introspection is the answer of RFC 7662 section 2.2.
type introspection struct {
	Active    *bool  `json:"active"`
	TokenType string `json:"token_type"`
	claims
}

var errAnswer = errors.New("the introspection's answer is malformed")

// read returns the answer in a body. An error is the issuer's fault, and says nothing about the token.
func (i *introspector) read(body []byte, asked time.Time) (*answer, error) {
	var said introspection
	if err := josejson.Unmarshal(body, &said); err != nil || said.Active == nil {
		return nil, errAnswer // the cause would quote it
	}
	if said.Issuer == "" {
		said.Issuer = i.authority.issuer // section 2.2: optional
	}
	refused := i.authority.checkIntrospection(&said, asked)
	if refused != nil {
		return &answer{refused: refused, until: asked.Add(keepInactive)}, nil
	}
	p, err := said.principal(body)
	if err != nil {
		return nil, errAnswer
	}
	until := asked.Add(keepActive)
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires
	}
	return &answer{principal: p, until: until}, nil
}

// checkIntrospection follows RFC 7662 sections 2.2 and 4. Expiry is for the issuer to judge; a time that has passed
// for long is refused all the same.
func (a *authority) checkIntrospection(said *introspection, now time.Time) *TokenError {
	switch {
	case !*said.Active:
		return &TokenError{"the token is not active"}
	case said.TokenType != "" && !strings.EqualFold(said.TokenType, schemeBearer) && !strings.EqualFold(said.TokenType, schemeDPoP):
		return &TokenError{"the token is not an access token"}
	case said.notAccess():
		return &TokenError{"the token is not an access token"}
	case said.Issuer != a.issuer:
		return &TokenError{"the token is from another issuer"}
	case len(a.audiences) > 0 && len(said.Audience) == 0:
		return &TokenError{"the token has no audience"}
	case !a.isFor(said.Audience):
		return &TokenError{"the token is for another audience"}
	case !said.Expires.IsZero() && !now.Before(said.Expires.Add(a.leeway)):
		return &TokenError{"the token has expired"}
	case now.Add(a.leeway).Before(said.NotBefore.Time):
		return &TokenError{"the token is not valid yet"}
	case said.Subject == "":
		return &TokenError{"the token has no subject"}
	case said.unknownBinding():
		return &TokenError{"the token is bound to a key in a way that is not known here"}
	}
	return nil
}
