package tokenendpoint

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/token"
	"github.com/authzd/authzd/storage"
)

// fositeConfig wires fosite. fosite parses and dispatches token requests, runs its stock handlers where they have no
// known hole, and issues access tokens through strategy. docs/decisions/fosite.md says what it may not do.
//
// Every strategy is set here: fosite's lazy getters write to the shared Config without a lock.
func (ep *Endpoint) fositeConfig() *fosite.Config {
	config := &fosite.Config{
		AccessTokenIssuer:        ep.Issuer.ID,
		IDTokenIssuer:            ep.Issuer.ID,
		TokenURL:                 ep.Issuer.URL("/token"),
		ScopeStrategy:            fosite.ExactScopeStrategy,
		AudienceMatchingStrategy: func([]string, []string) error { return nil }, // resource.Set decides (RFC 8707)
		ClientSecretsHasher:      noSecrets{},
		JWKSFetcherStrategy:      noKeys{},
		ClientAuthenticationStrategy: func(ctx context.Context, r *http.Request, _ url.Values) (fosite.Client, error) {
			c, err := ep.Auth.Authenticate(ctx, r, ctx.Value(exchangeKey{}).(*exchange).claim)
			return fositeClient{c}, err
		},
	}
	config.TokenEndpointHandlers = ep.grantHandlers(config)
	return config
}

var (
	_ fosite.Storage              = clientLookup(nil)
	_ fosite.Client               = fositeClient{}
	_ fosite.Hasher               = noSecrets{}
	_ fosite.TokenEndpointHandler = grantHandler{}
	_ fosite.Session              = (*exchange)(nil)
	_ oauth2.AccessTokenStrategy  = strategy{}
	_ oauth2.RefreshTokenStrategy = strategy{}
	_ oauth2.AccessTokenStorage   = accessTokens{}
)

// exchangeKey is where the context that fosite gets has the exchange: it hands its session on to grant types only.
type exchangeKey struct{}

// strategy mints tokens for fosite, by authz/token.
type strategy struct{ *token.Tokens }

func (strategy) AccessTokenSignature(_ context.Context, presented string) string {
	return oauth.HashToken(presented)
}

// GenerateAccessToken mints an access token for what the requester was granted, and the ID token that belongs to it.
func (s strategy) GenerateAccessToken(ctx context.Context, r fosite.Requester) (accessToken, signature string, err error) {
	x := r.GetSession().(*exchange)
	if err := x.laterSecond(ctx); err != nil {
		return "", "", err
	}
	granted := x.Authorization
	granted.Scopes, granted.Resources = r.GetGrantedScopes(), r.GetGrantedAudience()
	if x.minted, err = s.Mint(granted, x.confirmation); err != nil {
		return "", "", err
	}
	return x.minted.AccessToken, "", nil // accessTokens stores by no signature
}

func (s strategy) ValidateAccessToken(ctx context.Context, _ fosite.Requester, presented string) error {
	_, err := s.Active(ctx, presented)
	return err
}

func (strategy) RefreshTokenSignature(_ context.Context, presented string) string {
	return oauth.HashToken(presented)
}

// GenerateRefreshToken makes the first refresh token of a grant, or the successor of the one that was presented.
func (s strategy) GenerateRefreshToken(_ context.Context, r fosite.Requester) (refreshToken, signature string, err error) {
	x := r.GetSession().(*exchange)
	if x.rotated == "" {
		refreshToken = s.NewRefreshToken()
	} else {
		refreshToken = s.Successors(x.rotated, x.salt)[0]
	}
	return refreshToken, oauth.HashToken(refreshToken), nil
}

// ValidateRefreshToken reports whether a refresh token is stored. redeemRefreshToken decides whether it counts.
func (s strategy) ValidateRefreshToken(ctx context.Context, _ fosite.Requester, presented string) error {
	_, _, err := storage.RefreshTokens.Get(ctx, s.Store, oauth.HashToken(presented))
	return err
}

// issuing is a request for which fosite issues a token. fosite copies a request with its form to store it, and
// accessTokens stores nothing of the request: so the copy is left out.
type issuing struct{ fosite.AccessRequester }

// Sanitize returns the request itself.
func (r issuing) Sanitize([]string) fosite.Requester { return r }

// accessTokens is fosite's storage of access tokens. It adds the writes of opaque tokens to those of the request, for
// the one Apply at its end.
type accessTokens struct{}

func (accessTokens) CreateAccessTokenSession(_ context.Context, _ string, r fosite.Requester) error {
	x := r.GetSession().(*exchange)
	x.writes = append(x.writes, x.minted.Writes...)
	return nil
}

// GetAccessTokenSession and DeleteAccessTokenSession are never called: authz/token reads access tokens.
func (accessTokens) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}
func (accessTokens) DeleteAccessTokenSession(context.Context, string) error {
	return fosite.ErrNotFound
}

// clientLookup is all that fosite reads from storage in this server.
type clientLookup func(ctx context.Context, id string) (*client.Client, error)

func (find clientLookup) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	c, err := find(ctx, id)
	if c == nil && err == nil {
		err = fosite.ErrNotFound
	}
	return fositeClient{clientauth.Sender{Client: c}}, err
}

// ClientAssertionJWTValid and SetClientAssertionJWT are never called: Authenticate marks assertions.
func (clientLookup) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }
func (clientLookup) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

// noSecrets refuses to hash or compare: Authenticate checks secrets.
type noSecrets struct{}

func (noSecrets) Compare(context.Context, []byte, []byte) error { return fosite.ErrInvalidClient }
func (noSecrets) Hash(context.Context, []byte) ([]byte, error)  { return nil, fosite.ErrServerError }

// noKeys fetches no keys of clients, and has no method to do so: Authenticate and request objects use a guarded
// fetcher. The default of fosite keeps a cache with two goroutines that never end.
type noKeys struct{ fosite.JWKSFetcherStrategy }

// fositeClient is a client in the form that fosite needs. It also carries the result of Authenticate.
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

// ofFosite turns an error of fosite into an *oauth.Error without fosite's hints, which quote the request. Other
// errors stay as they are.
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

// fositeWords are the descriptions of the errors of fosite.
var fositeWords = map[string]string{
	oauth.InvalidRequest: "The request is missing a parameter, repeats one, or is otherwise malformed.",
	oauth.InvalidScope:   "The client is not registered for one of the requested scopes.",
	oauth.InvalidTarget:  "The client is not registered for one of the requested resources.",
}
