package revocation

import (
	"context"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
)

// Type is the typ header of a document.
const Type = "revocations+jwt"

// FindKey returns the issuer's public key with this kid that suits the algorithm.
type FindKey func(ctx context.Context, kid, alg string) (key any, err error)

// Open checks the signature of a document, its type and its issuer, and reads it. It does not look at the clock: iat
// and exp are the issuer's, and the reader's clock may be wrong. Errors are a *FormatError or those of find.
func Open(ctx context.Context, compact, issuer string, find FindKey) (*Document, error) {
	if len(compact) > MaxDocument {
		return nil, &FormatError{"too long"}
	}
	jws, err := jose.ParseSignedCompact(compact, jwks.Algorithms)
	if err != nil {
		return nil, &FormatError{"not a JWS with a known algorithm"}
	}
	header := jws.Signatures[0].Protected
	_, critical := header.ExtraHeaders["crit"]
	_, unencoded := header.ExtraHeaders["b64"]
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	switch {
	case critical, unencoded: // RFC 7515 section 4.1.11, RFC 7797: we understand no extension
		return nil, &FormatError{"it has critical headers"}
	case strings.TrimPrefix(strings.ToLower(typ), "application/") != Type: // RFC 7515 section 4.1.9
		return nil, &FormatError{"typ is not " + Type}
	case header.KeyID == "":
		return nil, &FormatError{"it names no key"}
	}
	key, err := find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, &FormatError{"the signature is wrong"}
	}
	d, err := Parse(payload)
	if err == nil && d.Issuer != issuer {
		return nil, &FormatError{"it is from another issuer"}
	}
	return d, err
}
