package account

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/authzd/authzd/authz/tally"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// endingDirectory ends a password after 12 wrong ones in a row, and counts how often it did.
func endingDirectory(t *testing.T) (d *Directory, ended *atomic.Int32) {
	t.Helper()
	d, ended = newDirectory(t, users.User{Username: "alice", Password: cheap, Email: "al@example.com", EmailVerified: true}), new(atomic.Int32)
	d.EndPasswordAfter = 12
	d.PasswordEnded = func(_ context.Context, user *storage.User) []storage.Write {
		if user.PasswordHash != "" || user.PasswordEndedAt.IsZero() {
			t.Errorf("the user at the end: %+v", user)
		}
		ended.Add(1)
		return []storage.Write{storage.Marks.Put("ended", &storage.Mark{}, storage.Absent, never)}
	}
	return d, ended
}

// guess tries a password from another address each time.
func guess(t *testing.T, d *Directory, login, password string, i int) Reason {
	t.Helper()
	_, err := d.Authenticate(t.Context(), login, password, address(i))
	wrong := new(CredentialsError)
	if errors.As(err, &wrong) {
		return wrong.Reason
	} else if err != nil {
		t.Fatal(err)
	}
	return ""
}

// So many wrong passwords in a row, under all names together, end the password and nothing else.
func TestWrongPasswordsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ended := endingDirectory(t)
		n := 0
		wrong := func(times int) {
			for range times {
				n++
				if why := guess(t, d, []string{"alice", "al@example.com"}[n%2], "wrong", n); why != WrongPassword {
					t.Fatalf("guess %d: %q", n, why)
				}
			}
		}
		wrong(11)
		if why := guess(t, d, "alice", secret, 500); why != "" {
			t.Fatalf("the right one: %q", why)
		}
		wrong(11) // a right one begins another row
		alice, err := d.ByUsername(t.Context(), "alice")
		if err != nil || ended.Load() != 0 || alice.PasswordHash == "" {
			t.Fatalf("too early: %v, %+v", err, alice)
		}
		wrong(1)
		alice, err = d.ByUsername(t.Context(), "alice")
		if err != nil || ended.Load() != 1 || alice.PasswordHash != "" || alice.PasswordEndedAt.IsZero() || alice.Disabled || alice.Epoch != 0 {
			t.Fatalf("ended %d times: %v, %+v", ended.Load(), err, alice)
		}
		if why := guess(t, d, "alice", secret, 501); why != NoPassword {
			t.Errorf("the right one then: %q", why)
		}
		changed := *alice
		SetHash(&changed, cheap)
		if err := d.store.Apply(t.Context(), storage.Users.Put(changed.ID, &changed, storage.Any, never)); err != nil {
			t.Fatal(err)
		}
		if !changed.PasswordEndedAt.IsZero() {
			t.Error("a new password is still called ended")
		}
		if why := guess(t, d, "alice", secret, 502); why != "" {
			t.Errorf("a new one: %q", why)
		}
	})
}

// A row belongs to one password: wrong ones for the one before do not count for the next.
func TestRowOfAnEarlierPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ended := endingDirectory(t)
		for i := range 11 {
			guess(t, d, "alice", "wrong", i)
		}
		alice, version, err := storage.Users.Get(t.Context(), d.store, idOf(t, d, "alice"))
		if err != nil {
			t.Fatal(err)
		}
		changed := *alice
		SetHash(&changed, dear)
		if err := d.store.Apply(t.Context(), storage.Users.Put(alice.ID, &changed, storage.At(version), never)); err != nil {
			t.Fatal(err)
		}
		guess(t, d, "alice", "wrong", 20)
		if ended.Load() != 0 {
			t.Error("the new password was ended by wrong ones for the old")
		}
		if err := d.store.Apply(t.Context(), d.UnlockWrites(&changed)...); err != nil {
			t.Fatal(err)
		}
		if _, _, err := storage.LoginFailures.Get(t.Context(), d.store, tally.InRowKey(alice.ID)); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("an operator has forgiven them: %v", err)
		}
	})
}

// Of many wrong ones at once, exactly one ends the password.
func TestWrongPasswordsInARowRace(t *testing.T) {
	d, ended := endingDirectory(t)
	d.kinds.first = 1
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, err := d.Authenticate(t.Context(), "alice", "wrong", address(i))
			if !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("guess %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	alice, err := d.ByUsername(t.Context(), "alice")
	if err != nil || alice.PasswordHash != "" {
		t.Errorf("not ended: %v, %+v", err, alice)
	}
	if ended.Load() == 0 {
		t.Error("nobody was told")
	}
	if _, _, err := storage.Marks.Get(t.Context(), d.store, "ended"); err != nil {
		t.Error(err)
	}
}

// Nothing is counted unless the operator wants it.
func TestNoRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t, users.User{Username: "alice", Password: cheap})
		for i := range 20 {
			guess(t, d, "alice", "wrong", i)
		}
		if _, _, err := storage.LoginFailures.Get(t.Context(), d.store, tally.InRowKey(idOf(t, d, "alice"))); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("a row: %v", err)
		}
		if why := guess(t, d, "alice", secret, 100); why != "" {
			t.Errorf("the right one: %q", why)
		}
	})
}

func idOf(t *testing.T, d *Directory, username string) string {
	t.Helper()
	user, err := d.ByUsername(t.Context(), username)
	if err != nil || user == nil {
		t.Fatal(user, err)
	}
	return user.ID
}
