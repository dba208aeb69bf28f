// Package assertion checks what a gate tells a site about its user, so that the site need not trust its network. It is
// for the sites behind a gate, and depends on go-jose only.
//
//	proxy ─ X-Auth-Token: eyJ… ─> Verifier.Verify ─> signature by a key of GATE/gate/jwks.json, typ, iss, aud, exp ─> the user
package assertion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
)

const (
	// Type is the typ header of an assertion. No other token has it.
	Type = "gate+jwt"
	// Alg is the only algorithm of assertions.
	Alg = jose.ES256
)

var (
	// ErrInvalid says that a token is no assertion for this site now. Answer 401.
	ErrInvalid = errors.New("no valid assertion of the gate")
	// ErrUnavailable says that the gate's keys cannot be had now. Answer 503.
	ErrUnavailable = errors.New("the keys of the gate cannot be fetched")
)

// Assertion is what the gate says.
type Assertion struct {
	Issuer   string   `json:"iss"` // URL of the gate
	Audience string   `json:"aud"` // host of the site, with its port unless that is the default
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"` // 60 seconds later
	Subject  string   `json:"sub"`
	SID      string   `json:"sid,omitempty"` // of the provider's session
	Roles    []string `json:"roles,omitempty"`
}

// Config is the input of New.
type Config struct {
	// Gate is the URL of the gate, such as https://gate.example.com.
	Gate string
	// Host is the site's own host, such as app.example.com, with its port unless that is the default.
	Host string
	// Client fetches the keys; nil: one with a time limit.
	Client *http.Client
}

// Verifier checks assertions for one site. It is safe for concurrent use.
type Verifier struct {
	Config
	keys *fetch.Document[map[string]jose.JSONWebKey] // by kid
}

const (
	maxSkew = 5 * time.Second // that the gate's clock may be ahead
	maxKeys = 1 << 20         // bytes
)

// New returns a verifier. It fetches the keys when they are needed.
func New(cfg Config) *Verifier {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 10 * time.Second}
	}
	v := &Verifier{Config: cfg}
	rules := fetch.Rules{Stale: time.Hour, Pace: fetch.Pace{Every: time.Minute, Burst: 3, Retry: time.Second}, Ahead: true, Timeout: 10 * time.Second}
	freshness := fetch.Freshness{Usual: 15 * time.Minute, Least: time.Minute, Most: 24 * time.Hour, Unreadable: 15 * time.Minute}
	v.keys = fetch.New(rules, func(ctx context.Context) (map[string]jose.JSONWebKey, time.Duration, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Gate+"/gate/jwks.json", nil)
		if err != nil {
			return nil, 0, err
		}
		body, header, err := fetch.Body(cfg.Client, r, maxKeys)
		if err != nil {
			return nil, 0, err
		}
		set, err := jwks.ParseIssuer(body)
		if err != nil {
			return nil, 0, err
		}
		keys := map[string]jose.JSONWebKey{}
		for _, key := range set {
			keys[key.KeyID] = key
		}
		return keys, freshness.Of(header), nil
	})
	return v
}

// Verify returns the content of a token. The error wraps ErrInvalid or ErrUnavailable. An assertion counts until its exp,
// to the second.
func (v *Verifier) Verify(ctx context.Context, token string) (*Assertion, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{Alg})
	if err != nil {
		return nil, invalid(err)
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(typ, Type) {
		return nil, invalid(errors.New("its typ is not " + Type))
	}
	key, err := v.key(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, invalid(err)
	}
	a := &Assertion{}
	if err := json.Unmarshal(payload, a); err != nil {
		return nil, invalid(err)
	}
	if err := v.check(a, time.Now()); err != nil {
		return nil, invalid(err)
	}
	return a, nil
}

func (v *Verifier) check(a *Assertion, now time.Time) error {
	switch {
	case a.Issuer != v.Gate:
		return errors.New("it is of another gate")
	case a.Audience != v.Host:
		return errors.New("it is for another host")
	case a.Subject == "":
		return errors.New("it has no subject")
	case now.Unix() >= a.Expires:
		return errors.New("it has expired")
	case time.Unix(a.IssuedAt, 0).After(now.Add(maxSkew)):
		return errors.New("it was issued in the future")
	}
	return nil
}

// key returns a key of the gate. An unknown one may be new, so the keys are fetched again, but not often.
func (v *Verifier) key(ctx context.Context, kid string) (*jose.JSONWebKey, error) {
	for _, load := range []func(context.Context) (map[string]jose.JSONWebKey, error){v.keys.Get, v.keys.Renew} {
		keys, err := load(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if key, ok := keys[kid]; ok {
			return &key, nil
		}
	}
	return nil, invalid(errors.New("the gate has no such key"))
}

func invalid(err error) error { return fmt.Errorf("%w: %w", ErrInvalid, err) }
