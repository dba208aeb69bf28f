package account

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// twoNames is a user with a username and a verified address.
var twoNames = users.User{Username: "alice", Password: cheap, Email: "al@example.com", EmailVerified: true}

// elsewhere returns the i-th of many addresses.
func elsewhere(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)) }

// A user's usual network is trusted after a restart too: a botnet does not keep them out there, under
// none of their names, and elsewhere it does.
func TestTrustSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newDirectory(t, twoNames)
		signInFrom(t, before, "alice", secret, home)
		if again := before.TrustWrites(named(t, before, "alice"), home); again != nil {
			t.Errorf("written again at once: %v", again)
		}
		d := New(before.store, before.passwords)
		d.shared = throttle.Limit{Burst: 5, Interval: time.Minute}
		full := new(ThrottledError)
		for i := range 20 {
			_, err := d.Authenticate(t.Context(), "alice", "wrong", elsewhere(i))
			if errors.As(err, &full) {
				break
			}
		}
		if full.RetryAfter == 0 || full.UserID != named(t, d, "alice").ID {
			t.Fatalf("no limit: %+v", full)
		}
		for _, login := range []string{"alice", "al@example.com"} {
			if _, err := d.Authenticate(t.Context(), login, secret, home); err != nil {
				t.Errorf("%s at home: %v", login, err)
			}
		}
		if _, err := d.Authenticate(t.Context(), "alice", secret, elsewhere(99)); !errors.As(err, &full) {
			t.Errorf("elsewhere: %v", err)
		}
		record, err := d.store.Get(t.Context(), storage.TrustedNetworks.Table, trustKey(named(t, d, "alice").ID, home))
		if left := time.Until(record.Expires); err != nil || left > trustFor || left < trustFor-time.Hour {
			t.Errorf("trusted for %v more, %v", left, err)
		}
	})
}

// The failures of all names of a user are counted together. When only that count is full, the answer is that of
// a wrong password, in text and time, and it stays so with the right one: it does not tell that two names are
// one account. A known network gets in.
func TestNamesShareACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, twoNames, users.User{Username: "bob", Password: cheap})
		signInFrom(t, d, "alice", secret, home)
		d = New(d.store, d.passwords)
		d.shared = throttle.Limit{Burst: 6, Interval: time.Hour}
		guess := func(login, password string, i int) (Reason, time.Duration) {
			began, wrong := time.Now(), new(CredentialsError)
			_, err := d.Authenticate(t.Context(), login, password, elsewhere(i))
			if err != nil && !errors.As(err, &wrong) {
				t.Errorf("%s: %v", login, err)
			}
			return wrong.Reason, time.Since(began)
		}
		for i := range 3 {
			guess("alice", "wrong", i)
			guess("al@example.com", "wrong", i)
		}
		for _, login := range []string{"alice", "al@example.com"} {
			if why, took := guess(login, secret, 50); why != Throttled || took != failurePace {
				t.Errorf("%s with the right password: %q after %v", login, why, took)
			}
		}
		if why, took := guess("nobody", secret, 50); why != NoSuchUser || took != failurePace {
			t.Errorf("nobody: %q after %v", why, took)
		}
		if why, _ := guess("bob", secret, 50); why != "" {
			t.Errorf("bob: %q", why)
		}
		if _, err := d.Authenticate(t.Context(), "al@example.com", secret, home); err != nil {
			t.Errorf("at home: %v", err)
		}
		time.Sleep(time.Hour)
		if why, _ := guess("alice", secret, 51); why != "" {
			t.Errorf("after an hour: %q", why)
		}
	})
}

// Nothing is left of a user who is deleted.
func TestTrustOfDeletedUser(t *testing.T) {
	d := newDirectory(t, twoNames)
	signInFrom(t, d, "alice", secret, home)
	signInFrom(t, d, "alice", secret, elsewhere(1))
	user, version, err := storage.Users.Get(t.Context(), d.store, named(t, d, "alice").ID)
	if err != nil {
		t.Fatal(err)
	}
	writes, err := d.DeleteWrites(t.Context(), user, version)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	for _, table := range storage.Tables {
		if left, err := d.store.Scan(t.Context(), table, "", "", 10); err != nil || len(left) > 0 && table != storage.Formats.Table && table != storage.HashKinds.Table {
			t.Errorf("%s: %v, %v", table, left, err)
		}
	}
}

// An operator unlocks a user: under all names, on all replicas, from all networks.
func TestUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newDirectory(t, twoNames)
		second := New(first.store, first.passwords)
		full := new(ThrottledError)
		for _, d := range []*Directory{first, second} {
			d.shared = throttle.Limit{Burst: 12, Interval: time.Hour}
			for _, login := range []string{"alice", "al@example.com"} {
				for range 20 {
					if _, err := d.Authenticate(t.Context(), login, "wrong", home); errors.As(err, &full) {
						break
					}
				}
				if full.RetryAfter == 0 {
					t.Fatal("no limit")
				}
			}
		}
		if err := first.store.Apply(t.Context(), first.UnlockWrites(named(t, first, "alice"))...); err != nil {
			t.Fatal(err)
		}
		for i, d := range []*Directory{first, second} {
			for _, login := range []string{"alice", "al@example.com"} {
				for _, from := range []netip.Addr{home, elsewhere(1)} {
					if _, err := d.Authenticate(t.Context(), login, secret, from); err != nil {
						t.Errorf("replica %d, %s from %s: %v", i, login, from, err)
					}
				}
			}
		}
	})
}

// TestDistrust: the operator sees the networks of a user and has them forgotten, here and on other replicas.
func TestDistrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, twoNames)
		other := New(d.store, d.passwords)
		alice := named(t, d, "alice")
		signInFrom(t, d, "alice", secret, home)
		if known, err := other.trust.knows(t.Context(), alice.ID, home); !known || err != nil {
			t.Fatal(known, err)
		}
		for i := range 4 {
			signInFrom(t, d, "alice", secret, elsewhere(i))
		}
		var all []TrustedNetwork
		for after := ""; ; {
			page, last, err := d.TrustedNetworks(t.Context(), alice.ID, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if all, after = append(all, page...), last; last == "" {
				break
			}
		}
		if len(all) != 5 || time.Until(all[0].Until) > trustFor || time.Since(all[0].SeenAt) > time.Hour {
			t.Errorf("the networks are %+v", all)
		}
		writes, err := d.DistrustWrites(t.Context(), alice.ID)
		if err == nil {
			err = d.store.Apply(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Distrusted()
		time.Sleep(trustKnown)
		for _, replica := range []*Directory{d, other} {
			if known, err := replica.trust.knows(t.Context(), alice.ID, home); known || err != nil {
				t.Errorf("still known: %v", err)
			}
		}
		if again := d.TrustWrites(alice, home); len(again) != 1 {
			t.Errorf("the next sign-in there makes %d writes", len(again))
		}
	})
}
