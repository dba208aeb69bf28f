package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// told makes the writes of a session's end visible: one mark for each of its clients.
func told(_ context.Context, s *session.Session) ([]storage.Write, error) {
	var writes []storage.Write
	for _, id := range s.Clients {
		writes = append(writes, storage.Marks.Put(s.ID+"/"+id, &storage.Mark{}, storage.Absent, time.Time{}))
	}
	return writes, nil
}

// tellings returns the clients that have been told, of all sessions.
func tellings(t *testing.T, store storage.Store) []string {
	t.Helper()
	marks, err := storage.Marks.Scan(t.Context(), store, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	var clients []string
	for _, m := range marks {
		_, client, _ := strings.Cut(m.Key, "/")
		clients = append(clients, client)
	}
	slices.Sort(clients)
	return clients
}

// join lets a client get a code in the session, as the authorization endpoint does.
func join(ctx context.Context, store storage.Store, m *session.Sessions, sid, client string) error {
	for {
		s, err := m.LoadByID(ctx, sid)
		if err != nil {
			return err
		}
		if s == nil {
			return errors.New("the session has ended")
		}
		writes := append(m.JoinWrites(s, client, time.Now(), true),
			storage.Codes.Put(client, &storage.Code{}, storage.Any, time.Time{}))
		err = store.Apply(ctx, writes...)
		if !storage.IsConflict(err) {
			return err
		}
	}
}

func TestJoin(t *testing.T) {
	store := openStore(t)
	m, b := session.New(store, limits), newBrowser()
	s := signIn(t, m, b, alice, false)
	for range 2 {
		for _, client := range []string{"a", "b"} {
			if err := join(t.Context(), store, m, s.ID, client); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s = load(t, m, b); !slices.Equal(s.Clients, []string{"a", "b"}) {
		t.Errorf("clients %v", s.Clients)
	}
	if writes := m.JoinWrites(s, "a", time.Now(), true); len(writes) != 0 {
		t.Errorf("a client that has joined writes again: %v", writes)
	}
	again := signIn(t, m, b, alice, false) // the same user, the same session
	if !slices.Equal(again.Clients, s.Clients) {
		t.Errorf("after another login: %v", again.Clients)
	}
	for i := range 150 {
		if err := join(t.Context(), store, m, s.ID, fmt.Sprintf("many-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if s = load(t, m, b); len(s.Clients) != 100 || s.Clients[99] != "many-149" {
		t.Errorf("%d clients, the last %s", len(s.Clients), s.Clients[len(s.Clients)-1])
	}
}

// Clients join while the session ends: each of them is told, or got no code.
func TestJoinRacesWithEnd(t *testing.T) {
	for range 10 {
		store := openStore(t)
		config := limits
		config.Ended = told
		m := session.New(store, config)
		s := signIn(t, m, newBrowser(), alice, false)

		var racers sync.WaitGroup
		var mu sync.Mutex
		var joined []string
		start := make(chan struct{})
		for i := range 64 {
			racers.Go(func() {
				<-start
				if i == 32 {
					if _, err := m.End(t.Context(), s.ID); err != nil {
						t.Error(err)
					}
					return
				}
				client := fmt.Sprintf("client-%02d", i)
				if join(t.Context(), store, m, s.ID, client) == nil {
					mu.Lock()
					joined = append(joined, client)
					mu.Unlock()
				}
			})
		}
		close(start)
		racers.Wait()
		slices.Sort(joined)
		if got := tellings(t, store); !slices.Equal(got, joined) {
			t.Fatalf("%v have joined, %v were told", joined, got)
		}
	}
}

// Every way to end a session tells its clients in the same Apply, once.
func TestEveryEndTells(t *testing.T) {
	raised := *alice
	raised.Epoch++
	for name, end := range map[string]func(*session.Sessions, *browser, *session.Session){
		"logout": func(m *session.Sessions, _ *browser, s *session.Session) {
			for range 2 {
				if _, err := m.End(t.Context(), s.ID); err != nil {
					t.Error(err)
				}
			}
		},
		"a sixth user signs in": func(m *session.Sessions, b *browser, _ *session.Session) {
			for i := range session.MaxAccounts {
				signIn(t, m, b, &storage.User{ID: fmt.Sprint("user ", i)}, false)
			}
		},
		"a login after the epoch": func(m *session.Sessions, b *browser, _ *session.Session) { signIn(t, m, b, &raised, false) },
	} {
		store := openStore(t)
		config := limits
		config.Ended = told
		m, b := session.New(store, config), newBrowser()
		s := signIn(t, m, b, alice, false)
		if err := join(t.Context(), store, m, s.ID, "app"); err != nil {
			t.Fatal(err)
		}
		end(m, b, s)
		if got := tellings(t, store); !slices.Equal(got, []string{"app"}) {
			t.Errorf("%s: told %v", name, got)
		}
		if got, err := m.LoadByID(t.Context(), s.ID); got != nil || err != nil {
			t.Errorf("%s: the session lives: %v, %v", name, got, err)
		}
	}
}

func TestOfUser(t *testing.T) {
	store := openStore(t)
	m := session.New(store, limits)
	var sids []string
	for range 90 {
		sids = append(sids, signIn(t, m, newBrowser(), alice, false).ID)
	}
	signIn(t, m, newBrowser(), &storage.User{ID: "alice2"}, false)
	if _, err := m.End(t.Context(), sids[0]); err != nil {
		t.Fatal(err)
	}
	sessions, err := m.OfUser(t.Context(), alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sessions {
		got = append(got, s.ID)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(sids[1:]))
	if !slices.Equal(got, want) {
		t.Errorf("%d sessions, want %d", len(got), len(want))
	}
}

// A session that is idle for too long, or too old, ends by itself, and its clients are told: within
// ten seconds, once, and not before.
func TestRunEndsWhatIsOver(t *testing.T) {
	for name, tt := range map[string]struct {
		remember bool
		active   time.Duration // the user is, until then
		ends     time.Duration
	}{
		"idle":       {ends: 20 * time.Minute},
		"active":     {active: time.Hour, ends: 80 * time.Minute},
		"too old":    {active: 10 * time.Hour, ends: 8 * time.Hour},
		"remembered": {remember: true, ends: 3 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := openStore(t)
				config := limits
				config.Ended = told
				m, b := session.New(store, config), newBrowser()
				s := signIn(t, m, b, alice, tt.remember)
				if err := join(t.Context(), store, m, s.ID, "app"); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				replicas := sync.WaitGroup{}
				for range 2 {
					replicas.Go(func() {
						if err := m.Run(ctx, slog.New(slog.NewTextHandler(t.Output(), nil))); !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
					})
				}
				for time.Since(began) < min(tt.active, tt.ends-10*time.Minute) {
					time.Sleep(10 * time.Minute)
					if s := load(t, m, b); s != nil {
						if err := m.Touch(t.Context(), s); err != nil {
							t.Error(err)
						}
					}
				}
				time.Sleep(tt.ends - time.Since(began) - time.Second)
				if got := tellings(t, store); len(got) != 0 {
					t.Errorf("told before the end: %v", got)
				}
				time.Sleep(time.Second + 11*time.Second)
				if got := tellings(t, store); !slices.Equal(got, []string{"app"}) {
					t.Errorf("told %v", got)
				}
				cancel()
				replicas.Wait()
				for _, table := range []storage.Table{storage.Sessions.Table, storage.SessionEnds.Table} {
					if left, err := store.Scan(t.Context(), table, "", "", 10); err != nil || len(left) != 0 {
						t.Errorf("%d records are left in %s, %v", len(left), table, err)
					}
				}
			})
		})
	}
}

// A restart after the end changes nothing: the clients are told then.
func TestRunAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		config := limits
		config.Ended = told
		m := session.New(store, config)
		s := signIn(t, m, newBrowser(), alice, false)
		if err := join(t.Context(), store, m, s.ID, "app"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour) // nobody runs
		m = session.New(store, config)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { m.Run(ctx, slog.New(slog.DiscardHandler)) })
		time.Sleep(time.Second)
		if got := tellings(t, store); !slices.Equal(got, []string{"app"}) {
			t.Errorf("told %v", got)
		}
		cancel()
		running.Wait()
	})
}

// A user who was remembered signs in again without that: the session ends sooner now, and so its
// clients are told sooner.
func TestRunEndsWhatWasRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		config := limits
		config.Ended = told
		m, b := session.New(store, config), newBrowser()
		s := signIn(t, m, b, alice, true)
		if err := join(t.Context(), store, m, s.ID, "app"); err != nil {
			t.Fatal(err)
		}
		if again := signIn(t, m, b, alice, false); again.ID != s.ID {
			t.Fatal("another session")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { m.Run(ctx, slog.New(slog.DiscardHandler)) })
		time.Sleep(limits.Idle + 11*time.Second)
		if got := tellings(t, store); !slices.Equal(got, []string{"app"}) {
			t.Errorf("told %v", got)
		}
		time.Sleep(limits.RememberMe) // the first look was due then
		cancel()
		running.Wait()
		if left, err := store.Scan(t.Context(), storage.SessionEnds.Table, "", "", 10); err != nil || len(left) != 0 {
			t.Errorf("%d records are left, %v", len(left), err)
		}
	})
}
