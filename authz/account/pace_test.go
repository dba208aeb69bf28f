package account

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/users"
)

// On a machine that is too busy for the pace, all failures take as long as the slowest of late: the dear hash of
// one user tells nothing there either.
func TestPaceOfABusyMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, users.User{Username: "slow", Password: dear})
		var computing time.Duration
		d.passwords.checked = func() { time.Sleep(computing) }
		fail := func(login string, cost time.Duration) time.Duration {
			began := time.Now()
			computing = cost
			if _, err := d.Authenticate(t.Context(), login, "wrong", address(int(began.UnixMilli()))); !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("%s: %v", login, err)
			}
			return time.Since(began)
		}
		const own, imported = 300 * time.Millisecond, 2400 * time.Millisecond
		for _, tt := range []struct {
			login      string
			cost, want time.Duration
			then       time.Duration
		}{
			{"nobody", own, time.Second, 0},
			{"slow", imported, 3 * time.Second, 0},
			{"nobody", own, 3 * time.Second, 0},
			{"slow", own, 3 * time.Second, 0},
			{"nobody", time.Minute, 61 * time.Second, 0},
			{"nobody", own, slowest, slowFor},
			{"nobody", own, time.Second, 0},
		} {
			if took := fail(tt.login, tt.cost); took != tt.want {
				t.Errorf("%s: took %v, want %v", tt.login, took, tt.want)
			}
			time.Sleep(tt.then)
		}
	})
}
