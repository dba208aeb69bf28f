package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/keys"
)

// ErrAssertion says that a token is no assertion for this site now.
var ErrAssertion = errors.New("no valid assertion of the gate")

// Verifier checks assertions at a site, so that it need not trust its network. It is safe for concurrent use.
type Verifier struct {
	// Gate is the URL of the gate, which signs them.
	Gate string
	// Host is the site's own host, with its port unless that is the default.
	Host string
	// Keys returns the key of /gate/jwks.json with a kid.
	Keys func(kid string) (*jose.JSONWebKey, error)
}

// maxSkew is how far the clocks of a gate and a site may differ, if the gate's is ahead.
const maxSkew = 5 * time.Second

// Verify returns the content of an assertion. The error is ErrAssertion, or one of Keys. A token counts until its exp to
// the second.
func (v *Verifier) Verify(token string) (*Assertion, error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{assertionAlg})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != keys.TypeGate {
		return nil, fmt.Errorf("%w: typ is not %s", ErrAssertion, keys.TypeGate)
	}
	key, err := v.Keys(header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	a := &Assertion{}
	if err := json.Unmarshal(payload, a); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
	}
	now := time.Now()
	switch {
	case a.Issuer != v.Gate:
		err = errors.New("another issuer")
	case a.Audience != v.Host:
		err = errors.New("for another host")
	case a.Subject == "":
		err = errors.New("no subject")
	case now.Unix() >= a.Expires:
		err = errors.New("expired")
	case time.Unix(a.IssuedAt, 0).After(now.Add(maxSkew)):
		err = errors.New("issued in the future")
	default:
		return a, nil
	}
	return nil, fmt.Errorf("%w: %w", ErrAssertion, err)
}
