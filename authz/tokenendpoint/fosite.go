package tokenendpoint

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
)

// fositeConfig wires fosite. It parses and validates requests, authenticates clients through our
// strategy and dispatches to our handlers; its stock handlers and their storage contract are not
// used, because each of them leaves a hole that the handlers in grant_*.go do not have.
//
// Every strategy is set here: fosite's lazy getters write to the shared Config without a lock.
func (ep *Endpoint) fositeConfig() *fosite.Config {
	return &fosite.Config{
		AccessTokenIssuer:        ep.Issuer.ID,
		IDTokenIssuer:            ep.Issuer.ID,
		TokenURL:                 ep.Issuer.URL("/token"),
		ScopeStrategy:            fosite.ExactScopeStrategy,
		AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		ClientSecretsHasher:      noSecrets{},
		JWKSFetcherStrategy:      noKeys{},
		ClientAuthenticationStrategy: func(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
			c, err := ep.Auth.Authenticate(ctx, r, form)
			return fositeClient{c}, err
		},
		TokenEndpointHandlers: ep.grantHandlers(),
	}
}

var (
	_ fosite.Storage              = clientLookup(nil)
	_ fosite.Client               = fositeClient{}
	_ fosite.Hasher               = noSecrets{}
	_ fosite.TokenEndpointHandler = grantHandler{}
	_ fosite.Session              = (*exchange)(nil)
)

// clientLookup is all that fosite reads from storage in this server.
type clientLookup func(ctx context.Context, id string) (*client.Client, error)

func (find clientLookup) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	c, err := find(ctx, id)
	if c == nil && err == nil {
		err = fosite.ErrNotFound
	}
	return fositeClient{clientauth.Sender{Client: c}}, err
}

// Authenticate marks assertions: nothing asks for these two.
func (clientLookup) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }
func (clientLookup) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// noSecrets refuses to hash or compare: Authenticate checks secrets.
type noSecrets struct{}

func (noSecrets) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }
func (noSecrets) Hash(context.Context, []byte) ([]byte, error)  { return nil, fosite.ErrServerError }

// noKeys fetches no keys of clients, and has no method to do it: Authenticate and the request
// objects use a guarded fetcher. fosite's own keeps a cache with two goroutines that never end.
type noKeys struct{ fosite.JWKSFetcherStrategy }

// fositeClient shows a client to fosite, and carries what Authenticate has found out past it.
type fositeClient struct {
	clientauth.Sender
}

func (c fositeClient) GetID() string                      { return c.ID }
func (c fositeClient) GetHashedSecret() []byte            { return nil }
func (c fositeClient) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c fositeClient) GetGrantTypes() fosite.Arguments    { return c.GrantTypes }
func (c fositeClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c fositeClient) GetScopes() fosite.Arguments        { return fosite.Arguments(c.Scopes) }
func (c fositeClient) IsPublic() bool                     { return c.Public() }
func (c fositeClient) GetAudience() fosite.Arguments      { return c.Resources }

// ofFosite turns an error of fosite into ours: its hints quote the request. Other errors stay what they are.
func ofFosite(err error) error {
	var own *oauth.Error
	var refused *fosite.RFC6749Error
	if errors.As(err, &own) || !errors.As(err, &refused) {
		return err
	}
	if description, ok := fositeWords[refused.ErrorField]; ok {
		return oauth.Refuse(refused.ErrorField, description).Because(err)
	}
	return err
}

// fositeWords are our words for what fosite refuses.
var fositeWords = map[string]string{
	oauth.InvalidRequest: "The request is missing a parameter, repeats one, or is otherwise malformed.",
	oauth.InvalidScope:   "The client is not registered for one of the requested scopes.",
	oauth.InvalidTarget:  "The client is not registered for one of the requested resources.",
}
