package blackbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// SignedRequest returns the claims of a request object: an authorization request for 5 minutes. change replaces
// claims, nil removes them.
func SignedRequest(app *authztest.App, change map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": app.ClientID, "aud": app.Server.URL, "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "response_mode": "jwt",
	}
	for name, values := range authztest.Request(app.ClientID, nil) {
		claims[name] = values[0]
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// RequestObjectType is the header of a request object (RFC 9101 section 10.8).
var RequestObjectType = map[string]any{"typ": "oauth-authz-req+jwt"}

// PushSigned pushes a request object.
func PushSigned(t *testing.T, app *authztest.App, object string) authztest.Response {
	t.Helper()
	return app.Server.PostForm(t, "/par", app.Authenticate(t, url.Values{"request": {object}}), nil)
}

// RequestURI returns the request_uri that a push was answered with.
func RequestURI(t *testing.T, response authztest.Response) string {
	t.Helper()
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	if response.JSON(t, &answer); response.Status != http.StatusCreated {
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	return answer.RequestURI
}

// StartFAPI runs a server with two applications that keep to a profile. change may change their metadata.
func StartFAPI(t *testing.T, profile string, c authz.Config, change func(m *client.Metadata)) (app, other *authztest.App) {
	t.Helper()
	key := authztest.NewKey(t, jose.PS256)
	key.ID = "other-1"
	s := authztest.Start(t, c, func(m *client.Metadata) {
		switch m.ID {
		case authztest.Web:
			m.Secret, m.AuthMethod, m.JWKS = "", client.AuthPrivateKeyJWT, authztest.JWKS(t, key)
			m.IDTokenAlg = "ES256"
		case authztest.FAPI:
		default:
			return
		}
		m.Profile = profile
		if change != nil {
			change(m)
		}
	})
	app = s.NewApp(t)
	return app, &authztest.App{Server: s, ClientID: authztest.Web, Key: key, DPoP: authztest.NewKey(t, jose.EdDSA)}
}

// WantTokenError wants an error of the token endpoint, with one of the codes.
func WantTokenError(t *testing.T, what string, tokens authztest.Tokens, codes ...string) {
	t.Helper()
	want := http.StatusBadRequest
	if tokens.Error == "invalid_client" {
		want = http.StatusUnauthorized
	}
	if tokens.Status != want || !slices.Contains(codes, tokens.Error) || tokens.AccessToken != "" {
		t.Errorf("%s: %d %s %s, want one of %v", what, tokens.Status, tokens.Error, tokens.Description, codes)
	}
}

// OpenPushed opens the authorization endpoint with a request_uri, as the app does, and does what the pages ask for.
// more is added to the query.
func OpenPushed(t *testing.T, app *authztest.App, b *authztest.Browser, requestURI string, more url.Values) authztest.Answer {
	t.Helper()
	query := url.Values{"client_id": {app.ClientID}, "request_uri": {requestURI}}
	maps.Copy(query, more)
	return b.Authorize(t, query)
}
