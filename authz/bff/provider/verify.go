package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/fetch"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/strictjson"
)

// keySet is the provider's key set, as one verification sees it.
type keySet struct {
	keys *fetch.Document[[]jose.JSONWebKey]
	typ  string // that the header must have; empty: any
	// unavailable is why there are no keys. The verifier flattens our errors, and "no keys" must not look like
	// "bad signature".
	unavailable error
}

var _ oidc.KeySet = (*keySet)(nil)

// VerifySignature returns the payload of a compact JWS. If no key fits, the provider may have rotated its keys, and
// they are fetched once more (OpenID Connect Core section 10.1.1).
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, jwks.Algorithms)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Header
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); s.typ != "" && !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), s.typ) {
		return nil, fmt.Errorf("the type is %.40q, not %q", typ, s.typ)
	}
	for _, load := range []func(context.Context) ([]jose.JSONWebKey, error){s.keys.Get, s.keys.Renew} {
		keys, err := load(ctx)
		if err != nil {
			s.unavailable = err
			return nil, err
		}
		for i := range keys {
			if !jwks.Suits(&keys[i], header.KeyID, header.Algorithm) {
				continue
			}
			if payload, err := jws.Verify(keys[i].Key); err == nil {
				return payload, nil
			}
		}
	}
	return nil, errors.New("no key of the provider fits")
}

// verify returns the claims of a JWT of the provider whose signature is good.
func (p *Provider) verify(ctx context.Context, m *metadata, raw, typ string) (claims, *oidc.IDToken, error) {
	keys := &keySet{keys: p.keys, typ: typ}
	token, err := oidc.NewVerifier(p.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: m.algs(),
		SkipClientIDCheck:    true, // these are checked by exact name, and with a clock skew
		SkipIssuerCheck:      true,
		SkipExpiryCheck:      true,
	}).Verify(ctx, raw)
	switch {
	case keys.unavailable != nil:
		return nil, nil, keys.unavailable
	case err != nil:
		return nil, nil, &ResponseError{err}
	}
	var text json.RawMessage
	if err := token.Claims(&text); err != nil {
		return nil, nil, &ResponseError{err}
	}
	c, err := strictjson.Object(text)
	if err != nil {
		return nil, nil, &ResponseError{err}
	}
	return c, token, p.checkClaims(c, time.Now())
}

// checkClaims checks what ID tokens and logout tokens have in common.
func (p *Provider) checkClaims(c claims, now time.Time) error {
	audience, exp, iat := c.texts("aud"), c.time("exp"), c.time("iat")
	switch {
	case c.text("iss") != p.Issuer:
		return untrusted("token: another issuer")
	case !slices.Contains(audience, p.ClientID):
		return untrusted("token: another audience")
	case len(audience) > 1 && c.text("azp") != p.ClientID, c["azp"] != nil && c.text("azp") != p.ClientID:
		return untrusted("token: another authorized party")
	case exp.IsZero() || iat.IsZero():
		return untrusted("token: exp or iat is missing")
	case !now.Before(exp.Add(skew)):
		return untrusted("token: expired")
	case iat.After(now.Add(skew)):
		return untrusted("token: issued in the future")
	}
	return nil
}

// verifyIDToken checks an ID token of the token endpoint (OpenID Connect Core section 3.1.3.7). The nonce is the
// caller's.
func (p *Provider) verifyIDToken(ctx context.Context, m *metadata, g *Grant) (claims, error) {
	c, token, err := p.verify(ctx, m, g.IDToken, "")
	if err != nil {
		return nil, err
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(g.AccessToken); err != nil {
			return nil, &ResponseError{err}
		}
	}
	if c["events"] != nil {
		return nil, untrusted("token: a logout token is no ID token")
	}
	return c, nil
}

// Logout is what a logout token says.
type Logout struct {
	JTI       string
	Subject   string    // empty: not said
	SID       string    // empty: all sessions of the subject
	ExpiresAt time.Time // after which the token is refused
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Logout checks a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6), except that its jti must be new.
// The error is a *ResponseError, or says that the provider's keys cannot be had.
func (p *Provider) Logout(ctx context.Context, raw string) (*Logout, error) {
	m, err := p.metadata.Get(ctx)
	if err != nil {
		return nil, err
	}
	c, _, err := p.verify(ctx, m, raw, "logout+jwt")
	if err != nil {
		return nil, err
	}
	events, err := strictjson.Object(c["events"])
	if err != nil {
		return nil, untrusted("logout token: no events")
	}
	if event, err := strictjson.Object(events[logoutEvent]); err != nil || event == nil {
		return nil, untrusted("logout token: another event")
	}
	l := &Logout{JTI: c.text("jti"), Subject: c.text("sub"), SID: c.text("sid"), ExpiresAt: c.time("exp").Add(skew)}
	switch {
	case c["nonce"] != nil:
		return nil, untrusted("logout token: has a nonce, as only an ID token may")
	case l.JTI == "":
		return nil, untrusted("logout token: no jti")
	case l.SID == "" && l.Subject == "" || c["sid"] != nil && l.SID == "" || c["sub"] != nil && l.Subject == "":
		return nil, untrusted("logout token: no sid and no sub")
	case time.Until(l.ExpiresAt) > time.Hour:
		return nil, untrusted("logout token: valid for too long")
	}
	return l, nil
}

// Unavailable reports whether an error of this package says that the provider cannot be asked now: it is down, slow,
// busy or broken.
func Unavailable(err error) bool {
	if refusal := new(Refusal); errors.As(err, &refusal) {
		return refusal.Status >= 500 || refusal.Status == http.StatusTooManyRequests
	}
	return err != nil && !errors.As(err, new(*ResponseError)) && !errors.As(err, new(*AuthorizationError))
}
