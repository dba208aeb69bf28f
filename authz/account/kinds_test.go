package account

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// withCost is a hash of bcrypt. The tests pretend that it costs more than it does, so that they cost less.
func withCost(cost string) string {
	return "$2b$" + cost + "$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG"
}

// costing makes a directory believe what kinds of hashes cost; those that are missing are not measured yet.
func costing(d *Directory) *Directory {
	d.kinds.cost = func(kind string) (time.Duration, bool) {
		for prefix, cost := range map[string]time.Duration{
			"$argon2id$": 20 * time.Millisecond, "$2b$04$": time.Millisecond,
			"$2b$05$": 70 * time.Millisecond, "$2b$06$": 240 * time.Millisecond, "$2b$08$": 2 * time.Second,
		} {
			if strings.HasPrefix(kind, prefix) {
				return cost, true
			}
		}
		return 0, false
	}
	return d
}

// marked returns the kinds that the store has marked.
func marked(t *testing.T, d *Directory) (kinds []string) {
	t.Helper()
	marks, err := storage.HashKinds.Scan(t.Context(), d.store, kindPrefix, "", mostKinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range marks {
		kinds = append(kinds, m.Key)
	}
	return kinds
}

// failure returns how long a failed sign-in takes.
func failure(t *testing.T, d *Directory, login string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := d.Authenticate(t.Context(), login, "wrong", address(int(began.UnixMilli()))); !errors.Is(err, ErrInvalidCredentials) {
		t.Errorf("%s: %v", login, err)
	}
	return time.Since(began)
}

// survey surveys the hashes, whether or not it is due.
func survey(t *testing.T, d *Directory) {
	t.Helper()
	if err := d.store.Apply(t.Context(), storage.HashKinds.Delete(storage.HashSurveyKey, storage.Any)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(kindsReread) // of the bubble
}

// Failures leave at a pace above the dearest hash in the store, on every replica, from the moment at which it comes in.
// It falls when the hash is gone.
func TestPaceFollowsTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := costing(newDirectory(t, users.User{Username: "alice", Password: cheap}))
		other := costing(New(d.store, d.passwords))
		same := func(what string, want time.Duration) {
			t.Helper()
			for login, replica := range map[string]*Directory{"alice": d, "nobody": other} {
				if took := failure(t, replica, login); took != want {
					t.Errorf("%s, %s: %v, want %v", what, login, took, want)
				}
			}
		}
		same("before the survey", failurePace)
		survey(t, d)
		same("cheap hashes", paceGranule)
		user, version, err := storage.Users.Get(t.Context(), d.store, named(t, d, "alice").ID)
		if err != nil {
			t.Fatal(err)
		}
		set := func(hash string) {
			t.Helper()
			changed := *user
			SetHash(&changed, hash)
			writes, err := d.ChangeWrites(t.Context(), user, version, &changed)
			if err == nil {
				err = d.store.Apply(t.Context(), writes...)
			}
			if err != nil {
				t.Fatal(err)
			}
			if user, version, err = storage.Users.Get(t.Context(), d.store, user.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(kindsReread)
		}
		for _, tt := range []struct {
			hash string
			want time.Duration
		}{
			{withCost("05"), 500 * time.Millisecond},
			{withCost("06"), time.Second},
			{withCost("07"), time.Second}, // it is not measured yet
			{withCost("08"), 8 * time.Second},
			{cheap, 8 * time.Second}, // until the survey
		} {
			d.passwords.costs.measured = map[string]bool{kindOf(withCost("07")): true} // its real cost is of no interest
			set(tt.hash)
			same(tt.hash, tt.want)
		}
		if assumed := d.kinds.assumed(kindOf(withCost("15"))); assumed != slowest/timesTheCost {
			t.Errorf("a kind above the ceilings is believed to cost %v", assumed)
		}
		survey(t, other)
		same("after the survey", paceGranule)
		if kinds := marked(t, d); !slices.Equal(kinds, []string{kindOf(cheap)}) {
			t.Errorf("marked are %q", kinds)
		}
	})
}

// Every door by which a hash comes in marks its kind, in the same Apply; passwords in plain text need no mark.
func TestKindsAreMarked(t *testing.T) {
	t.Parallel()
	d := newDirectory(t, users.User{Username: "file", Password: cheap}, users.User{Username: "plain", Password: "some words of a song"}, users.User{Username: "none"})
	if kinds := marked(t, d); !slices.Equal(kinds, []string{kindOf(cheap)}) {
		t.Fatalf("from the file: %q", kinds)
	}
	made, err := d.New(t.Context(), users.User{Username: "made", Password: member.Secret(withCost("05"))})
	if err != nil {
		t.Fatal(err)
	}
	writes, err := d.CreateWrites(t.Context(), made)
	if err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if kinds := marked(t, d); err != nil || !slices.Contains(kinds, kindOf(withCost("05"))) {
		t.Errorf("by an operator: %q, %v", kinds, err)
	}
	for _, mark := range marked(t, d) {
		if strings.Contains(mark, "abcdefghij") {
			t.Errorf("a mark has the salt: %s", mark)
		}
	}
}

// A hash that comes in during a survey keeps its mark, though the survey has not seen it.
func TestSurveyMissesNoHash(t *testing.T) {
	t.Parallel()
	d := newDirectory(t, users.User{Username: "alice", Password: cheap})
	if err := d.store.Apply(t.Context(), append(markWrites(dear), markWrites(withCost("05"))...)...); err != nil { // nobody has them any more
		t.Fatal(err)
	}
	racing := New(&racingStore{d.store, func() {
		user := named(t, d, "alice")
		_, version, err := storage.Users.Get(t.Context(), d.store, user.ID)
		if err != nil {
			t.Error(err)
		}
		changed := *user
		SetHash(&changed, withCost("05"))
		writes, err := d.ChangeWrites(t.Context(), user, version, &changed)
		if err == nil {
			err = d.store.Apply(t.Context(), writes...)
		}
		if err != nil {
			t.Error(err)
		}
	}}, d.passwords)
	if _, err := racing.survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kinds := marked(t, d); !slices.Contains(kinds, kindOf(withCost("05"))) || slices.Contains(kinds, kindOf(dear)) {
		t.Errorf("marked are %q", kinds)
	}
	if next, err := racing.survey(t.Context()); err != nil || next < surveyEvery-time.Hour {
		t.Errorf("the next survey in %v, %v", next, err)
	}
}

// racingStore lets another request be faster once all users were read.
type racingStore struct {
	storage.Store
	then func()
}

func (s *racingStore) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	found, err := s.Store.Scan(ctx, table, prefix, after, limit)
	if table == storage.Users.Table && s.then != nil {
		s.then()
		s.then = nil
	}
	return found, err
}

// An authzd that knows no marks may have stored a hash. It counts as soon as it is verified.
func TestUnmarkedKindIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := costing(newDirectory(t, users.User{Username: "alice", Password: "some words of a song"}))
		survey(t, d)
		update(t, d, "alice", func(u *storage.User) { SetHash(u, cheap) })
		failure(t, d, "alice")
		if kinds := marked(t, d); !slices.Equal(kinds, []string{kindOf(cheap)}) {
			t.Errorf("marked are %q", kinds)
		}
	})
}

// Run surveys at once, and tries again after a failure of the store.
func TestRunSurveys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t)
		ctx, cancel := context.WithCancel(t.Context())
		fails := &failingScan{Store: d.store, times: 2}
		running := New(fails, d.passwords)
		done := make(chan error)
		go func() { done <- running.Run(ctx, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
		time.Sleep(3 * surveyRetry)
		if _, err := d.store.Get(t.Context(), storage.HashKinds.Table, storage.HashSurveyKey); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

type failingScan struct {
	storage.Store
	times int
}

func (s *failingScan) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	if s.times--; s.times >= 0 {
		return nil, storage.ErrUnavailable
	}
	return s.Store.Scan(ctx, table, prefix, after, limit)
}

// What a kind costs is measured once, in the background, and the shortest time counts.
func TestCostIsMeasured(t *testing.T) {
	t.Parallel()
	p := NewPasswords()
	kind := kindOf(cheap)
	if _, known := p.costOf(kind); known {
		t.Fatal("known before it is measured")
	}
	p.measure(kind)
	p.measure(kind)
	for known := false; !known; _, known = p.costOf(kind) {
		<-time.After(time.Millisecond)
	}
	if cost, _ := p.costOf(kind); cost <= 0 {
		t.Errorf("cost %v", cost)
	}
	p.costs.note(kind, 1)
	p.costs.note(kind, time.Hour)
	if cost, _ := p.costOf(kind); cost != 1 {
		t.Errorf("cost %v", cost)
	}
	if _, _, err := p.Verify(t.Context(), "", "wrong"); err != nil {
		t.Error(err)
	}
	if _, known := p.costOf(passhash.Usual); !known {
		t.Error("a missing user's sign-in does not measure the usual kind")
	}
}
