package account

import (
	"errors"
	"testing"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// TestJoin: a person who signs up takes the address that they have proved, and only a free one.
func TestJoin(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap, Email: "alice@example.com", EmailVerified: true},
		users.User{Username: "bob@example.com", Password: cheap}, users.User{Username: "carol", Password: cheap, Email: "carol@example.com"})
	join := func(address string) error {
		user := NewPerson(address, "Do Dodo", "en", cheap)
		writes, err := d.JoinWrites(t.Context(), user)
		if err != nil {
			return err
		}
		return d.store.Apply(t.Context(), writes...)
	}
	for what, address := range map[string]string{"an address": "Alice@Example.com", "a username": "bob@example.com", "an unproved address of an operator's": "carol@example.com"} {
		if taken := new(TakenError); !errors.As(join(address), &taken) {
			t.Errorf("%s is free", what)
		}
	}
	if err := join("dodo@example.org"); err != nil {
		t.Fatal(err)
	}
	user := named(t, d, "dodo@example.org")
	if found, err := d.ByAddress(t.Context(), "DODO@example.org"); err != nil || found == nil || found.ID != user.ID {
		t.Errorf("by address: %v, %v", found, err)
	}
	if err := d.store.Apply(t.Context(), d.UnlockWrites(user)...); err != nil {
		t.Errorf("unlock a user whose username is the address: %v", err)
	}
	if taken := new(TakenError); !errors.As(join("dodo@example.org"), &taken) {
		t.Error("joined twice")
	}
}

// TestLeave: a user of the configuration who leaves is not made again, and the start names them. Others leave no mark.
func TestLeave(t *testing.T) {
	seed := []users.User{{Username: "Alice", Password: cheap, Email: "alice@example.com", EmailVerified: true}}
	d := newDirectory(t, seed...)
	leave := func(user *storage.User) {
		t.Helper()
		_, version, err := storage.Users.Get(t.Context(), d.store, user.ID)
		if err != nil {
			t.Fatal(err)
		}
		writes, err := d.LeaveWrites(t.Context(), user, version)
		if err == nil {
			err = d.store.Apply(t.Context(), writes...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	leave(named(t, d, "alice"))
	dodo := NewPerson("dodo@example.org", "Do Dodo", "", cheap)
	writes, err := d.JoinWrites(t.Context(), dodo)
	if err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
	leave(dodo)
	marks, err := storage.DeletedUsers.Scan(t.Context(), d.store, "", "", 10)
	if err != nil || len(marks) != 1 || marks[0].Key != "alice" {
		t.Errorf("marks %v, %v", marks, err)
	}
	differ, err := d.EnsureUsers(t.Context(), seed)
	if err != nil || len(differ) != 1 || differ[0] != "Alice: deleted by the user" {
		t.Errorf("the start says %q, %v", differ, err)
	}
	if again, err := d.byUsername(t.Context(), "alice"); err != nil || again != nil {
		t.Errorf("made again: %v, %v", again, err)
	}
	again, err := d.New(t.Context(), seed[0])
	if err != nil {
		t.Fatal(err)
	}
	if writes, err = d.CreateWrites(t.Context(), again); err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if left, failed := d.HasLeft(t.Context(), "alice"); err != nil || failed != nil || left {
		t.Errorf("an operator makes them again: %v, the mark is there: %v", err, left)
	}
}
