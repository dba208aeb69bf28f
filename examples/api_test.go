package examples

import (
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

const origin = "https://app.example.com"

// apiTest is one request to an API.
type apiTest struct {
	name, method, path string
	headers            []string // pairs of name and value
	status             int
	challenge          string // of WWW-Authenticate, a part
}

func TestAPIs(t *testing.T) {
	server := authztest.Start(t, authz.Config{}, nil)
	tests := apiTests(t, server)
	env := []string{"ISSUER=" + server.URL, "AUDIENCE=" + authztest.API, "ORIGINS=" + origin}

	t.Run("go", func(t *testing.T) {
		run(t, start(t, ".", append(env, "LISTEN=127.0.0.1:0"), buildGo(t, "api-go")), append(tests, boundTests(t, server)...))
	})
	t.Run("node", func(t *testing.T) {
		run(t, start(t, "api-node", append(env, "PORT=0"), node(t, "api-node"), "main.mjs"), tests)
	})
}

// Both APIs refuse a token within two seconds after its end, and go on with the others.
func TestRevokedTokens(t *testing.T) {
	t.Parallel()
	server := authztest.Start(t, authz.Config{}, nil)
	env := []string{"ISSUER=" + server.URL, "AUDIENCE=" + authztest.API, "ORIGINS=" + origin, "LOST=refuse"}
	for name, start := range map[string]func(t *testing.T) string{
		"go": func(t *testing.T) string {
			return start(t, ".", append(env, "LISTEN=127.0.0.1:0"), buildGo(t, "api-go"))
		},
		"node": func(t *testing.T) string {
			return start(t, "api-node", append(env, "PORT=0"), node(t, "api-node"), "main.mjs")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := start(t)
			status := func(tokens authztest.Tokens) int {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/orders", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				return response.StatusCode
			}
			until := func(tokens authztest.Tokens, want int, within time.Duration) {
				t.Helper()
				for end := time.Now().Add(within); status(tokens) != want; {
					if time.Now().After(end) {
						t.Fatalf("not %d within %v", want, within)
					}
				}
			}
			one := server.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid offline_access orders.read"}})
			other := server.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid offline_access orders.read"}})
			until(one, http.StatusOK, 10*time.Second) // 503 before the first list
			server.PostForm(t, "/revoke", url.Values{"client_id": {authztest.SPA}, "token": {one.RefreshToken}}, nil)
			until(one, http.StatusUnauthorized, 2*time.Second)
			if got := status(other); got != http.StatusOK {
				t.Errorf("the other grant: %d", got)
			}
		})
	}
}

// The follower of api-node agrees with the vectors that the Go follower is tested by.
func TestVectorsInNode(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), node(t, "api-node"), "--test", "revocations.test.mjs")
	cmd.Dir = "api-node"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func apiTests(t *testing.T, server *authztest.Server) []apiTest {
	t.Helper()
	signIn := func(scope string) authztest.Tokens {
		return server.SignIn(t, authztest.SPA, "", url.Values{"scope": {scope}})
	}
	bound := boundToken(t, server, authztest.NewKey(t, jose.ES256))
	reader, writer := signIn("openid orders.read"), signIn("openid orders.write")
	worker := server.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	other := authztest.Start(t, authz.Config{}, nil).SignIn(t, authztest.SPA, "", nil)

	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	altered := reader.AccessToken[:len(reader.AccessToken)-9] + "AAAAAAAAA"
	unsigned := "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + strings.Split(reader.AccessToken, ".")[1] + "."
	return []apiTest{
		{"no token", "GET", "/orders", nil, 401, `Bearer realm="https://api.example.com"`},
		{"another scheme", "GET", "/orders", []string{"Authorization", "Basic YWxpY2U6ZGVtbw=="}, 401, "Bearer"},
		{"altered", "GET", "/orders", bearer(altered), 401, `error="invalid_token"`},
		{"unsigned", "GET", "/orders", bearer(unsigned), 401, `error="invalid_token"`},
		{"an ID token", "GET", "/orders", bearer(reader.IDToken), 401, `error="invalid_token"`},
		{"another issuer's", "GET", "/orders", bearer(other.AccessToken), 401, `error="invalid_token"`},
		{"bound to a key, and copied", "GET", "/orders", bearer(bound), 401, `error="invalid_token"`},
		{"other scope", "GET", "/orders", bearer(writer.AccessToken), 403, `scope="orders.read"`},
		{"no write scope", "POST", "/orders", bearer(reader.AccessToken), 403, `error="insufficient_scope"`},
		{"no role", "GET", "/admin", bearer(worker.AccessToken), 403, `error="insufficient_scope"`},
		{"a 401 that the app can read", "GET", "/orders", []string{"Origin", origin}, 401, "Bearer"},
		{"unknown route", "GET", "/nothing", bearer(reader.AccessToken), 404, ""},

		{"read", "GET", "/orders", bearer(reader.AccessToken), 200, ""},
		{"write", "POST", "/orders", bearer(writer.AccessToken), 201, ""},
		{"role", "GET", "/admin", bearer(reader.AccessToken), 200, ""},
		{"an app without a user", "GET", "/orders", bearer(worker.AccessToken), 200, ""},
		{"preflight", "OPTIONS", "/orders", []string{
			"Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization",
		}, 204, ""},
	}
}

// boundTests are for an API that checks proofs of possession (RFC 9449).
func boundTests(t *testing.T, server *authztest.Server) []apiTest {
	t.Helper()
	key, thief := authztest.NewKey(t, jose.ES256), authztest.NewKey(t, jose.ES256)
	token := boundToken(t, server, key)
	dpop := func(key *authztest.Key, path string) []string {
		return []string{"Authorization", "DPoP " + token, "DPoP", key.Proof(t, "GET", authztest.API+path, token, "")}
	}
	once := dpop(key, "/orders")
	return []apiTest{
		{"proof", "GET", "/orders", once, 200, ""},
		{"proof, again", "GET", "/orders", once, 401, `error="invalid_dpop_proof"`},
		{"proof for another route", "GET", "/orders", dpop(key, "/admin"), 401, `error="invalid_dpop_proof"`},
		{"proof by a thief", "GET", "/orders", dpop(thief, "/orders"), 401, `error="invalid_token"`},
		{"no proof", "GET", "/orders", []string{"Authorization", "DPoP " + token}, 401, `error="invalid_dpop_proof"`},
		{"preflight with a proof", "OPTIONS", "/orders", []string{
			"Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization,dpop",
		}, 204, ""},
	}
}

// boundToken is an access token of Alice's that is bound to a key.
func boundToken(t *testing.T, server *authztest.Server, key *authztest.Key) string {
	t.Helper()
	code, verifier := server.NewBrowser(t).Code(t, authztest.SPA, nil)
	form := authztest.CodeForm(code, verifier)
	form.Set("client_id", authztest.SPA)
	var tokens authztest.Tokens
	server.PostForm(t, "/token", form, http.Header{"Dpop": {key.Proof(t, "POST", server.URL+"/token", "", "")}}).JSON(t, &tokens)
	if tokens.TokenType != "DPoP" {
		t.Fatalf("%+v", tokens)
	}
	return tokens.AccessToken
}

func run(t *testing.T, api string, tests []apiTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request, err := http.NewRequest(tt.method, api+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tt.headers); i += 2 {
				request.Header.Set(tt.headers[i], tt.headers[i+1])
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			challenge := response.Header.Get("WWW-Authenticate")
			if response.StatusCode != tt.status || !strings.Contains(challenge, tt.challenge) || tt.challenge == "" && challenge != "" {
				t.Errorf("%s, challenge %q: %s; want %d with %q", response.Status, challenge, body, tt.status, tt.challenge)
			}
			if asked := request.Header.Get("Origin"); response.Header.Get("Access-Control-Allow-Origin") != asked {
				t.Errorf("allows origin %q, want %q", response.Header.Get("Access-Control-Allow-Origin"), asked)
			}
		})
	}
}
