package connect_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/connect"
	"github.com/hashicorp/cap/oidc"
)

const (
	clientID     = "authzd-client"
	clientSecret = "s3cret of the client"
	redirectURI  = "https://id.example.com/callback/up"

	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/.well-known/jwks.json"
	tokenPath     = "/token"
	userinfoPath  = "/userinfo"
)

// upstream is a provider that we did not write, with one user, and a transport to it that can be
// led astray.
type upstream struct {
	*oidc.TestProvider
	*road
	client *http.Client
}

// startUpstream serves the provider over https under its own CA.
func startUpstream(t *testing.T) *upstream {
	t.Helper()
	u := wrap(oidc.StartTestProvider(t))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(u.CACert())) {
		t.Fatal("the provider has no certificate")
	}
	u.road.next = connect.NewHTTPClient(roots).Transport
	return u
}

// newUpstream calls the provider without a network, on which synctest's clock would wait.
func newUpstream(t *testing.T) *upstream {
	t.Helper()
	p := oidc.StartTestProvider(t)
	p.Stop() // its server; the provider itself is a handler
	return wrap(p)
}

func wrap(p *oidc.TestProvider) *upstream {
	p.SetClientCreds(clientID, clientSecret)
	p.SetAllowedRedirectURIs([]string{redirectURI})
	r := &road{next: direct{p}, detours: map[string]http.RoundTripper{}, seen: map[string]int{}}
	u := &upstream{TestProvider: p, road: r, client: &http.Client{Transport: r}}
	u.setUser(nil, nil)
	return u
}

// setUser makes alice the only user. Nil values of change remove a claim.
func (u *upstream) setUser(change, userinfo map[string]any) {
	claims := map[string]any{
		"name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell",
		"email": "alice@example.com", "email_verified": true,
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	u.SetCustomClaims(map[string]any{})
	u.SetSubjectInfo(map[string]*oidc.TestSubject{
		"alice": {Password: "rabbit", CustomClaims: claims, UserInfo: userinfo},
	})
}

func (u *upstream) config() connect.Config {
	return connect.Config{
		ID: "up", Type: connect.TypeOIDC, Name: "Upstream", Issuer: u.Addr(),
		ClientID: clientID, ClientSecret: clientSecret, RedirectURI: redirectURI, HTTPClient: u.client,
	}
}

func (u *upstream) googleConfig(hostedDomains ...string) connect.Config {
	cfg := u.config()
	cfg.Type, cfg.HostedDomains = connect.TypeGoogle, hostedDomains
	return cfg
}

func newConnector(t *testing.T, cfg connect.Config) connect.Connector {
	t.Helper()
	c, err := connect.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func begin(t *testing.T, c connect.Connector) (string, connect.Attempt) {
	t.Helper()
	authURL, a, err := c.Begin(t.Context(), connect.BeginParams{})
	if err != nil {
		t.Fatal(err)
	}
	return authURL, a
}

// login begins at c and signs alice in at the provider.
func (u *upstream) login(t *testing.T, c connect.Connector) (url.Values, connect.Attempt) {
	t.Helper()
	authURL, a := begin(t, c)
	return u.signIn(t, authURL, a, "rabbit"), a
}

var hidden = regexp.MustCompile(`name="(\w+)" type="hidden" value="([^"]*)"`)

// signIn is the browser: it fills in the provider's login form and returns the parameters with
// which it is sent back.
func (u *upstream) signIn(t *testing.T, authURL string, a connect.Attempt, password string) url.Values {
	t.Helper()
	u.expectVerifier(t, a.Verifier)
	browser := &http.Client{Transport: u.next, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	page, err := browser.Get(authURL)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	html, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"uname": {"alice"}, "psw": {password}}
	for _, input := range hidden.FindAllStringSubmatch(string(html), -1) {
		form.Set(input[1], input[2])
	}
	back, err := browser.PostForm(u.Addr()+"/login", form)
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	location, err := back.Location()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.SplitN(location.String(), "?", 2)[0]; got != redirectURI {
		t.Fatalf("sent back to %s", got)
	}
	return location.Query()
}

func (u *upstream) expectVerifier(t *testing.T, verifier string) {
	t.Helper()
	v, err := oidc.NewCodeVerifier(oidc.WithVerifier(verifier))
	if err != nil {
		t.Fatal(err)
	}
	u.SetPKCEVerifier(v)
}

func wantCode(t *testing.T, err error, code string) *connect.Error {
	t.Helper()
	var failure *connect.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error is %v, not a *connect.Error", err)
	}
	if failure.Code != code {
		t.Fatalf("code is %s, want %s: %v", failure.Code, code, err)
	}
	return failure
}

// road is the transport between connector and provider. It counts requests by path.
type road struct {
	next http.RoundTripper

	mu      sync.Mutex
	detours map[string]http.RoundTripper // by path
	seen    map[string]int
}

func (r *road) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.seen[req.URL.Path]++
	detour, next := r.detours[req.URL.Path], r.next
	r.mu.Unlock()
	if detour != nil {
		return detour.RoundTrip(req)
	}
	return next.RoundTrip(req)
}

// detour sends the requests for path elsewhere; nil takes them back to the provider.
func (r *road) detour(path string, to http.RoundTripper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detours[path] = to
}

func (r *road) count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[path]
}

// direct answers in the caller's goroutine.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// instead answers over real HTTP in the place of the provider.
func instead(t *testing.T, handler http.HandlerFunc) http.RoundTripper {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return trip(func(req *http.Request) (*http.Response, error) {
		host := strings.TrimPrefix(server.URL, "http://")
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host = "http", host
		return server.Client().Transport.RoundTrip(req)
	})
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// silence never answers.
var silence = trip(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
})

// down is an upstream that is not there.
var down = trip(func(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
})
