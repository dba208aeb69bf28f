package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
	"github.com/authzd/authzd/storage/storagetest"
)

// TestPooler opens a database through PgBouncer as Debian has it: what it can't work with is refused at the
// start, with a hint, and not by the first request.
func TestPooler(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	const tolerant = "ignore_startup_parameters = extra_float_digits, enable_seqscan, statement_timeout"
	for name, c := range map[string]struct {
		settings []string
		query    string
		hint     string // empty: it works
	}{
		"transactions":                      {settings: []string{"pool_mode = transaction"}, hint: "default_query_exec_mode=exec"},
		"transactions, tolerant":            {settings: []string{"pool_mode = transaction", tolerant}, hint: "default_query_exec_mode=exec"},
		"transactions, one session":         {settings: []string{"pool_mode = transaction", "default_pool_size = 1"}, hint: "default_query_exec_mode=exec"},
		"transactions, mode exec":           {settings: []string{"pool_mode = transaction"}, query: "&default_query_exec_mode=exec"},
		"transactions, mode simple":         {settings: []string{"pool_mode = transaction"}, query: "&default_query_exec_mode=simple_protocol"},
		"transactions, mode cache_describe": {settings: []string{"pool_mode = transaction"}, query: "&default_query_exec_mode=cache_describe"},
		"sessions":                          {settings: []string{"pool_mode = session"}},
		"sessions, mode exec":               {settings: []string{"pool_mode = session"}, query: "&default_query_exec_mode=exec"},
		"a parameter that is not passed on": {settings: []string{"pool_mode = session"}, query: "&search_path=public", hint: "ignore_startup_parameters"},
	} {
		t.Run(name, func(t *testing.T) {
			url := server.Pool(t, c.settings...)(server.Database(t)) + c.query
			for start := range 2 { // a second one meets what the first has left behind
				s, err := postgres.Open(t.Context(), url, postgres.Options{})
				hint := (interface{ Hint() string })(nil)
				if c.hint != "" {
					if err == nil {
						s.Close()
						t.Fatal("opened")
					}
					if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), c.hint) {
						t.Fatalf("%v, hint %v", err, hint)
					}
					continue
				}
				if err != nil {
					t.Fatalf("start %d: %v", start, err)
				}
				work(t, s, fmt.Sprint(start))
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// work does what requests do, many at once, so that each transaction of a pooler is in another session.
func work(t *testing.T, s storage.Store, prefix string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			key := fmt.Sprintf("%s/%d", prefix, i)
			put := func(table storage.Table, key string) storage.Write {
				return storage.Write{Table: table, Key: key, Value: []byte(key), If: storage.Absent, Expires: time.Now().Add(time.Hour)}
			}
			if err := s.Apply(t.Context(), put(storage.Codes.Table, key), put(storage.Grants.Table, key)); err != nil {
				t.Errorf("apply: %v", err)
			}
			if r, err := s.Get(t.Context(), storage.Codes.Table, key); err != nil || string(r.Value) != key || r.Expires.IsZero() {
				t.Errorf("get: %q %v %v", r.Value, r.Expires, err)
			}
			if err := s.Apply(t.Context(), put(storage.Codes.Table, key)); !storage.IsConflict(err) {
				t.Errorf("a conflict: %v", err)
			}
		})
	}
	wg.Wait()
	if err := s.Ready(t.Context()); err != nil { // it waits a second, so not while forty others do
		t.Errorf("ready: %v", err)
	}
	if found, err := s.Scan(t.Context(), storage.Grants.Table, prefix+"/", "", 100); err != nil || len(found) != 40 {
		t.Errorf("scan: %d, %v", len(found), err)
	}
}

// TestPoolerConformance is the suite that every engine passes, through a pooler of transactions.
func TestPoolerConformance(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	behind := server.Pool(t, "pool_mode = transaction", "max_client_conn = 500", "default_pool_size = 50")
	empty := emptyStore(t, server) // TestPooler makes the tables through it
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s, err := postgres.Open(t.Context(), behind(server.Copy(t, empty))+"&default_query_exec_mode=exec", postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestStartTimeout: a start waits for a server that is away, says so, and not for one that will never do.
func TestStartTimeout(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	url := server.URL("postgres")
	open := func(ctx context.Context, url string, timeout time.Duration) (string, time.Duration, error) {
		log := &strings.Builder{}
		begun := time.Now()
		s, err := postgres.Open(ctx, url, postgres.Options{StartTimeout: timeout, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err == nil {
			err = s.Close()
		}
		return log.String(), time.Since(begun), err
	}
	server.Stop()
	started := make(chan error, 1)
	time.AfterFunc(2*time.Second, func() { started <- server.Start() })
	log, _, err := open(t.Context(), url, time.Minute)
	if err := errors.Join(err, <-started); err != nil || !strings.Contains(log, "waiting for PostgreSQL") || !strings.Contains(log, "PostgreSQL answers") {
		t.Errorf("%v\n%s", err, log)
	}
	server.Stop()
	if log, took, err := open(t.Context(), url, 1500*time.Millisecond); err == nil || took < time.Second || !strings.Contains(log, "waiting for PostgreSQL") {
		t.Errorf("it stays away: %v after %v\n%s", err, took, log)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, took, err := open(ctx, url, time.Minute); !errors.Is(err, context.Canceled) || took > 40*time.Second {
		t.Errorf("asked to stop: %v after %v", err, took)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{
		"wrong password":   strings.Replace(url, "@", "x@", 1),
		"no such database": strings.Replace(url, "/postgres?", "/nowhere?", 1),
	} {
		if _, took, err := open(t.Context(), url, time.Minute); err == nil || took > 40*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}
