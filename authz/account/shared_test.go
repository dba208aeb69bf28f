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

// signInFrom signs a user in, as the server does.
func signInFrom(t *testing.T, d *Directory, login, password string, from netip.Addr) {
	t.Helper()
	user, err := d.Authenticate(t.Context(), login, password, from)
	if err != nil {
		t.Fatal(err)
	}
	if writes := d.TrustWrites(user, from); len(writes) > 0 {
		if err := d.store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
}

// With any number of replicas and addresses, a login may fail the same number of times. A missing user gets the same
// answers as an existing one.
func TestFailuresAreSharedByReplicas(t *testing.T) {
	for _, login := range []string{"alice", "nobody"} {
		t.Run(login, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := newDirectory(t, users.User{Username: "alice", Password: "right password"})
				replicas := []*Directory{first, New(first.store, first.passwords), New(first.store, first.passwords)}
				limit := throttle.Limit{Burst: 5, Interval: time.Minute}
				for _, d := range replicas {
					d.shared = limit
				}
				home := netip.MustParseAddr("192.0.2.1")
				signInFrom(t, first, "alice", "right password", home)
				guess := func(i int) error {
					_, err := replicas[i%3].Authenticate(t.Context(), login, "wrong", netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)))
					return err
				}
				for i := range limit.Burst {
					if err := guess(i); !errors.Is(err, ErrInvalidCredentials) {
						t.Fatalf("guess %d: %v", i, err)
					}
				}
				for i := range replicas {
					throttled := new(ThrottledError)
					if err := guess(i + 10); !errors.As(err, &throttled) || throttled.RetryAfter > limit.Interval {
						t.Errorf("replica %d: %v", i, err)
					}
				}
				if _, err := first.Authenticate(t.Context(), "alice", "right password", home); err != nil {
					t.Errorf("where Alice has signed in lately: %v", err)
				}
				time.Sleep(limit.Interval)
				if err := guess(20); !errors.Is(err, ErrInvalidCredentials) {
					t.Errorf("after a while: %v", err)
				}
				time.Sleep(10 * limit.Interval)
				if left, err := first.store.Scan(t.Context(), storage.LoginFailures.Table, "", "", 10); err != nil || len(left) > 0 {
					t.Errorf("what is left when nobody fails: %v, %v", left, err)
				}
			})
		})
	}
}
