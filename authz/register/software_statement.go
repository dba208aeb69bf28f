package register

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/oauth"
)

// applySoftwareStatement overrides what the client says itself by its software statement (RFC 7591 section 2.3).
// It refuses statements of issuers that the operator does not trust: if they were ignored, the client would
// believe that its software was approved.
func (ep *Endpoint) applySoftwareStatement(ctx context.Context, r *client.Registration) error {
	if r.SoftwareStatement == "" {
		return nil
	}
	invalid := func(why string) *oauth.Error { return oauth.Refuse(client.ErrInvalidSoftwareStatement, why) }
	statement, err := jose.ParseSignedCompact(r.SoftwareStatement, jwks.Algorithms)
	if err != nil || !clientauth.MayBe(statement.Signatures[0].Header, "jwt") {
		return invalid("The software_statement is not a JWT that is signed with an algorithm on offer.")
	}
	var claims struct {
		Issuer    string           `json:"iss"`
		Expires   *jwt.NumericDate `json:"exp"`
		NotBefore *jwt.NumericDate `json:"nbf"`
	}
	if err := josejson.Unmarshal(statement.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return invalid("The claims of the software_statement are malformed.")
	}
	keys, trusted := ep.Policy.SoftwareStatementIssuers[claims.Issuer]
	if !trusted {
		return oauth.Refuse(client.ErrUnapprovedSoftwareStatement, "The issuer of the software_statement is not approved here.")
	}
	issuer := &client.Client{Metadata: client.Metadata{ID: claims.Issuer, JWKSURI: keys}} // its keys are found as those of a client
	payload, err := ep.Keys.Verify(ctx, issuer, statement)
	now := time.Now()
	switch {
	case errors.Is(err, clientkeys.ErrKeysUnavailable):
		return oauth.Refuse(oauth.TemporarilyUnavailable, "The keys of the issuer of the software_statement could not be fetched.").Because(err)
	case err != nil:
		return invalid("The software_statement was not signed by its issuer.").Because(err)
	case claims.Expires != nil && !now.Before(claims.Expires.Time()):
		return invalid("The software_statement has expired.")
	case claims.NotBefore != nil && now.Add(oauth.ClockSkew).Before(claims.NotBefore.Time()):
		return invalid("The software_statement is not valid yet.")
	}
	return r.Override(payload)
}
