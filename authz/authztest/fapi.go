package authztest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/client"
)

// fapiKey is the key that the client FAPI authenticates with, in every server of the process.
var fapiKey = sync.OnceValues(func() (*Key, error) {
	private, err := newPrivateKey(jose.ES256)
	return &Key{ID: "fapi-1", Alg: jose.ES256, Private: private}, err
})

// FAPIKey is the key that the client FAPI authenticates with.
func FAPIKey(t testing.TB) *Key {
	t.Helper()
	key, err := fapiKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// fapiClient is confidential, by private_key_jwt, and bound to PAR and DPoP.
func fapiClient(t testing.TB, base client.Metadata) client.Metadata {
	t.Helper()
	base.ID, base.FirstParty, base.RotateRefreshTokens = FAPI, true, new(false)
	base.Profile = client.ProfileFAPI2
	base.AuthMethod, base.JWKS = client.AuthPrivateKeyJWT, JWKS(t, FAPIKey(t))
	base.IDTokenAlg = string(jose.ES256)
	return base
}

// App is an application that keeps to FAPI 2.0: it pushes its authorization requests, proves who it
// is by private_key_jwt and binds its tokens to a key.
type App struct {
	Server   *Server
	ClientID string
	Key      *Key // authenticates the client
	DPoP     *Key // binds its tokens
}

// NewApp is the application of the client FAPI, with a DPoP key of its own.
func (s *Server) NewApp(t testing.TB) *App {
	t.Helper()
	return &App{Server: s, ClientID: FAPI, Key: FAPIKey(t), DPoP: NewKey(t, jose.ES256)}
}

// Authenticate adds the client's proof of who it is to a form.
func (a *App) Authenticate(t testing.TB, form url.Values) url.Values {
	t.Helper()
	form = maps.Clone(form)
	form.Set("client_id", a.ClientID)
	form.Set("client_assertion_type", AssertionType)
	form.Set("client_assertion", a.Key.Assertion(t, a.ClientID, a.Server.URL))
	return form
}

// Token posts to the token endpoint, with a client assertion and a DPoP proof.
func (a *App) Token(t testing.TB, form url.Values) Tokens {
	t.Helper()
	var tokens Tokens
	response := a.Server.PostForm(t, "/token", a.Authenticate(t, form), http.Header{
		"Dpop": {a.DPoP.Proof(t, http.MethodPost, a.Server.URL+"/token", "", "")},
	})
	response.JSON(t, &tokens)
	tokens.Status, tokens.Header = response.Status, response.Header
	return tokens
}

// Push pushes an authorization request (RFC 9126) and returns its request_uri.
func (a *App) Push(t testing.TB, params url.Values) string {
	t.Helper()
	response := a.Server.PostForm(t, "/par", a.Authenticate(t, params), nil)
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	response.JSON(t, &pushed)
	if response.Status != http.StatusCreated || pushed.RequestURI == "" {
		t.Fatalf("pushed authorization request: %d %s", response.Status, response.Body)
	}
	return pushed.RequestURI
}

// Code pushes a request with PKCE and signs Alice in. extra replaces parameters of the request.
func (a *App) Code(t testing.TB, extra url.Values) (code, verifier string) {
	t.Helper()
	verifier, challenge := PKCE()
	params := AuthorizationParams(a.ClientID, challenge)
	maps.Copy(params, extra)
	answer := a.Server.NewBrowser(t).Authorize(t, url.Values{"client_id": {a.ClientID}, "request_uri": {a.Push(t, params)}})
	if code = answer.Params.Get("code"); code == "" {
		t.Fatalf("no code: %s", answer)
	}
	return code, verifier
}

// SignIn signs Alice in and returns the tokens.
func (a *App) SignIn(t testing.TB, extra url.Values) Tokens {
	t.Helper()
	code, verifier := a.Code(t, extra)
	tokens := a.Token(t, CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("code exchange: %d %s: %s", tokens.Status, tokens.Error, tokens.Description)
	}
	return tokens
}

// Response is an answer that is not a page.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (r Response) JSON(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), v); err != nil {
		t.Fatalf("answer %d is not JSON: %v: %.300s", r.Status, err, r.Body)
	}
}

// PostForm posts to a path below the issuer. header may be nil.
func (s *Server) PostForm(t testing.TB, path string, form url.Values, header http.Header) Response {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.Send(t, request)
}

// Send sends a request, follows no redirect, and reads the answer.
func (s *Server) Send(t testing.TB, request *http.Request) Response {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}
