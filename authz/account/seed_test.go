package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

func TestEnsureUsers(t *testing.T) {
	d := newDirectory(t)
	seed := users.User{
		Username: " Alice ", Password: "correct horse",
		Email: "Alice@Example.com", EmailVerified: true, Name: "Alice Liddell",
		Roles: []string{"admin"}, Groups: []string{"staff"},
	}
	if _, err := d.EnsureUsers(t.Context(), []users.User{seed}); err != nil {
		t.Fatal(err)
	}
	user := named(t, d, "alice")
	if user.Username != "Alice" || user.Roles[0] != "admin" || user.Groups[0] != "staff" || user.Profile.Name != "Alice Liddell" ||
		user.CreatedAt.IsZero() || !strings.HasPrefix(user.PasswordHash, "$argon2id$") {
		t.Errorf("stored %+v", user)
	}

	seed.Password, seed.Roles, seed.Name = "another", []string{"none"}, "Somebody"
	differ, err := d.EnsureUsers(t.Context(), []users.User{seed, {Username: "ALICE"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(differ, []string{"Alice: roles", "Alice: roles, groups"}) {
		t.Errorf("differ: %v", differ)
	}
	again := named(t, d, "alice")
	if again.ID != user.ID || again.PasswordHash != user.PasswordHash || again.Roles[0] != "admin" || again.Profile.Name != "Alice Liddell" {
		t.Errorf("overwritten with %+v", again)
	}
	if n := countUsers(t, d); n != 1 {
		t.Errorf("%d users", n)
	}
}

// A hash of the file counts for nothing once the user exists. The operator hears of one that was never theirs,
// and not of one that was: it may have been renewed, or replaced.
func TestHashesInTheFile(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: cheap}, users.User{Username: "bob", Password: "a plain password"})
	differ := func(seed users.User) string {
		t.Helper()
		differ, err := d.EnsureUsers(t.Context(), []users.User{seed})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(differ, "; ")
	}
	if got := differ(users.User{Username: "alice", Password: cheap}); got != "" {
		t.Errorf("the same hash: %s", got)
	}
	if _, err := d.Authenticate(t.Context(), "alice", secret, home); err != nil { // renews the hash
		t.Fatal(err)
	}
	if got := differ(users.User{Username: "alice", Password: cheap}); got != "" {
		t.Errorf("the hash that was: %s", got)
	}
	update(t, d, "alice", func(u *storage.User) { SetHash(u, dear) })
	if got := differ(users.User{Username: "alice", Password: cheap}); got != "" {
		t.Errorf("the hash before a new password: %s", got)
	}
	if got := differ(users.User{Username: "alice", Password: dear, Disabled: true}); got != "alice: disabled" {
		t.Errorf("disabled in the file: %s", got)
	}
	if got := differ(users.User{Username: "bob", Password: cheap}); got != "bob: password" {
		t.Errorf("a hash that was never Bob's: %s", got)
	}
	if got := differ(users.User{Username: "bob", Password: "another plain password"}); got != "" {
		t.Errorf("plain text can't be compared: %s", got)
	}
	update(t, d, "bob", func(u *storage.User) { u.PastHashes = nil })
	if got := differ(users.User{Username: "bob", Password: cheap}); got != "" {
		t.Errorf("nothing is known of users from before: %s", got)
	}
}

func countUsers(t testing.TB, d *Directory) int {
	t.Helper()
	users, err := d.store.Scan(t.Context(), storage.Users.Table, "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(users)
}

// One bad seed does not keep the others out, and nothing of a password is shown.
func TestBadSeeds(t *testing.T) {
	d := newDirectory(t, users.User{Username: "taken", Email: "taken@example.com", EmailVerified: true})
	bad := map[string]users.User{
		"no username":         {Password: secret},
		"username with space": {Username: "two words"},
		"bad e-mail":          {Username: "u1", Email: "nowhere"},
		"verified nothing":    {Username: "u2", EmailVerified: true},
		"unknown argon2":      {Username: "u3", Password: "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$secretsecretsecretse"},
		"huge cost":           {Username: "u4", Password: "$2b$31$secretsecretsecretsecuseKI7Sfgtl1l6R2bjBDbXGINWmKYHNhy"},
		"malformed pbkdf2":    {Username: "u5", Password: "$pbkdf2-sha256$secret"},
		"NUL in the password": {Username: "u6", Password: "secret\x00"},
		"e-mail taken":        {Username: "u7", Email: "Taken@example.com", EmailVerified: true},
		"another's e-mail":    {Username: "Taken@example.com"},
	}
	for name, seed := range bad {
		_, err := d.EnsureUsers(t.Context(), []users.User{seed, {Username: "good-" + strings.ReplaceAll(name, " ", "-")}})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), seed.Username) {
			t.Errorf("%s: got %v", name, err)
		}
		named(t, d, strings.ToLower("good-"+strings.ReplaceAll(name, " ", "-")))
	}
	if n := countUsers(t, d); n != 1+len(bad) {
		t.Errorf("%d users", n)
	}
	if _, err := d.EnsureUsers(t.Context(), []users.User{{Username: "a b", Password: "$2b$", Email: "x"}}); strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every error at once: %v", err)
	}
}

// A login name leads to one user, whether it is a username or a verified address.
func TestLoginNamesAreUnique(t *testing.T) {
	const address = "alice@example.com"
	byAddress := func(name string) users.User { return users.User{Username: name, Email: address, EmailVerified: true} }
	unverified := func(name string) users.User { return users.User{Username: name, Email: address} }
	tests := []struct {
		name       string
		first, nth users.User
		taken      bool
	}{
		{"verified address, then a username", byAddress("a"), users.User{Username: address}, true},
		{"username, then a verified address", users.User{Username: address}, byAddress("b"), true},
		{"address twice", byAddress("a"), byAddress("b"), true},
		{"verified, then unverified", byAddress("a"), unverified("b"), false},
		{"unverified, then verified", unverified("a"), byAddress("b"), false},
		{"unverified twice", unverified("a"), unverified("b"), false},
		{"own verified address as username, then unverified", byAddress(address), unverified("b"), false},
		{"own unverified address as username, then verified", unverified(address), byAddress("b"), true},
		{"verified, then username with it unverified", byAddress("a"), unverified(address), true},
	}
	for _, tt := range tests {
		d := newDirectory(t, tt.first)
		_, err := d.EnsureUsers(t.Context(), []users.User{tt.nth})
		if taken := (*TakenError)(nil); errors.As(err, &taken) != tt.taken || !tt.taken && err != nil {
			t.Errorf("%s: got %v", tt.name, err)
		}
		user, _, err := d.byLogin(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if user != nil && user.Username != address && !verified(user, address) {
			t.Errorf("%s: the address leads to %+v", tt.name, user)
		}
	}
}

// Replicas that start at once create every user once.
func TestReplicasStartAtOnce(t *testing.T) {
	first := newDirectory(t)
	replicas := []*Directory{first, New(first.store, NewPasswords()), New(first.store, NewPasswords())}
	seeds := []users.User{
		{Username: "alice", Password: "correct horse", Email: "alice@example.com", EmailVerified: true},
		{Username: "bob", Email: "bob@example.com"},
	}
	var all sync.WaitGroup
	for _, d := range replicas {
		all.Go(func() {
			if _, err := d.EnsureUsers(t.Context(), seeds); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := countUsers(t, first); n != 2 {
		t.Errorf("%d users", n)
	}
	if user, err := first.Authenticate(t.Context(), "alice@example.com", "correct horse", home); err != nil || user.Username != "alice" {
		t.Errorf("got %v, %v", user, err)
	}
}

// A username and a verified address that are the same never get through together.
func TestLoginNamesRace(t *testing.T) {
	d := newDirectory(t)
	for i := range 20 {
		address := fmt.Sprintf("user%d@example.com", i)
		seeds := []users.User{
			{Username: address},
			{Username: fmt.Sprint("user", i), Email: address, EmailVerified: true},
		}
		var refused atomic.Int32
		var all sync.WaitGroup
		for _, seed := range seeds {
			all.Go(func() {
				_, err := d.EnsureUsers(t.Context(), []users.User{seed})
				if taken := (*TakenError)(nil); errors.As(err, &taken) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if refused.Load() != 1 {
			t.Errorf("%d of two were refused", refused.Load())
		}
	}
}

func TestGet(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice"})
	alice := named(t, d, "alice")
	if user, err := d.Get(t.Context(), alice.ID); err != nil || user.Username != "alice" {
		t.Errorf("got %v, %v", user, err)
	}
	if user, err := d.Get(t.Context(), "nobody"); user != nil || !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("got %v, %v", user, err)
	}
}

// Seeding ends with the context.
func TestEnsureUsersEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := newDirectory(t).EnsureUsers(ctx, []users.User{{Username: "alice"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
