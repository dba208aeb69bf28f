package tokenendpoint_test

import (
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage/bolt"
)

// The field: phones on a bad network, whose users and systems get in the way.
const (
	refreshes = 5 // of each phone
	every     = 15 * time.Minute
	lossRate  = 0.2 // of requests, and of answers
)

var (
	phones  = blackbox.Many(200, 1000)
	unlucky = phones / 20 // are suspended in mid-refresh, and as many are killed before they have stored the answer
)

// retries are the moments of the attempts of one refresh. After the last one the app waits for its next
// occasion.
var retries = []time.Duration{0, 1, 3, 7, 15, 31, 63} // seconds

// field is a server and its phones in one bubble of simulated time. Nothing of it uses the network.
type field struct {
	server    *authz.Server
	signedOut atomic.Int64
	asleep    atomic.Int64 // phones that were suspended in mid-refresh
	killed    atomic.Int64
	late      atomic.Int64 // retries, answered, that came after the 60 s of other clients
}

func newField(t *testing.T, grace *member.Duration) *field {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	secret, err := keys.NewSecret([]byte("the secret of a server in a field of phones"))
	if err != nil {
		t.Fatal(err)
	}
	app, err := client.New(client.Metadata{
		ID: "phone", AuthMethod: client.AuthNone, FirstParty: true, RedirectURIs: []string{authztest.RedirectURI},
		GrantTypes: []string{client.GrantAuthorizationCode, client.GrantRefreshToken},
		Scopes:     []string{"profile", "offline_access"}, RefreshGrace: grace,
	})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := client.NewRegistry(app)
	if err != nil {
		t.Fatal(err)
	}
	server, err := authz.New(t.Context(), authz.Config{
		Issuer: "https://id.example.com", Store: store, Secret: secret, Clients: registry,
		Users:     []users.User{{Username: authztest.Username, Password: authztest.Password}},
		Lifetimes: authz.DefaultLifetimes, Sessions: authz.DefaultSessions,
		Logger:  slog.New(slog.DiscardHandler),
		Signing: authz.Signing{Alg: "ES256", RotateEvery: 2160 * time.Hour, Announce: 24 * time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &field{server: server}
}

// RoundTrip serves a request without a network.
func (f *field) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "192.0.2.1:1234", r.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	f.server.ServeHTTP(w, r)
	return w.Result(), nil
}

// browser is signed in after its first authorization: the phones of one user share it.
func (f *field) browser(t *testing.T) *authztest.Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &authztest.Browser{
		Server: &authztest.Server{Server: f.server, URL: "https://id.example.com"}, Username: authztest.Username, Password: authztest.Password,
		HTTP: &http.Client{Jar: jar, Transport: f, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func (f *field) token(form url.Values) (tokens authztest.Tokens) {
	form.Set("client_id", "phone")
	r := httptest.NewRequest(http.MethodPost, "https://id.example.com/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, r)
	json.Unmarshal(w.Body.Bytes(), &tokens) // no JSON has no tokens
	tokens.Status = w.Code
	return tokens
}

// phone is one of them. Its dice are its own, so that every run of the test is the same.
type phone struct {
	*field
	dice   *rand.Rand
	stored string    // the refresh token in its key store
	sent   time.Time // when a server first saw that one; zero: not yet
}

// send makes one attempt, and reports whether an answer came back. It does not store the answer.
func (p *phone) send() (tokens authztest.Tokens, answered bool) {
	if p.dice.Float64() < lossRate { // of requests
		return tokens, false
	}
	if p.sent.IsZero() {
		p.sent = time.Now()
	}
	tokens = p.token(authztest.RefreshForm(p.stored))
	if tokens.Status == http.StatusOK && time.Since(p.sent) >= time.Minute {
		p.late.Add(1)
	}
	return tokens, p.dice.Float64() >= lossRate // of answers
}

// refresh tries until an answer comes back, and stores it.
func (p *phone) refresh() {
	begun := time.Now()
	for _, after := range retries {
		time.Sleep(time.Until(begun.Add(after * time.Second)))
		if tokens, answered := p.send(); answered {
			p.store(tokens)
			return
		}
	}
}

func (p *phone) store(tokens authztest.Tokens) {
	p.sent, p.stored = time.Time{}, tokens.RefreshToken
	if tokens.Status != http.StatusOK { // the app forgets what the server refuses
		p.signedOut.Add(1)
	}
}

// live is the day of a phone. bad is the refresh in which something happens to it, if anything does.
func (p *phone) live(suspended, killed bool) {
	bad := p.dice.IntN(refreshes)
	for i := range refreshes {
		if p.stored == "" {
			return
		}
		switch {
		case i == bad && suspended: // the request is out, the system stops the app, and the answer goes nowhere
			p.send()
			p.asleep.Add(1)
			time.Sleep(time.Duration(1+p.dice.IntN(23)) * time.Hour)
		case i == bad && killed: // the answer has come, and the app ends before it has stored it
			p.send()
			p.killed.Add(1)
			time.Sleep(time.Duration(p.dice.IntN(12)) * every)
		}
		p.refresh()
		time.Sleep(time.Until(time.Now().Truncate(every).Add(every)))
	}
}

// run lets all phones live.
func (f *field) run(t *testing.T) {
	b := f.browser(t)
	var all sync.WaitGroup
	for n := range phones {
		code, verifier := b.Code(t, "phone", url.Values{"scope": {"offline_access"}})
		tokens := f.token(authztest.CodeForm(code, verifier))
		if tokens.RefreshToken == "" {
			t.Fatalf("phone %d gets no refresh token: %+v", n, tokens)
		}
		p := &phone{field: f, dice: rand.New(rand.NewPCG(1, uint64(n))), stored: tokens.RefreshToken}
		all.Go(func() { p.live(n < unlucky, unlucky <= n && n < 2*unlucky) })
	}
	all.Wait()
	t.Logf("%d phones were suspended, %d killed; %d retries came after a minute; %d phones were signed out",
		f.asleep.Load(), f.killed.Load(), f.late.Load(), f.signedOut.Load())
}

// TestPhonesStaySignedIn: with the grace of native apps nobody in the field is signed out.
func TestPhonesStaySignedIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		day := member.Duration(24 * time.Hour)
		f := newField(t, &day)
		f.run(t)
		if out := f.signedOut.Load(); out != 0 {
			t.Errorf("%d of %d phones were signed out", out, phones)
		}
		if f.asleep.Load() != int64(unlucky) || f.killed.Load() != int64(unlucky) || f.late.Load() < int64(unlucky) {
			t.Error("the field is too kind to show anything")
		}
	})
}

// TestPhonesWithAShortGrace is the control: in the same field the grace of other clients signs phones out.
func TestPhonesWithAShortGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newField(t, nil)
		f.run(t)
		if f.signedOut.Load() < int64(unlucky)/2 {
			t.Error("hardly a phone was signed out: the field is too kind to show anything")
		}
	})
}
