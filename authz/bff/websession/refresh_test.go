package websession_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("AUTHZD_TEST_HOLDER"); url != "" {
		holdForEver(url, os.Getenv("AUTHZD_TEST_SESSION"))
	}
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

// engines are two replicas' ways to one store.
var engines = map[string]func(t testing.TB) [2]storage.Store{
	"bolt": func(t testing.TB) [2]storage.Store {
		store := testStore(t)
		return [2]storage.Store{store, store}
	},
	"postgres": func(t testing.TB) [2]storage.Store {
		url := pgtest.Database(t)
		return [2]storage.Store{openPostgres(t, url), openPostgres(t, url)}
	},
}

func openPostgres(t testing.TB, url string) storage.Store {
	t.Helper()
	store, err := postgres.Open(context.Background(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// replicas are two Sessions with one token endpoint.
func replicas(t testing.TB, p *tokenEndpoint, stores [2]storage.Store) [2]*websession.Sessions {
	return [2]*websession.Sessions{websession.New(testConfig(t, p, stores[0])), websession.New(testConfig(t, p, stores[1]))}
}

// TestOneRefresh: however many calls need a token at once, at any number of replicas, the token endpoint is asked once,
// and nobody is signed out. Two audiences share the refresh token: one of them is due in each round.
func TestOneRefresh(t *testing.T) {
	for engine, open := range engines {
		for _, rotate := range []bool{true, false} {
			for name, test := range map[string]struct {
				rounds int
				takes  func() time.Duration
			}{
				"quick": {many(6, 1000), func() time.Duration { return 5*time.Millisecond + mathrand.N(45*time.Millisecond) }},
				"slow":  {many(1, 3), func() time.Duration { return time.Duration(many(1, 10)) * time.Second }},
			} {
				t.Run(fmt.Sprintf("%s, rotation %t, %s", engine, rotate, name), func(t *testing.T) {
					t.Parallel()
					p := &tokenEndpoint{rotate: rotate}
					oneRefresh(t, p, replicas(t, p, open(t)), test.rounds, func() { p.takes = test.takes() })
				})
			}
		}
	}
}

func oneRefresh(t *testing.T, p *tokenEndpoint, s [2]*websession.Sessions, rounds int, prepare func()) {
	const calls = 150
	session, r := start(t, s[0], p.signIn("alice"))
	audiences := [2]string{"first", "second"}
	var tokens [2]string
	for i, audience := range audiences {
		token, err := s[i].AccessToken(t.Context(), session, audience, "")
		if err != nil {
			t.Fatal(err)
		}
		tokens[i] = token
	}
	for round := range rounds {
		prepare()
		p.requests.Store(int64(round * 1000))
		due := round % 2
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() {
				replica, audience := s[i%2], i/2%2
				session, err := replica.Find(r)
				if err != nil {
					t.Errorf("round %d: find: %v", round, err)
					return
				}
				refused := ""
				if audience == due {
					refused = tokens[due]
				}
				token, err := replica.AccessToken(t.Context(), session, audiences[audience], refused)
				if err != nil || token == refused || audience != due && token != tokens[audience] {
					t.Errorf("round %d, %s: %q, %v", round, audiences[audience], token, err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[token]++
			})
		}
		all.Wait()
		if n := p.requests.Load() - int64(round*1000); n != 1 || len(got) != 2 {
			t.Fatalf("round %d: %d requests, %d tokens", round, n, len(got))
		}
		for token := range got {
			if token != tokens[1-due] {
				tokens[due] = token
			}
		}
	}
	if p.most.Load() != 1 {
		t.Errorf("%d requests at once", p.most.Load())
	}
	if len(p.revoked) > 0 {
		t.Errorf("revoked: %q", p.revoked)
	}
}

// TestEachAudienceIsAskedFor: if both are due at once, there are two requests, one after the other.
func TestEachAudienceIsAskedFor(t *testing.T) {
	p := &tokenEndpoint{rotate: true, takes: 20 * time.Millisecond}
	s := replicas(t, p, engines["bolt"](t))
	session, _ := start(t, s[0], p.signIn("alice"))
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			audience := []string{"second", "third"}[i%2]
			if token, err := s[i/2%2].AccessToken(t.Context(), session, audience, ""); err != nil {
				t.Errorf("%s: %q, %v", audience, token, err)
			}
		})
	}
	all.Wait()
	if n := p.requests.Load(); n != 2 || p.most.Load() != 1 {
		t.Errorf("%d requests, %d at once", n, p.most.Load())
	}
}

// TestTokenIsDue: a token is renewed shortly before its end.
func TestTokenIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for _, test := range []struct{ lifetime, due time.Duration }{{15 * time.Minute, 15*time.Minute - 10*time.Second}, {20 * time.Second, 18 * time.Second}} {
			p := &tokenEndpoint{lifetime: test.lifetime}
			s := websession.New(testConfig(t, p, store))
			session, _ := start(t, s, p.signIn("alice"))
			for at, want := range map[time.Duration]int64{0: 0, test.due - time.Millisecond: 0} {
				time.Sleep(at)
				if _, err := s.AccessToken(t.Context(), session, "first", ""); err != nil || p.requests.Load() != want {
					t.Errorf("%s: %d requests, %v", at, p.requests.Load(), err)
				}
			}
			time.Sleep(time.Millisecond)
			if token, err := s.AccessToken(t.Context(), session, "first", ""); err != nil || p.requests.Load() != 1 || token != "access token 1 for first" {
				t.Errorf("due: %q, %d requests, %v", token, p.requests.Load(), err)
			}
		}
	})
}

// TestRefreshFails: only a dead refresh token ends the session. After trouble at the provider, it is left alone for a
// moment.
func TestRefreshFails(t *testing.T) {
	refusal := func(status int, code string) error { return &provider.Refusal{Status: status, Code: code} }
	for name, test := range map[string]struct {
		fail  error
		ended bool
	}{
		"invalid_grant":       {refusal(400, "invalid_grant"), true},
		"503":                 {refusal(503, ""), false},
		"500 invalid_grant":   {refusal(500, "invalid_grant"), false},
		"429":                 {refusal(429, ""), false},
		"no connection":       {errors.New("no connection"), false},
		"invalid_client":      {refusal(401, "invalid_client"), false},
		"unauthorized_client": {refusal(400, "unauthorized_client"), false},
		"404":                 {refusal(404, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &tokenEndpoint{fail: test.fail}
			s := websession.New(testConfig(t, p, testStore(t)))
			session, r := start(t, s, p.signIn("alice"))
			ended, stop := s.Ended(session)
			defer stop()
			for range 20 {
				_, err := s.AccessToken(t.Context(), session, "second", "")
				away := new(websession.UnavailableError)
				if test.ended != errors.Is(err, websession.ErrEnded) || test.ended == errors.As(err, &away) {
					t.Fatalf("%v", err)
				}
				if !test.ended && away.RetryAfter <= 0 {
					t.Error("no Retry-After")
				}
			}
			if n := p.requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
			_, err := s.Find(r)
			if test.ended != errors.Is(err, websession.ErrNone) || !test.ended && err != nil {
				t.Errorf("find: %v", err)
			}
			select {
			case <-ended:
				if !test.ended {
					t.Error("the session is said to have ended")
				}
			default:
				if test.ended {
					t.Error("the session is not said to have ended")
				}
			}
		})
	}
}

// TestUselessRefresh: a provider whose new tokens count as little as the old ones is asked once a second, not at each
// request.
func TestUselessRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p := &tokenEndpoint{rotate: true}
		cfg := testConfig(t, p, store)
		cfg.Judge = func(*websession.Session) (websession.Verdict, error) { return websession.Outdated, nil }
		s := websession.New(cfg)
		_, r := start(t, s, p.signIn("alice"))
		for round := range int64(3) {
			for range 20 {
				if _, err := s.Find(r); !errors.As(err, new(*websession.UnavailableError)) {
					t.Errorf("%v", err)
				}
			}
			if n := p.requests.Load(); n != round+1 {
				t.Errorf("%d requests in round %d", n, round)
			}
			time.Sleep(1100 * time.Millisecond) // of the bubble's clock
		}
	})
}

// TestNoRefreshToken: with the last token, the session ends; until then it lives.
func TestNoRefreshToken(t *testing.T) {
	p := &tokenEndpoint{}
	s := websession.New(testConfig(t, p, testStore(t)))
	g := p.signIn("alice")
	g.RefreshToken = ""
	session, r := start(t, s, g)
	if _, err := s.AccessToken(t.Context(), session, "first", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AccessToken(t.Context(), session, "second", ""); !errors.Is(err, websession.ErrEnded) {
		t.Errorf("%v", err)
	}
	wantNone(t, s, r, "without a token")
}

// TestEndDuringRefresh: a session that ends while its tokens are refreshed stays ended, and the new token is revoked.
func TestEndDuringRefresh(t *testing.T) {
	p := &tokenEndpoint{rotate: true, takes: 100 * time.Millisecond}
	s := replicas(t, p, engines["bolt"](t))
	session, r := start(t, s[0], p.signIn("alice"))
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s[0].AccessToken(t.Context(), session, "second", ""); !errors.Is(err, websession.ErrEnded) {
			t.Errorf("%v", err)
		}
	})
	for p.at.Load() == 0 {
		time.Sleep(time.Millisecond) // a condition of another goroutine
	}
	if err := s[1].End(t.Context(), session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	wantNone(t, s[0], r, "after the refresh")
	if len(p.revoked) != 2 || p.revoked[0] == p.revoked[1] {
		t.Errorf("revoked: %q", p.revoked)
	}
}

// TestActivityDuringRefresh: neither loses what the other writes.
func TestActivityDuringRefresh(t *testing.T) {
	p := &tokenEndpoint{rotate: true, takes: 20 * time.Millisecond}
	store := testStore(t)
	cfg := testConfig(t, p, store)
	cfg.Idle = 20 * time.Millisecond * 20 // activity counts each time
	s := websession.New(cfg)
	session, _ := start(t, s, p.signIn("alice"))
	refused := ""
	for range many(10, 200) {
		var all sync.WaitGroup
		all.Go(func() {
			token, err := s.AccessToken(t.Context(), session, "second", refused)
			if err != nil {
				t.Errorf("refresh: %v", err)
			}
			refused = token
		})
		all.Go(func() {
			if _, _, err := s.Touch(t.Context(), session); err != nil {
				t.Errorf("activity: %v", err)
			}
		})
		all.Wait()
	}
}

// TestDeadHolder: a lease that nobody renews counts for 15 seconds.
func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		p := &tokenEndpoint{}
		s := websession.New(testConfig(t, p, store))
		session, _ := start(t, s, p.signIn("alice"))
		err = store.Apply(t.Context(), storage.Leases.Put("bff_refresh/"+session.ID, &storage.Lease{Holder: "dead"}, storage.Absent, time.Time{}))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := s.AccessToken(t.Context(), session, "second", ""); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 15*time.Second || took > 16*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestSlowHolder: a lease is renewed while a slow request runs, so that nobody else asks; and a holder that was cut off
// from the store stores nothing once another has taken over.
func TestSlowHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer inner.Close()
		p := &tokenEndpoint{takes: 14 * time.Second}
		cut := &cutOff{Store: inner}
		s := replicas(t, p, [2]storage.Store{cut, inner})
		session, _ := start(t, s[0], p.signIn("alice"))
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				if _, err := s[i].AccessToken(t.Context(), session, "second", ""); err != nil {
					t.Errorf("replica %d: %v", i, err)
				}
			})
			time.Sleep(time.Second)
		}
		all.Wait()
		if n := p.requests.Load(); n != 1 {
			t.Errorf("%d requests", n)
		}
		// The holder's store is away while its request runs: it stops by itself before others take over.
		all.Go(func() {
			if token, err := s[0].AccessToken(t.Context(), session, "third", ""); !errors.As(err, new(*websession.UnavailableError)) {
				t.Errorf("cut off: %q, %v", token, err)
			}
		})
		time.Sleep(time.Second)
		cut.set(true)
		all.Go(func() {
			if _, err := s[1].AccessToken(t.Context(), session, "third", ""); err != nil {
				t.Errorf("the other: %v", err)
			}
		})
		time.Sleep(20 * time.Second)
		cut.set(false)
		all.Wait()
		if p.most.Load() != 1 {
			t.Errorf("%d requests at once", p.most.Load())
		}
	})
}

// TestAnswerDuringRenewal: the answer comes while the lease is being renewed. The store has done so, and says it too
// late: the new tokens are kept all the same.
func TestAnswerDuringRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer inner.Close()
		p := &tokenEndpoint{rotate: true, takes: 4*time.Second + 10*time.Millisecond}
		s := websession.New(testConfig(t, p, &lateStore{Store: inner}))
		session, r := start(t, s, p.signIn("alice"))
		for _, resource := range []string{"second", "third"} {
			if _, err := s.AccessToken(t.Context(), session, resource, ""); err != nil {
				t.Errorf("%s: %v", resource, err)
			}
		}
		if _, err := s.Find(r); err != nil {
			t.Error(err)
		}
	})
}

// lateStore answers to a write of a lease alone after 20 milliseconds, or when its caller has gone.
type lateStore struct{ storage.Store }

func (s *lateStore) Apply(ctx context.Context, writes ...storage.Write) error {
	err := s.Store.Apply(ctx, writes...)
	if err != nil || len(writes) > 1 || writes[0].Table != storage.Leases.Table {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// cutOff is a store that can be away.
type cutOff struct {
	storage.Store
	mu   sync.Mutex
	away bool
}

func (c *cutOff) set(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
}

func (c *cutOff) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return storage.ErrUnavailable
	}
	return nil
}

func (c *cutOff) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if err := c.err(); err != nil {
		return storage.Record{}, err
	}
	return c.Store.Get(ctx, table, key)
}

func (c *cutOff) Apply(ctx context.Context, writes ...storage.Write) error {
	if err := c.err(); err != nil {
		return err
	}
	return c.Store.Apply(ctx, writes...)
}

// TestKilledHolder: a replica is killed while its request is under way. Another one has a token within 16 seconds.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	p := &tokenEndpoint{rotate: true}
	s := websession.New(testConfig(t, p, openPostgres(t, url)))
	session, r := start(t, s, p.signIn("alice"))
	holder := exec.Command(os.Args[0], "-test.run=^$")
	holder.Env = append(os.Environ(), "AUTHZD_TEST_HOLDER="+url, "AUTHZD_TEST_SESSION="+r.Cookies()[0].Value)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer holder.Wait()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "asking\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.AccessToken(t.Context(), session, "second", ""); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	} else {
		t.Logf("it took %s", took)
	}
}

// holdForEver is the process that TestKilledHolder kills.
func holdForEver(url, cookie string) {
	store, err := postgres.Open(context.Background(), url, postgres.Options{})
	if err != nil {
		panic(err)
	}
	cfg := testConfig(&testing.B{}, &tokenEndpoint{}, store)
	cfg.Refresh = func(ctx context.Context, _, _ string) (*provider.Grant, error) {
		fmt.Println("asking")
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := websession.New(cfg)
	session, err := s.Find(with(&http.Cookie{Name: s.CookieName(), Value: cookie}))
	if err != nil {
		panic(err)
	}
	_, err = s.AccessToken(context.Background(), session, "second", "")
	panic(fmt.Sprint("not killed: ", err))
}
