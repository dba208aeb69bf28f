package bearer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

const feedAt = testIssuer + "/revocations"

// feed is an issuer with a revocation feed. Its clock may differ from ours.
type feed struct {
	*issuer

	mu       sync.Mutex
	epoch    string
	entries  []revocation.Entry // the place is the seq
	all      int64              // all_before
	changed  chan struct{}      // closed with the next entry
	ahead    time.Duration      // of the server's clock
	sign     func(claims string) string
	status   int // 0: 200
	header   http.Header
	hangs    bool // until the request gives up
	noWait   bool // it does not know of long polls
	overlap  bool // a delta repeats all entries
	requests []*http.Request
}

func newFeed() *feed {
	f := &feed{issuer: newIssuer(), epoch: "one", changed: make(chan struct{})}
	f.answer = func(url string) (int, string, bool) {
		document := object{"issuer": testIssuer, "jwks_uri": testIssuer + "/jwks.json", "authzd_revocations_endpoint": feedAt}
		return 200, asJSON(document), strings.HasSuffix(url, "/.well-known/oauth-authorization-server")
	}
	f.sign = func(claims string) string {
		return es256(ecKey(), asJSON(header().with("typ", revocation.Type)), claims)
	}
	return f
}

// end puts an entry on the feed.
func (f *feed) end(kind revocation.Kind, id string, before int64) {
	f.set(func() {
		f.entries = append(f.entries, revocation.Entry{Kind: kind, ID: revocation.Hash(kind, testIssuer, id), Before: before})
	})
}

// set changes the feed, and answers those who wait.
func (f *feed) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *feed) asked() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *feed) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), feedAt) {
		return f.issuer.RoundTrip(r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	after, err := revocation.ParseCursor(r.URL.Query().Get("after"))
	known := err == nil && after.Epoch == f.epoch && after.Seq <= uint64(len(f.entries))
	wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	if known && after.Seq == uint64(len(f.entries)) && !f.noWait {
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
			time.Sleep(250 * time.Millisecond) // gathers
		case <-time.After(time.Duration(wait) * time.Second):
		case <-r.Context().Done():
		}
		f.mu.Lock()
		known = known && after.Epoch == f.epoch
	}
	if f.hangs {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if f.down {
		return nil, errors.New("connection refused")
	}
	return &http.Response{
		StatusCode: max(f.status, 200), Request: r, Header: f.header.Clone(),
		Body: io.NopCloser(strings.NewReader(f.sign(f.document(after, known)))),
	}, nil
}

func (f *feed) document(after revocation.Cursor, known bool) string {
	now := time.Now().Add(f.ahead).Unix()
	d := revocation.Document{
		Issuer: testIssuer, IssuedAt: now, Expires: now + 60, Epoch: f.epoch, Seq: uint64(len(f.entries)),
		Window: 990 * time.Second, AllBefore: f.all,
	}
	if known {
		d.Delta, d.From = true, after.Seq
		d.Entries = f.entries[after.Seq:]
	}
	if !known || f.overlap {
		d.Entries = f.entries
	}
	return string(d.Claims())
}

// follow starts a follower, which ends with the test, and waits for its first load.
func (f *feed) follow(t *testing.T, change ...func(*FollowerConfig)) *Follower {
	t.Helper()
	cfg := FollowerConfig{Issuer: testIssuer, Client: &http.Client{Transport: f}, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	follower, err := NewFollower(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return follower
}

func (f *feed) verifier(t testing.TB, follower *Follower, change ...func(*Config)) *Verifier {
	return f.issuer.verifier(t, append([]func(*Config){func(c *Config) {
		c.Client = &http.Client{Transport: f}
		c.Revocations = follower
	}}, change...)...)
}

// logbook is a log that may be read while it is written.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
