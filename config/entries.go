package config

import (
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
)

// Resource is an API that access tokens are for.
type Resource struct {
	// Resource is its identifier: an absolute URI without fragment, used verbatim as the audience
	// of its tokens (RFC 8707 section 2).
	Resource string `yaml:"resource" required:"true"`

	// Name is what the consent page calls it. Default: the identifier.
	Name string `yaml:"name"`

	// Scopes are the scopes that this API understands (RFC 6749 section 3.3). One may be {name, description, changes}:
	// scope_descriptions and changing_scopes say what these are.
	Scopes ScopeList `yaml:"scopes"`

	// ScopeDescriptions say on the consent page what a scope allows: orders.read: "See your orders". For
	// another language, add # and its tag to the scope: "orders.read#de".
	ScopeDescriptions map[string]string `yaml:"scope_descriptions"`

	// ChangingScopes are the scopes with which an app can change something. The pages that show them say "Can make
	// changes". A scope can say it itself: {name: orders.write, changes: true}.
	ChangingScopes []string `yaml:"changing_scopes"`

	// TokenType is at+jwt (RFC 9068), JWT for stacks that refuse the former, or opaque for tokens
	// that the API introspects.
	TokenType string `yaml:"token_type" enum:"at+jwt,JWT,opaque"`

	// Alg signs this API's tokens. Default: signing.alg.
	Alg string `yaml:"alg" enum:"RS256,ES256,PS256,EdDSA"`

	// AuthorizationDetailsTypes are what clients may ask for in more detail than a scope has (RFC
	// 9396). A client names those that it uses in its own authorization_details_types.
	AuthorizationDetailsTypes []DetailType `yaml:"authorization_details_types"`
}

// DetailType is a type of authorization_details (RFC 9396 section 2).
type DetailType struct {
	// Type is its identifier, as requests have it.
	Type string `yaml:"type" required:"true"`

	// Name is what the consent page calls it. Default: the type.
	Name string `yaml:"name"`

	// Fields are the members that an object of this type may have, beside those that all types share:
	// type, locations, actions, datatypes, identifier and privileges.
	Fields []string `yaml:"fields"`

	// Required are the members that it must have.
	Required []string `yaml:"required"`

	// Headline is the heading of the consent page, by language: en: "Pay {amount} to {creditor}". Names in braces stand for members. Without it, the page has its usual heading.
	Headline map[string]string `yaml:"headline"`

	// Labels are what the consent page calls the members: iban: Account. For another language, add # and its
	// tag: "iban#de". The page shows the members in the order of fields.
	Labels map[string]string `yaml:"labels"`

	// Payment says that an object of this type is a payment, and which members say how much and to whom. Then the
	// consent page asks to pay this amount, in a sentence of its own unless there is a headline.
	Payment DetailPayment `yaml:"payment"`
}

// DetailPayment is what a payment is made of. The members are those of fields.
type DetailPayment struct {
	// Amount is the required member that has the amount: an object with just amount and currency, or a decimal number.
	Amount string `yaml:"amount"`

	// Currency is the required member that has the currency (ISO 4217), if amount is a number.
	Currency string `yaml:"currency"`

	// Payee is the member that names who gets the money.
	Payee string `yaml:"payee"`
}

// Connector is an upstream identity provider.
type Connector struct {
	// ID is part of the callback URL, <issuer>/callback/<id>, which the provider must know.
	ID string `yaml:"id" required:"true"`

	// Type is google, or oidc for any other OpenID Connect provider.
	Type string `yaml:"type" required:"true" enum:"google,oidc"`

	// Name on the login page's button. Default: Google, or the id.
	Name string `yaml:"name"`

	// Issuer of the provider's ID tokens. Default for google: https://accounts.google.com.
	Issuer string `yaml:"issuer"`

	// ClientID is what the provider calls authzd.
	ClientID string `yaml:"client_id" required:"true"`

	// ClientSecret is what the provider gave to authzd.
	ClientSecret member.Secret `yaml:"client_secret"`

	// HostedDomains admits only accounts of these Google Workspace domains. Default: everybody.
	HostedDomains []string `yaml:"hosted_domains"`

	// Scopes to ask the provider for; openid always is. Default: openid, profile and email.
	Scopes []string `yaml:"scopes"`

	// EmailAuthoritative says that the provider owns every verified e-mail address that it
	// reports, so that an account with the same verified address is the same person. For oidc;
	// Google tells by itself which addresses are its own.
	EmailAuthoritative bool `yaml:"email_authoritative"`

	// EmailVerified says whether an address that the provider reports is verified: claim believes its
	// email_verified, always and never decide it for a provider that does not tell, or not truly.
	// Default: claim.
	EmailVerified string `yaml:"email_verified" enum:"claim,always,never"`

	// FreshLogin says what an app gets that demands a fresh sign-in (prompt=login, max_age): proved
	// wants an auth_time of the provider that is new enough, trusted does with each sign-in through
	// it. Default: proved.
	FreshLogin string `yaml:"fresh_login" enum:"proved,trusted"`

	// Factors is required if all who come from here need a second factor, or passkey if they need a passkey, beyond
	// accounts.factors.
	Factors string `yaml:"factors" enum:"optional,required,passkey"`

	// TrustAMR says that the provider's amr counts: with mfa in it, the sign-in there had two factors, and no
	// other is asked for here.
	TrustAMR bool `yaml:"trust_amr"`
}

// InitialAccessToken admits to client registration.
type InitialAccessToken struct {
	// ID says what the token is for.
	ID string `yaml:"id" required:"true"`

	// Token is at least 32 characters that nobody can guess.
	Token member.Secret `yaml:"token" required:"true"`
}

// SoftwareStatementIssuer signs software statements.
type SoftwareStatementIssuer struct {
	// Issuer is the iss claim of its statements.
	Issuer string `yaml:"issuer" required:"true"`

	// JWKSURI is where its public keys are: https, or http on loopback. A private address must be
	// among outbound.allow_private_networks.
	JWKSURI string `yaml:"jwks_uri" required:"true"`
}

// TrustedIssuer vouches for users.
type TrustedIssuer struct {
	// Issuer is the iss of its assertions.
	Issuer string `yaml:"issuer" required:"true"`

	// JWKS are its public keys, a JWK Set (RFC 7517 section 5) as YAML or JSON.
	JWKS client.JWKS `yaml:"jwks" multiline:"true"`

	// JWKSURI is where its public keys are, in place of jwks.
	JWKSURI string `yaml:"jwks_uri"`

	// Algorithms that it signs with. Default: any of these.
	Algorithms []string `yaml:"algorithms" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"`

	// Subject says whom its sub names: identity (a user who has signed in through the connector with
	// this issuer) or username (the account whose username is spelled just so: it can then speak for
	// anybody). Default: identity.
	Subject string `yaml:"subject" enum:"identity,username"`

	// Clients that may show its assertions.
	Clients []string `yaml:"clients"`

	// Scope are the scopes that they may get by them, in one string, as far as they have them
	// themselves.
	Scope member.Scopes `yaml:"scope"`

	// MaxLifetime is how long an assertion may be valid from when it is shown. Each counts once.
	// Default: 5m.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
}
