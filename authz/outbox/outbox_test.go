package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// party is a relying party that answers what it is told to, and remembers what it got.
type party struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	answer func(w http.ResponseWriter, call int)
}

func newParty(t *testing.T, answer func(w http.ResponseWriter, call int)) *party {
	p := &party{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s with %s", r.Method, r.Header.Get("Content-Type"))
		}
		p.mu.Lock()
		p.tokens = append(p.tokens, r.PostFormValue("logout_token"))
		call := len(p.tokens)
		p.mu.Unlock()
		p.answer(w, call)
	}))
	t.Cleanup(p.Close)
	return p
}

func status(codes ...int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, call int) { w.WriteHeader(codes[min(call, len(codes))-1]) }
}

func (p *party) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.tokens...)
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// fixture is a store, and an outbox whose clients' ids are their addresses.
type fixture struct {
	*Outbox
	t        *testing.T
	store    storage.Store
	registry *prometheus.Registry
}

func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return newReplica(t, store, change)
}

func newReplica(t *testing.T, store storage.Store, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, registry: prometheus.NewRegistry()}
	f.store = Watch(store, func() { f.Wake() })
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	observer := newObserver(t, logger, f.registry)
	c := Config{
		Store: store, Observer: observer, Logger: logger,
		Sealer:     newSecret(t).Sealer(keys.PurposeMail),
		FirstRetry: 20 * time.Millisecond,
	}
	c.Logouts = Logouts{
		Client: newClient(t, outbound.Config{AllowPrivateNetworks: loopback}),
		Host: func(_ context.Context, clientID string) (string, error) {
			u, err := url.Parse(clientID)
			if err != nil {
				return "", nil
			}
			return u.Host, nil
		},
		Address: func(_ context.Context, clientID string) (string, error) {
			if strings.HasPrefix(clientID, "http") {
				return clientID, nil
			}
			return "", nil
		},
		Sign: func(_ context.Context, l *storage.Logout, jti string) (string, error) {
			return l.Session + "." + jti, nil
		},
	}
	if change != nil {
		change(&c)
	}
	f.Outbox = New(c)
	return f
}

func newClient(t *testing.T, c outbound.Config) *outbound.Client {
	t.Helper()
	client, err := outbound.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// run runs the outbox until the test ends or stop is called.
func (f *fixture) run() (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
			f.t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) add(address string, sids ...string) {
	f.t.Helper()
	for _, sid := range sids {
		l := storage.Logout{ClientID: address, UserID: "alice", Session: sid, EndedAt: time.Now()}
		if err := f.store.Apply(f.t.Context(), f.Logout(l)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// left are the deliveries that are still to be made.
func (f *fixture) left() []storage.Entry[storage.Delivery] {
	f.t.Helper()
	entries, err := storage.Deliveries.Scan(f.t.Context(), f.store, "", "", 10_000)
	if err != nil {
		f.t.Fatal(err)
	}
	return slices.DeleteFunc(entries, func(e entry) bool { return strings.HasPrefix(e.Key, storage.FailedDeliveries) })
}

// failures are the deliveries that were given up.
func (f *fixture) failures() []storage.Entry[storage.Delivery] {
	f.t.Helper()
	entries, err := storage.Deliveries.Scan(f.t.Context(), f.store, storage.FailedDeliveries, "", 10_000)
	if err != nil {
		f.t.Fatal(err)
	}
	return entries
}

func newObserver(t *testing.T, logger *slog.Logger, registry *prometheus.Registry) *observe.Observer {
	t.Helper()
	observer, err := observe.New(observe.Config{Logger: logger, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	return observer
}

// newLog returns a logger, and an observer that logs to it.
func newLog(t *testing.T, w io.Writer) (*slog.Logger, *observe.Observer) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(w, nil))
	return logger, newObserver(t, logger, prometheus.NewRegistry())
}

func newSecret(t *testing.T) *keys.Secret {
	t.Helper()
	secret, err := keys.NewSecret(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// counted is the number of attempts with that outcome.
func (f *fixture) counted(metric, label string) float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == metric && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	f.t.Fatalf("no metric %s of %s", metric, label)
	return 0
}

func (f *fixture) until(what string, condition func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: it never happened", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (f *fixture) untilEmpty() {
	f.t.Helper()
	f.until("the outbox is empty", func() bool { return len(f.left()) == 0 })
}

// Section 2.8: which answers end a delivery, and which don't.
func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		codes   []int
		calls   int
		outcome string
		alarms  float64
	}{
		"200":                  {[]int{200}, 1, observe.Delivered, 0},
		"204":                  {[]int{204}, 1, observe.Delivered, 0},
		"202":                  {[]int{202}, 1, observe.Delivered, 0},
		"400":                  {[]int{400}, 1, observe.DeliveryRefused, 1},
		"500, then 200":        {[]int{500, 503, 200}, 3, observe.Delivered, 0},
		"a proxy's, then 200":  {[]int{502, 504, 404, 401, 429, 200}, 6, observe.Delivered, 0},
		"a redirect, then 200": {[]int{302, 307, 200}, 3, observe.Delivered, 0},
		"500, then 400":        {[]int{500, 400}, 2, observe.DeliveryRefused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			p := newParty(t, func(w http.ResponseWriter, call int) {
				w.Header().Set("Location", "http://"+t.Name()+".invalid/") // nobody follows it
				status(tt.codes...)(w, call)
			})
			f.add(p.URL+"/logout", "sid")
			f.run()
			f.untilEmpty()
			got := p.got()
			if len(got) != tt.calls || !strings.HasPrefix(got[0], "sid.") {
				t.Fatalf("called with %v, want %d calls", got, tt.calls)
			}
			for _, token := range got {
				if token != got[0] { // the jti of every attempt is the same
					t.Errorf("another token: %s, first %s", token, got[0])
				}
			}
			f.until("the outcome is counted", func() bool { return f.counted("authzd_logout_tokens_total", tt.outcome) == 1 })
			if n := f.counted("authzd_logout_tokens_total", observe.DeliveryFailed); n != float64(tt.calls-1) {
				t.Errorf("%v failures", n)
			}
			if n := f.counted("authzd_alarms_total", observe.LogoutUndelivered); n != tt.alarms {
				t.Errorf("%v alarms", n)
			}
		})
	}
}

// A failed delivery is tried again until it is too late, and then given up with an alarm.
func TestGivesUp(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.GiveUpAfter = 2 * time.Second })
	dead := httptest.NewServer(nil)
	dead.Close()
	f.add(dead.URL, "sid")
	f.run()
	f.until("there is a failure", func() bool { return f.counted("authzd_logout_tokens_total", observe.DeliveryFailed) > 0 })
	f.untilEmpty()
	f.until("it is given up", func() bool { return f.counted("authzd_logout_tokens_total", observe.DeliveryGivenUp) == 1 })
	if n := f.counted("authzd_alarms_total", observe.LogoutUndelivered); n != 1 {
		t.Errorf("%v alarms", n)
	}
}

// A client that names an address inside our own network is not called, and not tried again.
func TestBlockedAddresses(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Logouts.Client = newClient(t, outbound.Config{}) })
	p := newParty(t, status(200))
	addresses := []string{
		p.URL, strings.Replace(p.URL, "http:", "https:", 1), "https://169.254.169.254/latest/meta-data", "https://[::1]/",
		"https://10.0.0.1/", "http://example.com/", "https://user:password@example.com/", "https://127.1/",
	}
	for _, address := range addresses {
		f.add(address, "sid")
	}
	f.run()
	f.untilEmpty()
	f.until("all are blocked", func() bool {
		return f.counted("authzd_logout_tokens_total", observe.DeliveryBlocked) == float64(len(addresses))
	})
	if got := p.got(); len(got) != 0 {
		t.Errorf("called with %v", got)
	}
}

func TestClientsThatAreGone(t *testing.T) {
	f := newFixture(t, nil)
	f.add("gone", "sid-1", "sid-2")
	f.run()
	f.untilEmpty()
	f.until("both are dropped", func() bool { return f.counted("authzd_logout_tokens_total", observe.DeliveryUnwanted) == 2 })
}

// A key that is missing today may be there tomorrow.
func TestSigningFails(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	f := newFixture(t, func(c *Config) {
		c.Logouts.Sign = func(context.Context, *storage.Logout, string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls < 3 {
				return "", errors.New("no key")
			}
			return "token", nil
		}
	})
	p := newParty(t, status(200))
	f.add(p.URL, "sid")
	f.run()
	f.untilEmpty()
	if got := p.got(); len(got) != 1 || got[0] != "token" {
		t.Errorf("called with %v", got)
	}
}

// Many tokens wait for hosts that hang, fail, or are gone: another client gets its own at once.
func TestNoHostIsInTheWayOfAnother(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.FirstRetry = time.Minute
		c.Logouts.Client = newClient(t, outbound.Config{AllowPrivateNetworks: loopback, Timeout: time.Second})
	})
	hang := make(chan struct{})
	slow := newParty(t, func(http.ResponseWriter, int) { <-hang })
	defer close(hang)
	broken := newParty(t, status(500))
	dead := httptest.NewServer(nil)
	dead.Close()
	fast := newParty(t, status(200))
	var sids []string
	for i := range 201 { // more than a page of each
		sids = append(sids, fmt.Sprint("sid-", i))
	}
	for _, address := range []string{slow.URL, broken.URL, dead.URL} {
		f.add(address, sids...)
	}
	f.run()
	f.until("the hosts are called", func() bool { return len(slow.got()) > 0 && len(broken.got()) > 0 })
	began := time.Now()
	f.add(fast.URL, sids[:50]...)
	f.until("the fast one has got its tokens", func() bool { return len(fast.got()) == 50 })
	t.Logf("after %v", time.Since(began))
	if n := len(slow.got()); n > maxHostCalls {
		t.Errorf("%d calls to one host at a time", n)
	}
	if n := len(broken.got()); n > maxHostCalls+4 { // the first few, then one after each pause
		t.Errorf("%d calls to a host that fails", n)
	}
}

// A host that comes back gets all that has waited, each token once.
func TestHostComesBack(t *testing.T) {
	f := newFixture(t, nil)
	var mu sync.Mutex
	up := false
	p := newParty(t, func(w http.ResponseWriter, _ int) {
		mu.Lock()
		defer mu.Unlock()
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	var sids []string
	for i := range 200 {
		sids = append(sids, fmt.Sprint("sid-", i))
	}
	f.add(p.URL, sids...)
	f.run()
	f.until("it fails", func() bool { return len(p.got()) > 2 })
	mu.Lock()
	up = true
	mu.Unlock()
	f.untilEmpty()
	f.until("all are counted", func() bool { return f.counted("authzd_logout_tokens_total", observe.Delivered) == 200 })
}

// Of two replicas one makes each attempt.
func TestReplicas(t *testing.T) {
	a := newFixture(t, func(c *Config) { c.FirstRetry = time.Minute })
	b := newReplica(t, a.store, func(c *Config) { c.FirstRetry = time.Minute })
	p := newParty(t, status(200))
	var sids []string
	for i := range 200 {
		sids = append(sids, fmt.Sprint("sid-", i))
	}
	a.add(p.URL, sids...)
	a.run()
	b.run()
	a.untilEmpty()
	seen := map[string]bool{}
	for _, token := range p.got() {
		if seen[token] {
			t.Errorf("%s was delivered twice", token)
		}
		seen[token] = true
	}
	if len(seen) != len(sids) {
		t.Errorf("%d of %d were delivered", len(seen), len(sids))
	}
}

// A process that dies between the claim and the answer loses nothing: the next one finds the token
// when the time of its next attempt has come, with the attempt counted.
func TestDiesAfterTheClaim(t *testing.T) {
	f := newFixture(t, nil)
	p := newParty(t, status(200))
	f.add(p.URL, "sid")
	before := f.left()[0]
	if _, _, err := f.claim(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	after := f.left()
	if len(after) != 1 || after[0].Value.Attempts != 1 || after[0].Key <= before.Key || idOf(after[0].Key) != idOf(before.Key) {
		t.Fatalf("claimed: %+v", after)
	}
	if _, _, err := f.claim(t.Context(), before); !storage.IsConflict(err) {
		t.Errorf("a second claim: %v", err)
	}
	next := newReplica(t, f.store, nil)
	next.run()
	next.untilEmpty()
	if got := p.got(); len(got) != 1 || got[0] != "sid."+idOf(before.Key) {
		t.Errorf("called with %v", got)
	}
}

// Run waits for the calls under way: a token that is delivered while the server stops is not
// delivered again.
func TestStopsAfterTheCallsUnderWay(t *testing.T) {
	f := newFixture(t, nil)
	called, finish := make(chan struct{}), make(chan struct{})
	p := newParty(t, func(http.ResponseWriter, int) {
		close(called)
		<-finish
	})
	f.add(p.URL, "sid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	<-called
	cancel()
	select {
	case <-done:
		t.Error("Run has ended before the call")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	<-done
	if left := f.left(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// A failing store is survived.
func TestStoreFails(t *testing.T) {
	f := newFixture(t, nil)
	f.store.Close()
	stop := f.run()
	f.Wake()
	stop()
}

func TestBackOff(t *testing.T) {
	const first = 15 * time.Second
	for attempts := range 100 {
		want := min(first<<min(attempts, 10), time.Hour)
		for range 50 {
			if got := backOff(first, attempts); got < want || got > want*3/2 {
				t.Fatalf("after %d attempts: %v, want %v to %v", attempts, got, want, want*3/2)
			}
		}
	}
}

// Deliveries to a host that is down don't pile up: when it is too late, they are given up without a call for each.
func TestGivesUpWhatWaitsForADeadHost(t *testing.T) {
	const waiting = 300
	f := newFixture(t, func(c *Config) { c.FirstRetry, c.GiveUpAfter = time.Minute, 300*time.Millisecond })
	dead := httptest.NewServer(nil)
	dead.Close()
	p := newParty(t, status(200))
	var sids []string
	for i := range waiting {
		sids = append(sids, fmt.Sprint("sid-", i))
	}
	f.add(dead.URL, sids...)
	f.add(p.URL, sids[0])
	f.run()
	f.until("the other client is told", func() bool { return len(p.got()) == 1 })
	f.until("nothing waits but what was tried", func() bool {
		f.Wake()
		return len(f.left()) <= maxHostCalls
	})
	if n := f.counted("authzd_logout_tokens_total", observe.DeliveryGivenUp); n < waiting-maxHostCalls-4 {
		t.Errorf("%v were given up", n)
	}
}

// A record that can't be read is in nobody's way.
func TestSpoiltRecords(t *testing.T) {
	f := newFixture(t, nil)
	p := newParty(t, status(200))
	past := storage.DueKey(time.Now().Add(-time.Hour), "jti")
	for key, value := range map[string]string{"no time at all": `{}`, "2026-13-45T99:00:00.000Z/jti": `{}`, past: `[`, past + "2": `{"ended_at":1}`} {
		if err := f.store.Apply(t.Context(), storage.Write{Table: storage.Deliveries.Table, Key: key, Value: []byte(value), If: storage.Any}); err != nil {
			t.Fatal(err)
		}
	}
	f.add(p.URL, "sid")
	f.run()
	f.until("the client is told", func() bool { return len(p.got()) == 1 })
	f.until("the outbox is empty", func() bool {
		left, err := f.store.Scan(t.Context(), storage.Deliveries.Table, "", "", 10)
		return err == nil && len(left) == 0
	})
}

// fullStore takes no writes, and a millisecond to say so.
type fullStore struct {
	storage.Store
	tried atomic.Int64
}

func (s *fullStore) Apply(context.Context, ...storage.Write) error {
	s.tried.Add(1)
	time.Sleep(time.Millisecond)
	return storage.ErrUnavailable
}

// A store that takes no writes is not asked without a pause.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.add("https://app.example.com/logout", "sid")
		full := &fullStore{Store: f.store}
		stop := newReplica(t, full, func(c *Config) { c.FirstRetry = time.Minute }).run()
		time.Sleep(10 * time.Second)
		if n := full.tried.Load(); n < 1 || n > 5 {
			t.Errorf("%d attempts to write in 10 seconds", n)
		}
		stop()
	})
}
