package tokenendpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/client/clientkeys"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/grant"
	"github.com/authzd/authzd/authz/jwks"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// Values of TrustedIssuer.Subject: how the sub of an assertion names a user.
const (
	SubjectUsername = "username" // by the username of the account here
	SubjectIdentity = "identity" // by an upstream identity of the issuer that is linked to the account
)

// TrustedIssuer is an issuer of assertions about users. A client with such an assertion gets a token for the user
// that it names (RFC 7523 section 2.1). The trust of the operator replaces the consent of the user.
type TrustedIssuer struct {
	Issuer      string                    // the iss of its assertions
	JWKS        client.JWKS               // its public keys (RFC 7517 section 5), or:
	JWKSURI     string                    // the URL of its public keys
	Algs        []jose.SignatureAlgorithm // that it may sign with; empty: any of jwks.Algorithms
	Subject     string                    // SubjectUsername or SubjectIdentity
	Clients     []string                  // ids of the clients that may send its assertions
	Scopes      []string                  // that such clients may get, if they are registered for them
	MaxLifetime time.Duration             // an assertion must expire within this time from now; 0: 5 minutes
}

// assertionIssuer is a TrustedIssuer with its keys, which are found as those of a client.
type assertionIssuer struct {
	TrustedIssuer
	keys *client.Client
}

// openIssuers fills in ep.issuers.
func (ep *Endpoint) openIssuers() error {
	ep.issuers = map[string]assertionIssuer{}
	for _, t := range ep.TrustedIssuers {
		keys, err := client.New(client.Metadata{ID: t.Issuer, AuthMethod: client.AuthPrivateKeyJWT, JWKS: t.JWKS, JWKSURI: t.JWKSURI})
		if err != nil {
			return fmt.Errorf("trusted issuer: %w", err)
		}
		if len(t.Algs) == 0 {
			t.Algs = jwks.Algorithms
		}
		t.MaxLifetime = cmp.Or(t.MaxLifetime, 5*time.Minute)
		ep.issuers[t.Issuer] = assertionIssuer{t, keys}
	}
	return nil
}

// redeemAssertion follows RFC 7523 sections 2.1 and 3. An assertion counts once. Its token has a grant, so that it
// can be revoked. There is no session and no refresh token: the client sends another assertion instead.
func (ep *Endpoint) redeemAssertion(ctx context.Context, x *exchange, form url.Values) error {
	if !form.Has("assertion") {
		return oauth.Refuse(oauth.InvalidRequest, "The parameter assertion is missing.")
	}
	issuer, claims, err := ep.verifyAssertion(ctx, x, form.Get("assertion"))
	if err != nil {
		return err
	}
	if err := ep.checkGrantClaims(issuer, claims, x.Now); err != nil {
		return err
	}
	spent := oauth.MarkGrant + oauth.HashToken(claims.Issuer+" "+claims.ID)
	if used, err := oauth.Marked(ctx, ep.Store, spent); err != nil {
		return err
	} else if used {
		return oauth.Refuse(oauth.InvalidGrant, "The assertion has been used before.")
	}
	asserted, err := ep.assertedUser(ctx, issuer, claims.Subject)
	if err != nil {
		return err
	}
	if err := ep.assertedScopes(x, issuer, form); err != nil {
		return err
	}
	consent, _, err := ep.Grants.Consent(ctx, asserted.ID, x.Client.ID)
	if err != nil {
		return err
	}
	x.GrantID = oauth.NewID()
	x.Grant = &storage.Grant{
		Authorization: storage.Authorization{
			ClientID: x.Client.ID, UserID: asserted.ID, UserEpoch: asserted.Epoch, Withdrawals: consent.Withdrawals,
			Scopes: x.Scopes, Resources: x.Resources,
		},
		Issuer:    claims.Issuer,
		Offline:   true,
		CreatedAt: x.Now,
		ExpiresAt: x.Now.Add(ep.Tokens.Lifetime(x.Client) + oauth.ClockSkew),
	}
	user, _, err := ep.Grants.Owner(ctx, x.Grant, x.Client)
	if gone := new(grant.OwnerGone); errors.As(err, &gone) {
		return oauth.Refuse(oauth.InvalidGrant, unknownAsserted).Because(err)
	} else if err != nil {
		return err
	}
	x.User = user
	x.writes = append(x.writes, oauth.MarkOnce(spent, claims.Expires.Time()))
	x.writes = append(x.writes, grant.Writes(x.GrantID, x.Grant)...)
	x.writes = append(x.writes, ep.Events.GrantIssued(ctx, x.issued())...)
	return nil
}

// unknownAsserted is the answer for users who do not exist, and for those who may not sign in.
const unknownAsserted = "The assertion is about no user of this server."

// verifyAssertion returns the claims of an assertion, and its issuer. It checks the signature, and that the issuer
// is trusted for the client.
func (ep *Endpoint) verifyAssertion(ctx context.Context, x *exchange, raw string) (*assertionIssuer, *clientauth.AssertionClaims, error) {
	refused := func(why string) error { return oauth.Refuse(oauth.InvalidGrant, why) }
	jws, err := jose.ParseSignedCompact(raw, jwks.Algorithms)
	if err != nil || !clientauth.MayBe(jws.Signatures[0].Header, "authorization-grant+jwt") {
		return nil, nil, refused("The assertion is not a JWT that is signed with an algorithm on offer.")
	}
	claims := new(clientauth.AssertionClaims)
	if err := josejson.Unmarshal(jws.UnsafePayloadWithoutVerification(), claims); err != nil {
		return nil, nil, refused("The claims of the assertion are malformed.")
	}
	issuer, known := ep.issuers[claims.Issuer]
	switch {
	case !known || !slices.Contains(issuer.Clients, x.Client.ID):
		return nil, nil, refused("The issuer of the assertion is not trusted for this client.")
	case !slices.Contains(issuer.Algs, jose.SignatureAlgorithm(jws.Signatures[0].Header.Algorithm)):
		return nil, nil, refused("The issuer may not sign with this algorithm.")
	}
	switch _, err := ep.Keys.Verify(ctx, issuer.keys, jws); {
	case errors.Is(err, clientkeys.ErrKeysUnavailable):
		return nil, nil, oauth.Refuse(oauth.TemporarilyUnavailable, "The keys of the issuer could not be fetched.").Because(err)
	case err != nil:
		return nil, nil, oauth.Refuse(oauth.InvalidGrant, "The assertion was not signed by its issuer.").Because(err)
	}
	return &issuer, claims, nil
}

// checkGrantClaims checks the claims of an assertion (RFC 7523 section 3).
func (ep *Endpoint) checkGrantClaims(issuer *assertionIssuer, claims *clientauth.AssertionClaims, now time.Time) error {
	refused := func(why string) error { return oauth.Refuse(oauth.InvalidGrant, why) }
	switch {
	case claims.Subject == "" || len(claims.Subject) > clientauth.MaxClientID || !oauth.CleanText(claims.Subject):
		return refused("The assertion has no sub, or a malformed one.")
	case len(oauth.Both(claims.Audience.Values, []string{ep.Issuer.ID, ep.Issuer.URL("/token")})) == 0:
		return refused("The aud of the assertion must be the issuer, " + ep.Issuer.ID + ".")
	}
	if why := claims.Problem(now, issuer.MaxLifetime); why != "" {
		return refused("The assertion " + why)
	}
	return nil
}

// assertedUser returns the user that an assertion names.
func (ep *Endpoint) assertedUser(ctx context.Context, issuer *assertionIssuer, subject string) (user *storage.User, err error) {
	if issuer.Subject == SubjectUsername {
		user, err = ep.Accounts.ByUsername(ctx, subject)
	} else {
		user, err = ep.Accounts.ByIdentity(ctx, issuer.Issuer, subject)
	}
	if err == nil && user == nil {
		err = oauth.Refuse(oauth.InvalidGrant, unknownAsserted)
	}
	return user, err
}

// assertedScopes sets the scopes and resources, within those of the client and the issuer.
func (ep *Endpoint) assertedScopes(x *exchange, issuer *assertionIssuer, form url.Values) error {
	allowed := slices.DeleteFunc(oauth.Both(x.Client.Scopes, issuer.Scopes), func(scope string) bool { return scope == "offline_access" })
	asked := form["resource"]
	x.Scopes = ep.Resources.ScopesFor(allowed, x.Client.Resources)
	switch {
	case form.Has("scope"):
		x.Scopes = oauth.ScopesOf(form)
		if len(oauth.Both(x.Scopes, allowed)) < len(x.Scopes) {
			return oauth.Refuse(oauth.InvalidScope, "The client may not have one of the requested scopes by an assertion of this issuer.")
		}
	case len(asked) > 0:
		x.Scopes = ep.Resources.ScopesFor(x.Scopes, asked)
	}
	var err error
	x.Resources, err = ep.Resources.Choose(x.Client.Resources, asked, x.Scopes)
	return err
}
