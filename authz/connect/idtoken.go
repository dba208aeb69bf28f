package connect

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const skew = 300 * time.Second // tolerated between the upstream's clock and ours

// verifyIDToken returns the claims of an ID token if it comes from the upstream, is for us, and belongs to
// this Attempt (OpenID Connect Core section 3.1.3.7).
func (o *openID) verifyIDToken(ctx context.Context, m *metadata, raw, accessToken string, a Attempt) (claims, error) {
	keys := &keySet{keys: o.keys}
	// The verifier accepts claims with names in any letter case and knows no clock skew. So it checks only
	// the algorithm, the signature and at_hash; the claims are checked below.
	token, err := oidc.NewVerifier(o.cfg.Issuer, keys, &oidc.Config{
		SupportedSigningAlgs: m.signingAlgs(),
		SkipClientIDCheck:    true,
		SkipIssuerCheck:      true,
		SkipExpiryCheck:      true,
	}).Verify(ctx, raw)
	switch {
	case keys.unavailable != nil:
		return nil, failed(keys.unavailable)
	case err != nil:
		return nil, untrusted(err)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return nil, untrusted(err)
		}
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return nil, untrusted(err)
	}
	if err := o.checkClaims(c, a, time.Now()); err != nil {
		return nil, untrusted(fmt.Errorf("id token: %w", err))
	}
	if err := checkAge(c, a, time.Now()); err != nil && !o.cfg.TrustFreshLogin && !a.Accept {
		return nil, &Error{ErrUnproven.Code, ErrUnproven.Reason, err}
	}
	return c, nil
}

func (o *openID) checkClaims(c claims, a Attempt, now time.Time) error {
	if !o.isIssuer(c.text("iss", maxURL)) {
		return fmt.Errorf("iss is %q", c.text("iss", maxURL))
	}
	audience := c.audience()
	if !slices.Contains(audience, o.cfg.ClientID) {
		return fmt.Errorf("aud is %.200q", audience)
	}
	if azp := c.text("azp", maxText); c.has("azp") && azp != o.cfg.ClientID {
		return fmt.Errorf("azp is %q", azp)
	}
	if len(audience) > 1 && !c.has("azp") {
		return errors.New("several audiences and no azp")
	}
	if subtle.ConstantTimeCompare([]byte(c.text("nonce", maxText)), []byte(a.Nonce)) != 1 {
		return errors.New("nonce does not match")
	}
	if c.text("sub", maxText) == "" {
		return errors.New("sub is missing, too long or malformed")
	}
	return checkTimes(c, now)
}

// checkTimes demands exp and iat; nbf is optional.
func checkTimes(c claims, now time.Time) error {
	exp, iat, nbf := c.time("exp"), c.time("iat"), c.time("nbf")
	switch {
	case exp.IsZero() || iat.IsZero() || c.has("nbf") && nbf.IsZero():
		return errors.New("exp, iat or nbf is missing or malformed")
	case !now.Before(exp.Add(skew)):
		return fmt.Errorf("expired at %s", exp.UTC())
	case iat.After(now.Add(skew)):
		return fmt.Errorf("issued in the future, at %s", iat.UTC())
	case nbf.After(now.Add(skew)):
		return fmt.Errorf("not valid before %s", nbf.UTC())
	}
	return nil
}

// checkAge compares auth_time with iat, which are of the same clock. The time that the user took to come back
// does not count.
func checkAge(c claims, a Attempt, now time.Time) error {
	if a.MaxAge == nil {
		return nil
	}
	authTime := c.time("auth_time")
	if authTime.After(c.time("iat").Add(skew)) {
		return errors.New("id token: auth_time is after iat")
	}
	if authTime.IsZero() {
		return errors.New("id token: no auth_time, though max_age was asked for")
	}
	most := time.Duration(*a.MaxAge)*time.Second + now.Sub(a.BegunAt) + time.Second // whole seconds round
	if age := c.time("iat").Sub(authTime); age > most {
		return fmt.Errorf("id token: login is %s old, more than %s", age, most)
	}
	return nil
}
