package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// secret is the password of cheap, a hash that costs the tests next to nothing.
const (
	secret = "pässword"
	cheap  = "$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG"
	// dear is a hash of "password" that costs more than one of ours.
	dear = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
)

func openStore(t testing.TB) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func newDirectory(t testing.TB, seeds ...users.User) *Directory {
	t.Helper()
	d := New(openStore(t), NewPasswords())
	if _, err := d.EnsureUsers(t.Context(), seeds); err != nil {
		t.Fatal(err)
	}
	return d
}

// named returns a user by username.
func named(t testing.TB, d *Directory, username string) *storage.User {
	t.Helper()
	user, err := d.byUsername(t.Context(), username)
	if err != nil || user == nil {
		t.Fatalf("user %s: %v, %v", username, user, err)
	}
	return user
}

// An attacker who guesses learns from no answer, and from no answer's cost, who has an account.
func TestFailuresAreAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t,
			users.User{Username: "alice", Password: cheap, Email: "alice@example.com"},
			users.User{Username: "slow", Password: dear},
			users.User{Username: "federated"},
			users.User{Username: "disabled", Password: cheap, Disabled: true})
		hashes := 0
		d.passwords.checked = func() { hashes++ }
		for name, tt := range map[string]struct{ login, password string }{
			"wrong password":          {"alice", "wrong"},
			"other case":              {"alice", "Pässword"},
			"wrong, costly hash":      {"slow", "wrong"},
			"hash as a password":      {"alice", cheap},
			"empty password":          {"alice", ""},
			"over-long password":      {"alice", strings.Repeat("a", 5000)},
			"password with NUL":       {"alice", secret + "\x00"},
			"unverified e-mail":       {"alice@example.com", secret},
			"unknown user":            {"nobody", secret},
			"unknown e-mail":          {"nobody@example.com", secret},
			"no password login":       {"federated", secret},
			"no password, none given": {"federated", ""},
			"disabled, right":         {"disabled", secret},
			"disabled, wrong":         {"disabled", "wrong"},
			"no login":                {"", secret},
			"login that can't be":     {"a\x00b\xff", secret},
			"over-long login":         {strings.Repeat("a", 60_000), secret},
		} {
			began := time.Now()
			hashes = 0
			user, err := d.Authenticate(t.Context(), tt.login, tt.password, netip.Addr{})
			if user != nil || !errors.Is(err, ErrInvalidCredentials) || err.Error() != ErrInvalidCredentials.Error() {
				t.Errorf("%s: got %v, %v", name, user, err)
			}
			if took := time.Since(began); hashes != 1 || took != failurePace {
				t.Errorf("%s: cost %d hashes and %v", name, hashes, took)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	d := newDirectory(t, users.User{
		Username: "Alice", Password: "correct horse",
		Email: "Alice.Liddell@Example.com", EmailVerified: true,
	})
	want := named(t, d, "alice")
	for _, login := range []string{"alice", " ALICE ", "ａｌｉｃｅ", "alice.liddell@example.com", "Alice.Liddell@EXAMPLE.com"} {
		user, err := d.Authenticate(t.Context(), login, "correct horse", home)
		if err != nil || user.ID != want.ID {
			t.Errorf("%q: got %v, %v", login, user, err)
		}
	}
}

func TestPasswordsAreHashedAnew(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap})
	d.kinds.first = time.Millisecond
	if _, err := d.Authenticate(t.Context(), "alice", "wrong", home); !errors.Is(err, ErrInvalidCredentials) {
		t.Fatal(err)
	}
	if hash := named(t, d, "alice").PasswordHash; hash != cheap {
		t.Fatalf("a failed login changed the hash to %s", hash)
	}
	if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil {
		t.Fatal(err)
	}
	renewed := named(t, d, "alice").PasswordHash
	if !strings.HasPrefix(renewed, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("still %s", renewed)
	}
	if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil {
		t.Errorf("after hashing anew: %v", err)
	}
	if named(t, d, "alice").PasswordHash != renewed {
		t.Error("hashed anew once more")
	}
}

// A password that is changed during the login stays changed.
func TestRehashDoesNotOverwrite(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap})
	user, version, err := d.byLogin(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	changed := *user
	changed.PasswordHash, changed.Epoch = dear, 1
	if err := d.store.Apply(t.Context(), storage.Users.Put(user.ID, &changed, storage.At(version), never)); err != nil {
		t.Fatal(err)
	}
	d.rehash(t.Context(), user, version, secret)
	if got := named(t, d, "alice"); got.PasswordHash != changed.PasswordHash || got.Epoch != 1 {
		t.Errorf("overwritten with %+v", got)
	}
}

func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, users.User{Username: "alice", Password: cheap})
		hashes := 0
		d.passwords.checked = func() { hashes++ }
		for _, login := range []string{"alice", "nobody"} {
			hashes = 0
			var throttled *ThrottledError
			for range 20 {
				if _, err := d.Authenticate(t.Context(), login, "wrong", home); errors.As(err, &throttled) {
					break
				} else if !errors.Is(err, ErrInvalidCredentials) {
					t.Fatal(err)
				}
			}
			if throttled == nil || hashes != 10 || throttled.RetryAfter < time.Second || throttled.RetryAfter > 30*time.Second {
				t.Errorf("%s: %v after %d checks", login, throttled, hashes)
			}
		}
		if _, err := d.Authenticate(t.Context(), "ALICE", secret, home); err == nil || hashes != 10 {
			t.Errorf("another spelling gets around it: %v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

// An office at nine o'clock, down to the hashes: 80 people behind one address get in, all at once.
func TestOfficeGetsIn(t *testing.T) {
	var seeds []users.User
	for i := range 80 {
		seeds = append(seeds, users.User{Username: fmt.Sprint("user", i), Password: cheap})
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, seeds...)
		var all sync.WaitGroup
		for _, seed := range seeds {
			all.Go(func() {
				if _, err := d.Authenticate(t.Context(), seed.Username, secret, home); err != nil {
					t.Errorf("%s: %v", seed.Username, err)
				}
			})
		}
		all.Wait()
		if _, err := d.Authenticate(t.Context(), "user0", "wrong", home); !errors.Is(err, ErrInvalidCredentials) {
			t.Errorf("a wrong password afterwards: %v", err)
		}
	})
}

// A password that was never checked is not a failure of the user.
func TestBusyIsNoFailure(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap})
	line := d.passwords.line
	d.passwords.line = newLine(0, 0)
	for range 100 {
		if _, err := d.Authenticate(t.Context(), "alice", secret, home); !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	d.passwords.line = line
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Authenticate(ctx, "alice", secret, home); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil {
		t.Error(err)
	}
}

// A lost store is neither a wrong password nor a failure of the user's.
func TestStoreFails(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap})
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := d.Authenticate(t.Context(), "alice", secret, home); !errors.Is(err, storage.ErrClosed) {
			t.Fatal(err)
		}
	}
}
