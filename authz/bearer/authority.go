package bearer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/weburl"
)

// Issuer is a further issuer whose tokens an API accepts. Its keys verify its own tokens and no others. What it
// says about roles, groups and scopes counts like the word of Config.Issuer: a handler that must distinguish
// them looks at Principal.Issuer.
type Issuer struct {
	// Issuer is the issuer identifier, as Config.Issuer.
	Issuer string

	// Audiences are the identifiers that this issuer has for the API: a token's aud must contain one of them.
	// Default: Config.Audience and Config.Audiences.
	Audiences []string

	// Types and Algorithms are as in Config. Default: those of Config.
	Types      []string
	Algorithms []string

	// Introspection and Revocations are as in Config, for the tokens of this issuer.
	Introspection *Introspection
	Revocations   *Follower
}

// authority is an issuer that is trusted, with its keys and the rules for its tokens. A token is checked by one
// authority alone, so that no key of one issuer can vouch for another.
type authority struct {
	issuer     string
	audiences  []string // none: any
	types      map[string]bool
	algorithms []jose.SignatureAlgorithm
	leeway     time.Duration
	keys       *keySet
	asks       *introspector // nil: it has no opaque tokens
	follower   *Follower     // nil: its feed is not followed
}

// issuers returns the issuers of a Config with defaults filled in, the first one first.
func (cfg *Config) issuers() []Issuer {
	var audiences []string
	if cfg.Audience != "" {
		audiences = append([]string{cfg.Audience}, cfg.Audiences...)
	}
	all := append([]Issuer{{Issuer: cfg.Issuer, Introspection: cfg.Introspection, Revocations: cfg.Revocations}}, cfg.Issuers...)
	for i := range all {
		if len(all[i].Audiences) == 0 {
			all[i].Audiences = audiences
		}
		if len(all[i].Types) == 0 {
			all[i].Types = cfg.Types
		}
		if len(all[i].Algorithms) == 0 {
			all[i].Algorithms = cfg.Algorithms
		}
	}
	return all
}

// checkIssuers returns every mistake of the issuers, each alone and together.
func checkIssuers(all []Issuer) error {
	var errs []error
	names, prefixes := map[string]bool{}, []string{}
	for _, is := range all {
		errs = append(errs, is.check())
		if names[is.Issuer] {
			errs = append(errs, fmt.Errorf("the Issuer %q is there twice", is.Issuer))
		}
		names[is.Issuer] = true
		if is.Introspection == nil {
			continue
		}
		// A token must never be shown to an issuer that has not issued it.
		prefix := is.Introspection.Prefix
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(p, prefix) || strings.HasPrefix(prefix, p) }) {
			errs = append(errs, errors.New("several issuers with Introspection need Prefixes of which none begins with another"))
		}
		prefixes = append(prefixes, prefix)
	}
	return errors.Join(errs...)
}

func (is *Issuer) check() error {
	var errs []error
	if is.Issuer == "" {
		errs = append(errs, errors.New("an Issuer is required"))
	} else if u, err := url.Parse(is.Issuer); err != nil {
		errs = append(errs, fmt.Errorf("parse the Issuer: %w", err))
	} else if !weburl.IsSecure(u) || u.User != nil || strings.ContainsAny(is.Issuer, "?#") {
		errs = append(errs, fmt.Errorf("the Issuer %q must be an https URL (or http on a loopback host) without userinfo, query and fragment", is.Issuer))
	}
	if slices.Contains(is.Audiences, "") {
		errs = append(errs, errors.New("an empty audience in Audiences"))
	}
	for _, alg := range is.Algorithms {
		if !slices.Contains(jwks.Algorithms, jose.SignatureAlgorithm(alg)) {
			errs = append(errs, fmt.Errorf("algorithm %q is not an asymmetric signature algorithm", alg))
		}
	}
	if slices.Contains(is.Types, "") {
		errs = append(errs, errors.New("an empty type in Types"))
	}
	if is.Introspection != nil {
		errs = append(errs, is.Introspection.check(is))
	}
	if is.Revocations != nil && is.Revocations.issuer != is.Issuer {
		errs = append(errs, fmt.Errorf("the Revocations of %q follow another issuer: %q", is.Issuer, is.Revocations.issuer))
	}
	return errors.Join(errs...)
}

// newAuthority makes the authority of an issuer that has been checked.
func newAuthority(cfg *Config, is *Issuer) *authority {
	src := newSource(is.Issuer, cfg.Client)
	a := &authority{
		issuer:    is.Issuer,
		audiences: is.Audiences,
		types:     make(map[string]bool),
		leeway:    max(cfg.Leeway, 0),
		keys:      newKeySet(src, cfg.RefreshInterval, cfg.Logger),
		follower:  is.Revocations,
	}
	for _, typ := range is.Types {
		a.types[mediaType(typ)] = true
	}
	for _, alg := range is.Algorithms {
		a.algorithms = append(a.algorithms, jose.SignatureAlgorithm(alg))
	}
	if is.Introspection != nil {
		a.asks = newIntrospector(cfg, is, a)
	}
	return a
}

// authorityOf returns the authority for a token of the right form. It believes the iss claim only so far: verify
// reads it again after it has checked the signature with this authority's keys.
func (v *Verifier) authorityOf(token string) (*authority, error) {
	if len(v.authorities) == 1 {
		return v.authorities[0], nil
	}
	_, rest, _ := strings.Cut(token, ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part)
	var c struct {
		Issuer string `json:"iss"`
	}
	if err != nil || josejson.Unmarshal(payload, &c) != nil {
		return nil, &TokenError{"the token's claims are malformed"}
	}
	for _, a := range v.authorities {
		if a.issuer == c.Issuer {
			return a, nil
		}
	}
	return nil, &TokenError{"the token is from another issuer"}
}

// honours returns nil if the issuer's feed lets the principal's token count, or is not followed.
func (a *authority) honours(p *Principal) error {
	if a.follower == nil {
		return nil
	}
	return a.follower.honours(p)
}

// verify checks a JWT of the right form, except for its sender and the feed.
func (a *authority) verify(ctx context.Context, token string) (*verified, error) {
	jws, err := jose.ParseSignedCompact(token, a.algorithms)
	if alg := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &alg) {
		return nil, &TokenError{"the token's signature algorithm is not accepted"}
	} else if err != nil {
		return nil, &TokenError{"the token is not a signed JWT"}
	}
	header := jws.Signatures[0].Protected
	if err := a.checkHeader(header); err != nil {
		return nil, err
	}

	key, set, err := a.keys.findIn(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, &TokenError{"the token's signature is wrong"}
	}

	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := a.checkClaims(c, time.Now()); err != nil {
		return nil, err
	}
	p, err := c.principal(payload)
	if err != nil {
		return nil, err
	}
	return &verified{authority: a, principal: p, keys: set, until: p.Expires.Add(a.leeway)}, nil
}

// checkHeader checks the rest of the header after the algorithm. It ignores keys that the token brings (jwk,
// jku, x5c, x5u): a token can't vouch for itself.
func (a *authority) checkHeader(h jose.Header) error {
	if _, ok := h.ExtraHeaders["crit"]; ok { // RFC 7515 section 4.1.11: we understand no extension
		return &TokenError{"the token has critical headers"}
	}
	if _, ok := h.ExtraHeaders["b64"]; ok { // RFC 7797, which is only valid with crit
		return &TokenError{"the token has an unencoded payload"}
	}
	if typ, _ := h.ExtraHeaders[jose.HeaderType].(string); !a.types[mediaType(typ)] {
		return &TokenError{"the token is not an access token of an accepted type"}
	}
	if h.KeyID == "" {
		return &TokenError{"the token names no key"}
	}
	return nil
}

// mediaType returns the typ header in the compared form: lower case, and without "application/", which RFC
// 7515 section 4.1.9 lets an issuer leave out.
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// checkClaims follows RFC 9068 sections 2.2 and 4.
func (a *authority) checkClaims(c *claims, now time.Time) error {
	switch {
	case c.Issuer != a.issuer:
		return &TokenError{"the token is from another issuer"}
	case len(c.Audience) == 0:
		return &TokenError{"the token has no audience"}
	case !a.isFor(c.Audience):
		return &TokenError{"the token is for another audience"}
	case c.Expires.IsZero():
		return &TokenError{"the token has no expiry time"}
	case !now.Before(c.Expires.Add(a.leeway)):
		return &TokenError{"the token has expired"}
	case c.IssuedAt.IsZero():
		return &TokenError{"the token has no time of issue"}
	case now.Add(a.leeway).Before(c.IssuedAt.Time):
		return &TokenError{"the token is from the future"}
	case now.Add(a.leeway).Before(c.NotBefore.Time):
		return &TokenError{"the token is not valid yet"}
	case c.Subject == "":
		return &TokenError{"the token has no subject"}
	case c.ClientID == "":
		return &TokenError{"the token has no client_id"}
	case c.ID == "":
		return &TokenError{"the token has no jti"}
	case c.notAccess():
		return &TokenError{"the token is not an access token"}
	case c.unknownBinding():
		return &TokenError{"the token is bound to a key in a way that is not known here"}
	}
	return nil
}

// isFor reports whether one of the audiences is this API.
func (a *authority) isFor(audiences []string) bool {
	if len(a.audiences) == 0 {
		return true
	}
	return slices.ContainsFunc(audiences, func(aud string) bool { return slices.Contains(a.audiences, aud) })
}
