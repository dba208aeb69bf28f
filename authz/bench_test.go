package authz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/observe"
)

// Benchmark calls the server's handler as net/http would, with the store on disk and commits durable.
// cmd/authzd-load measures the same over connections.
func Benchmark(b *testing.B) {
	b.Run("bare", func(b *testing.B) { work(b, 1, func(*caller) func() { return bare() }) })
	for _, alg := range []jose.SignatureAlgorithm{"ES256", "RS256"} {
		b.Run(string(alg), func(b *testing.B) {
			logger, err := observe.NewLogger(io.Discard, "info", "json")
			if err != nil {
				b.Fatal(err)
			}
			signing := authz.DefaultSigning
			signing.Alg = alg
			server := authztest.Start(b, authz.Config{Signing: signing, Logger: logger}, nil)
			cookies := signIn(b, server)
			for _, s := range []struct {
				name    string
				prepare func(*caller) func()
			}{
				{"jwks", func(c *caller) func() { return c.static(c.get("/jwks.json")) }},
				{"discovery", func(c *caller) func() { return c.static(c.get("/.well-known/openid-configuration")) }},
				{"userinfo", (*caller).userinfo},
				{"introspect", (*caller).introspect},
				{"client_credentials", (*caller).clientCredentials},
				{"client_credentials_dpop", (*caller).boundCredentials},
				{"refresh", (*caller).refresh},
				{"code", (*caller).code},
				{"par", (*caller).par},
			} {
				for _, workers := range []int{1, 16, 64} {
					b.Run(fmt.Sprintf("%s/workers=%d", s.name, workers), func(b *testing.B) {
						work(b, workers, func(c *caller) func() {
							c.b, c.server, c.cookies = b, server, cookies
							return s.prepare(c)
						})
					})
				}
			}
		})
	}
}

// work shares b.N operations among workers.
func work(b *testing.B, workers int, prepare func(*caller) func()) {
	operations := make([]func(), workers)
	for i := range operations {
		operations[i] = prepare(&caller{})
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, op := range operations {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				op()
			}
		})
	}
	wg.Wait()
}

// bare is what a handler costs that answers 200 bytes.
func bare() func() {
	body := bytes.Repeat([]byte("x"), 200)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
	return func() { handler.ServeHTTP(&answer{header: http.Header{}}, nil) }
}

// caller sends one request after the other, in the name of a user who is signed in.
type caller struct {
	b       *testing.B
	server  *authztest.Server
	cookies []*http.Cookie
}

// signIn returns the cookies of a browser in which Alice is signed in.
func signIn(b *testing.B, server *authztest.Server) []*http.Cookie {
	browser := server.NewBrowser(b)
	browser.Code(b, authztest.SPA, nil)
	issuer, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	return browser.HTTP.Jar.Cookies(issuer)
}

// answer is an http.ResponseWriter that costs little.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

func (c *caller) get(path string) *http.Request {
	request, err := http.NewRequest(http.MethodGet, c.server.URL+path, nil)
	if err != nil {
		c.b.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:1234"
	return request
}

// post returns a form. Its body is read but once.
func (c *caller) post(path string, form url.Values) *http.Request {
	request, err := http.NewRequest(http.MethodPost, c.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.b.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:1234"
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

// do demands a status.
func (c *caller) do(request *http.Request, status int) *answer {
	a := &answer{header: http.Header{}}
	c.server.ServeHTTP(a, request)
	if a.status != status {
		c.b.Errorf("%s: %d %s", request.URL.Path, a.status, a.body)
	}
	return a
}

// static sends the same request again and again.
func (c *caller) static(request *http.Request) func() {
	return func() {
		again := *request
		if request.GetBody != nil {
			again.Body, _ = request.GetBody()
		}
		c.do(&again, http.StatusOK)
	}
}

func (c *caller) userinfo() func() {
	request := c.get("/userinfo")
	request.Header.Set("Authorization", "Bearer "+c.exchange(authztest.SPA, "openid profile email").AccessToken)
	return c.static(request)
}

func (c *caller) introspect() func() {
	tokens := c.exchange(authztest.Web, "openid profile email")
	request := c.post("/introspect", url.Values{"token": {tokens.AccessToken}})
	request.SetBasicAuth(authztest.Web, url.QueryEscape(authztest.Secret))
	return c.static(request)
}

func (c *caller) clientCredentials() func() {
	request := c.post("/token", url.Values{"grant_type": {"client_credentials"}})
	request.SetBasicAuth(authztest.Worker, url.QueryEscape(authztest.Secret))
	return c.static(request)
}

// boundCredentials is clientCredentials with a new proof each time, which the client makes here too.
func (c *caller) boundCredentials() func() {
	key, form := authztest.NewKey(c.b, jose.ES256), url.Values{"grant_type": {"client_credentials"}}
	return func() {
		request := c.post("/token", form)
		request.SetBasicAuth(authztest.Worker, url.QueryEscape(authztest.Secret))
		request.Header.Set("DPoP", key.Proof(c.b, http.MethodPost, c.server.URL+"/token", "", ""))
		c.do(request, http.StatusOK)
	}
}

// refresh presents what the last refresh has brought, without openid and so without an ID token.
func (c *caller) refresh() func() {
	tokens := c.exchange(authztest.SPA, "offline_access orders.read")
	return func() { tokens = c.token(authztest.SPA, authztest.RefreshForm(tokens.RefreshToken)) }
}

// code is the whole flow with a live session: authorize and token.
func (c *caller) code() func() {
	return func() { c.exchange(authztest.SPA, "openid profile email") }
}

// par pushes the request of a confidential client.
func (c *caller) par() func() {
	form := authztest.Request(authztest.Web, nil)
	return func() {
		request := c.post("/par", form)
		request.SetBasicAuth(authztest.Web, url.QueryEscape(authztest.Secret))
		c.do(request, http.StatusCreated)
	}
}

func (c *caller) exchange(clientID, scope string) authztest.Tokens {
	verifier, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(clientID, challenge)
	params.Set("scope", scope)
	request := c.get("/authorize?" + params.Encode())
	for _, cookie := range c.cookies {
		request.AddCookie(cookie)
	}
	location, err := url.Parse(c.do(request, http.StatusSeeOther).header.Get("Location"))
	if err != nil {
		c.b.Error(err)
		return authztest.Tokens{}
	}
	return c.token(clientID, authztest.CodeForm(location.Query().Get("code"), verifier))
}

func (c *caller) token(clientID string, form url.Values) (tokens authztest.Tokens) {
	form.Set("client_id", clientID)
	request := c.post("/token", form)
	if clientID != authztest.SPA {
		request.SetBasicAuth(clientID, url.QueryEscape(authztest.Secret))
	}
	if err := json.Unmarshal(c.do(request, http.StatusOK).body, &tokens); err != nil {
		c.b.Error(err)
	}
	return tokens
}
