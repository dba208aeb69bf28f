package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/bff/wire"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

// issuer plays the token endpoint.
type issuer struct {
	mu        sync.Mutex
	refreshes int
	clients   int   // requests for tokens of the client
	fail      error // of a refresh
}

func (p *issuer) refresh(_ context.Context, refreshToken, resource string) (*provider.Grant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshes++
	if p.fail != nil {
		return nil, p.fail
	}
	return p.grant(resource), nil
}

func (p *issuer) grant(resource string) *provider.Grant {
	return &provider.Grant{
		RefreshToken: "the refresh token", Resource: resource, AccessToken: fmt.Sprintf("user-token-%d", p.refreshes),
		ExpiresAt: time.Now().Add(time.Hour), IssuedAt: time.Now(),
	}
}

func (p *issuer) clientToken(_ context.Context, resource string) (string, time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients++
	return fmt.Sprintf("client-token-%d", p.clients), time.Hour, nil
}

func (p *issuer) failWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *issuer) asked() (refreshes, clients int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes, p.clients
}

// api is an API that keeps what it gets.
type api struct {
	*httptest.Server
	handle http.HandlerFunc // answers, if it is set

	mu   sync.Mutex
	seen []*http.Request
	body [][]byte
}

func newAPI(t testing.TB, handle http.HandlerFunc) *api {
	a := &api{handle: handle}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		if handle == nil {
			body, _ = io.ReadAll(r.Body)
		}
		a.mu.Lock()
		a.seen, a.body = append(a.seen, r), append(a.body, body)
		a.mu.Unlock()
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

func (a *api) last(t testing.TB) *http.Request {
	t.Helper()
	all := a.requests()
	if len(all) == 0 {
		t.Fatal("the API got no request")
	}
	return all[len(all)-1]
}

// site is a frontend with its browser.
type site struct {
	*relay.Relay
	url      string
	sessions *websession.Sessions
	session  *websession.Session
	cookie   *http.Cookie
	provider *issuer
	store    storage.Store
	client   *http.Client
	handler  atomic.Value // an http.Handler: what is in front of the relay
}

// newSite starts a frontend. Its routes lead below the API's URL, which they have as a prefix.
func newSite(t testing.TB, edit func(*relay.Config), routes ...relay.Route) *site {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return newSiteOn(t, store, nil, edit, routes...)
}

// newSiteOn is newSite with a store. A replica of another site has its URL's origin and its session.
func newSiteOn(t testing.TB, store storage.Store, of *site, edit func(*relay.Config), routes ...relay.Route) *site {
	t.Helper()
	secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{provider: &issuer{}, store: store}
	s.sessions = websession.New(websession.Config{
		Frontend: "orders", ClientID: "orders-bff", Insecure: true, Idle: 20 * time.Minute, Max: 12 * time.Hour,
		Store: store, Secret: secret, Refresh: s.provider.refresh, Revoke: func(context.Context, string) error { return nil },
	})
	server := httptest.NewUnstartedServer(nil)
	server.Listener = wire.Listener(server.Listener)
	s.url = "http://" + server.Listener.Addr().String()
	if of != nil {
		s.session, s.cookie = of.session, of.cookie
	}
	cfg := relay.Config{URL: s.url, Routes: routes, Sessions: s.sessions, Store: store, ClientToken: s.provider.clientToken, Login: "/bff/login"}
	if edit != nil {
		edit(&cfg)
	}
	if s.Relay, err = relay.New(cfg); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bff/ticket" {
			s.Ticket(w, r)
			return
		}
		s.handler.Load().(http.Handler).ServeHTTP(w, r)
	})
	s.handler.Store(http.Handler(http.HandlerFunc(s.ServeHTTP)))
	server.Start()
	s.client = server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithCancel(context.Background())
	running := make(chan struct{})
	go func() { defer close(running); s.sessions.Run(ctx) }()
	t.Cleanup(func() {
		s.Relay.Close()
		cancel()
		<-running
		server.CloseClientConnections()
		server.Close()
	})
	if of == nil {
		s.signIn(t)
	}
	return s
}

// signIn gives the browser a session.
func (s *site) signIn(t testing.TB) {
	t.Helper()
	w := httptest.NewRecorder()
	g := s.provider.grant("")
	g.User = &provider.User{Subject: "alice", SID: "sid", Roles: []string{"editor"}}
	var err error
	if s.session, err = s.sessions.Start(context.Background(), w, g); err != nil {
		t.Fatal(err)
	}
	s.cookie = w.Result().Cookies()[0]
}

// request is a request of the app's own page. A body makes it a POST.
func (s *site) request(t testing.TB, path string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(s.cookie)
	r.Header.Set("X-Authzd-BFF", "1")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// answered is what a page gets.
type answered struct {
	*http.Response
	body string
}

// fault returns the error code in a refusal.
func (a *answered) fault(t testing.TB) (code, location string) {
	t.Helper()
	var f struct{ Error, Location string }
	if err := json.Unmarshal([]byte(a.body), &f); err != nil {
		t.Fatalf("%d %q: %v", a.StatusCode, a.body, err)
	}
	return f.Error, f.Location
}

func (s *site) send(t testing.TB, r *http.Request) *answered {
	t.Helper()
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answered{resp, string(body)}
}

func (s *site) get(t testing.TB, path string, header ...string) *answered {
	t.Helper()
	return s.send(t, s.request(t, path, nil, header...))
}

// want sends a request that must be refused before it reaches an API.
func (s *site) wantRefusal(t testing.TB, a *api, r *http.Request, status int, code string) {
	t.Helper()
	before := len(a.requests())
	got := s.send(t, r)
	if fault, _ := got.fault(t); got.StatusCode != status || fault != code {
		t.Errorf("%s %s: %d %s, want %d %s", r.Method, r.URL, got.StatusCode, got.body, status, code)
	}
	if n := len(a.requests()) - before; n > 0 {
		t.Errorf("%s %s: the API got %d requests", r.Method, r.URL, n)
	}
	for name := range got.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s %s: the answer has %s", r.Method, r.URL, name)
		}
	}
}

// raw sends bytes over a connection of its own, and returns the status of the first answer, and all that came until
// the server closed it.
func (s *site) raw(t testing.TB, request string) (status int, all string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("the server did not close the connection: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	resp.Body.Close()
	return resp.StatusCode, string(text)
}

// head is the beginning of a raw request of the app's own page.
func (s *site) head(requestLine string) string {
	return requestLine + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.url, "http://") + "\r\nX-Authzd-BFF: 1\r\nCookie: " +
		s.cookie.Name + "=" + s.cookie.Value + "\r\n"
}

func decode(t testing.TB, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}
