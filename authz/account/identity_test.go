package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// heard are the changes that a directory tells of.
func heard(d *Directory) *[]Change {
	var changes []Change
	d.Changed = func(_ context.Context, what Change, _, _ string) []storage.Write {
		changes = append(changes, what)
		return nil
	}
	return &changes
}

func reload(t *testing.T, d *Directory, u *storage.User) *storage.User {
	t.Helper()
	user, err := d.Get(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// TestRecycledAddress: the upstream gives the address of a user who has left to another person. That person
// becomes another user here, in each case.
func TestRecycledAddress(t *testing.T) {
	for _, preferred := range []string{"", "alice"} { // without a name, the address is the username
		d := newDirectory(t)
		first := signIn(t, d, with(google("1", "alice@gmail.com"), preferred))
		second := signIn(t, d, google("2", "alice@gmail.com"))
		if second.ID == first.ID || second.Profile.Email != "" {
			t.Fatalf("the second one is %+v", second)
		}
		if again := signIn(t, d, google("2", "alice@gmail.com")); again.ID != second.ID || again.Profile.Email != "" {
			t.Errorf("again: %+v", again)
		}
		// Once the first one has another address, the old one is free, for the second one too.
		first = signIn(t, d, google("1", "alice2@gmail.com"))
		if first.Profile.Email != "alice2@gmail.com" || !first.Profile.EmailVerified || first.Username == "alice@gmail.com" {
			t.Errorf("the first one: %+v", first)
		}
		second = signIn(t, d, google("2", "alice@gmail.com"))
		if second.Profile.Email != "alice@gmail.com" || !second.Profile.EmailVerified {
			t.Errorf("the second one: %+v", second)
		}
		for address, want := range map[string]string{"alice@gmail.com": second.ID, "alice2@gmail.com": first.ID} {
			if found, _, err := d.byLogin(t.Context(), address); err != nil || found == nil || found.ID != want {
				t.Errorf("%s leads to %+v, %v", address, found, err)
			}
		}
		third := signIn(t, d, google("3", "alice2@gmail.com"))
		if third.ID == first.ID || third.ID == second.ID {
			t.Error("a third one is one of them")
		}
	}
}

func TestAddressFollowsIdentity(t *testing.T) {
	d := newDirectory(t, users.User{Username: "holder", Email: "held@example.com"})
	changes := heard(d)
	bob := signIn(t, d, google("1", "bob@gmail.com"))
	wants := func(id connect.Identity, email string, verified bool, told ...Change) {
		t.Helper()
		*changes = nil
		got := reload(t, d, signIn(t, d, id))
		if got.ID != bob.ID || got.Profile.Email != email || got.Profile.EmailVerified != verified || fmt.Sprint(*changes) != fmt.Sprint(told) {
			t.Errorf("%+v, told %v", got.Profile, *changes)
		}
	}
	wants(google("1", ""), "bob@gmail.com", true)
	wants(google("1", "BOB@gmail.com"), "bob@gmail.com", true)
	unverified := google("1", "claimed@gmail.com")
	unverified.EmailVerified = false
	wants(unverified, "claimed@gmail.com", false, EmailReplaced)
	if holder, _, err := d.byEmail(t.Context(), "claimed@gmail.com"); err != nil || holder != nil {
		t.Errorf("an address that is only claimed leads to %+v, %v", holder, err)
	}
	wants(google("1", "held@example.com"), "", false, EmailRemoved)
	wants(google("1", "held@example.com"), "", false)
	if holder, _, err := d.byEmail(t.Context(), "bob@gmail.com"); err != nil || holder != nil {
		t.Errorf("the first address leads to %+v, %v", holder, err)
	}
	wants(google("1", "bob3@gmail.com"), "bob3@gmail.com", true, EmailReplaced)

	// An address that the operator has set stays, even if it is the same one.
	operate := func(email string) {
		t.Helper()
		before, version, err := storage.Users.Get(t.Context(), d.store, bob.ID)
		if err != nil {
			t.Fatal(err)
		}
		after := With(before, users.User{Username: before.Username, Email: email, EmailVerified: true})
		writes, err := d.ChangeWrites(t.Context(), before, version, after)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	operate("robert@example.com")
	wants(google("1", "bob4@gmail.com"), "robert@example.com", true, EmailDiffers)
	wants(google("1", "bob4@gmail.com"), "robert@example.com", true)
	wants(google("1", "robert@example.com"), "robert@example.com", true)
	wants(google("1", "bob5@gmail.com"), "robert@example.com", true, EmailDiffers)
}

// TestAddressOfOldRecord: a record of format 1 does not say where its address came from.
func TestAddressOfOldRecord(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Email: "alice@example.com", EmailVerified: true})
	old := func(u *storage.User) { u.EmailFrom = "" }
	update(t, d, "alice", func(u *storage.User) { old(u); u.CreatedAt = u.CreatedAt.Add(-time.Minute) })
	if _, err := d.LinkProven(t.Context(), named(t, d, "alice").ID, google("1", "alice@example.com")); err != nil {
		t.Fatal(err)
	}
	signIn(t, d, google("2", "bob@gmail.com"))
	update(t, d, "bob@gmail.com", old)
	if got := signIn(t, d, google("1", "new@example.com")); got.Profile.Email != "alice@example.com" {
		t.Errorf("what the operator had set is %q", got.Profile.Email)
	}
	if got := signIn(t, d, google("2", "new@gmail.com")); got.Profile.Email != "new@gmail.com" {
		t.Errorf("what came from the identity is %q", got.Profile.Email)
	}
}

// TestOneIdentityByAddress: an address links one identity of an upstream, and no more.
func TestOneIdentityByAddress(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Email: "alice@example.com", EmailVerified: true})
	alice := named(t, d, "alice")
	var all sync.WaitGroup
	var mu sync.Mutex
	linked := 0
	for i := range 8 {
		all.Go(func() {
			_, err := d.LinkProven(t.Context(), alice.ID, google(fmt.Sprint(i), "alice@example.com"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				linked++
			} else if !errors.Is(err, ErrOtherIdentity) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if linked != 1 {
		t.Errorf("%d were linked", linked)
	}
	if user := signIn(t, d, google("9", "alice@example.com")); user.ID == alice.ID {
		t.Error("a later one is alice")
	}
	// Another upstream is asked for, as before.
	if _, err := d.SignInWith(t.Context(), claimed("1", "alice@example.com")); !errors.As(err, new(*LinkRequiredError)) {
		t.Errorf("another upstream: %v", err)
	}
	for _, id := range []connect.Identity{claimed("1", "alice@example.com"), google("1", "bob@example.com"), google("1", "")} {
		if _, err := d.LinkProven(t.Context(), alice.ID, id); !errors.As(err, new(*LinkRequiredError)) {
			t.Errorf("%+v is linked as proven: %v", id, err)
		}
	}
}

// changing is a store in which something happens right after a user has been read for the nth time.
type changing struct {
	storage.Store
	nth    int
	happen func()
}

func (c *changing) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	found, err := c.Store.Get(ctx, table, key)
	if table == storage.Users.Table {
		if c.nth--; c.nth == 0 {
			c.happen()
		}
	}
	return found, err
}

// TestAddressGoesDuringLink: the address that proves a link goes away at any moment of it.
func TestAddressGoesDuringLink(t *testing.T) {
	for nth := 1; nth <= 2; nth++ {
		d := newDirectory(t, users.User{Username: "alice", Email: "alice@example.com", EmailVerified: true})
		alice, store := named(t, d, "alice"), d.store
		d.store = &changing{store, nth, func() {
			d.store = store
			update(t, d, "alice", func(u *storage.User) { u.Profile.Email = "alice@other.example" })
		}}
		if _, err := d.LinkProven(t.Context(), alice.ID, google("1", "alice@example.com")); !errors.As(err, new(*LinkRequiredError)) {
			t.Errorf("gone after read %d: %v", nth, err)
		}
		if found, err := d.Identities(t.Context(), alice.ID); err != nil || len(found) > 0 {
			t.Errorf("gone after read %d: linked %v, %v", nth, found, err)
		}
	}
}

func linkAs(t *testing.T, d *Directory, userID string, id connect.Identity) {
	t.Helper()
	writes, err := d.LinkWrites(t.Context(), userID, id)
	if err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func everywhere(string) bool { return true }

func TestUnlink(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: "correct horse battery staple"})
	alice := named(t, d, "alice")
	for i := range 3 {
		linkAs(t, d, alice.ID, google(fmt.Sprint(i), fmt.Sprintf("alice%d@gmail.com", i)))
		linkAs(t, d, alice.ID, google(fmt.Sprint(i), "")) // is no error
	}
	linkAs(t, d, alice.ID, claimed("1", ""))
	found, err := d.Identities(t.Context(), alice.ID)
	if err != nil || len(found) != 4 {
		t.Fatalf("%d identities, %v", len(found), err)
	}
	if first := found[0]; first.Issuer != "https://accounts.google.com" || first.Subject != "0" || first.Email != "alice0@gmail.com" || first.Connector != "google" {
		t.Errorf("the first one is %+v", first)
	}
	unlink := func(id string, works func(string) bool) error {
		_, writes, err := d.UnlinkWrites(t.Context(), alice.ID, id, false, works)
		if err != nil {
			return err
		}
		return d.store.Apply(t.Context(), writes...)
	}
	if err := unlink("none", everywhere); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	for _, id := range found {
		if err := unlink(id.ID, everywhere); err != nil {
			t.Error(err)
		}
		if err := unlink(id.ID, everywhere); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
	}
	if left, err := d.store.Scan(t.Context(), storage.UserIdentities.Table, "", "", 10); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	for i := range maxIdentities {
		linkAs(t, d, alice.ID, google(fmt.Sprint(i), ""))
	}
	if _, err := d.LinkWrites(t.Context(), alice.ID, google("more", "")); !errors.Is(err, ErrTooManyIdentities) {
		t.Errorf("one too many: %v", err)
	}
	if err := d.Link(t.Context(), alice.ID, claimed("more", "")); !errors.Is(err, ErrTooManyIdentities) {
		t.Errorf("one too many, by the user: %v", err)
	}
}

// TestUnlinkedComesBack: what was unlinked comes back by the user's other way in alone, and so does somebody else
// who has the address by now.
func TestUnlinkedComesBack(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Password: "correct horse battery staple", Email: "alice@gmail.com", EmailVerified: true})
	alice := named(t, d, "alice")
	before := google("1", "alice@gmail.com")
	if _, err := d.LinkProven(t.Context(), alice.ID, before); err != nil {
		t.Fatal(err)
	}
	found, err := d.Identities(t.Context(), alice.ID)
	if err != nil || len(found) != 1 {
		t.Fatal(len(found), err)
	}
	_, writes, err := d.UnlinkWrites(t.Context(), alice.ID, found[0].ID, true, everywhere)
	if err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []connect.Identity{before, google("2", "alice@gmail.com")} {
		required := new(LinkRequiredError)
		if _, err := d.SignInWith(t.Context(), id); !errors.As(err, &required) || required.Proven {
			t.Errorf("%s: %v, %+v", id.Subject, err, required)
		}
		if _, err := d.LinkProven(t.Context(), alice.ID, id); !errors.As(err, &required) {
			t.Errorf("%s is linked by its address: %v", id.Subject, err)
		}
	}
	if err := d.Link(t.Context(), alice.ID, before); err != nil {
		t.Errorf("after a sign-in: %v", err)
	}
	if user := signIn(t, d, before); user.ID != alice.ID {
		t.Error("linked again, and another user")
	}
}

// TestLastWayIn: of several that are unlinked at once, one stays, and an upstream that is not configured
// any more is no way in.
func TestLastWayIn(t *testing.T) {
	d := newDirectory(t)
	bob := signIn(t, d, google("1", "bob@gmail.com"))
	linkAs(t, d, bob.ID, google("2", ""))
	linkAs(t, d, bob.ID, claimed("1", ""))
	notCorp := func(issuer string) bool { return issuer != "https://corp.example" }
	found, err := d.Identities(t.Context(), bob.ID)
	if err != nil || len(found) != 3 {
		t.Fatal(len(found), err)
	}
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, id := range found[:2] {
		all.Go(func() {
			errs[i] = storage.Retry(func() error {
				_, writes, err := d.UnlinkWrites(t.Context(), bob.ID, id.ID, false, notCorp)
				if err == nil {
					err = d.store.Apply(t.Context(), writes...)
				}
				return err
			})
		})
	}
	all.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrLastWayIn) {
		t.Errorf("at once: %v", errs)
	}
	if _, writes, err := d.UnlinkWrites(t.Context(), bob.ID, found[2].ID, true, notCorp); err != nil || len(writes) == 0 {
		t.Errorf("one that leads nowhere: %v", err)
	}
	// The address that only the unlinked identity proved proves nothing any more.
	got := reload(t, d, bob)
	if errs[0] == nil == got.Profile.EmailVerified {
		t.Errorf("unlinked: %v; profile %+v", errs[0] == nil, got.Profile)
	}
}

// TestDeleteUserWithIdentities leaves nothing.
func TestDeleteUserWithIdentities(t *testing.T) {
	d := newDirectory(t)
	bob := signIn(t, d, google("1", "bob@gmail.com"))
	if err := d.store.Apply(t.Context(), storage.Passkeys.Put(bob.ID+"/key", &storage.Passkey{Name: "Bob's"}, storage.Absent, never)); err != nil {
		t.Fatal(err)
	}
	user, version, err := storage.Users.Get(t.Context(), d.store, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	writes, err := d.DeleteWrites(t.Context(), user, version)
	if err == nil {
		err = d.store.Apply(t.Context(), writes...)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range storage.Tables {
		if left, err := d.store.Scan(t.Context(), table, "", "", 10); err != nil || len(left) > 0 && table != storage.Formats.Table {
			t.Errorf("%s: left %v, %v", table, left, err)
		}
	}
}

// The last identity can go while its user has a passkey.
func TestPasskeyIsAWayIn(t *testing.T) {
	d := newDirectory(t)
	bob := signIn(t, d, google("bob", "bob@gmail.com"))
	found, err := d.Identities(t.Context(), bob.ID)
	if err != nil || len(found) != 1 {
		t.Fatal(len(found), err)
	}
	broken := errors.New("the store is away")
	for name, test := range map[string]struct {
		has     bool
		asked   error
		refused error
	}{
		"none":      {false, nil, ErrLastWayIn},
		"not known": {false, broken, broken},
		"has a key": {true, nil, nil},
	} {
		d.HasPasskey = func(context.Context, string) (bool, error) { return test.has, test.asked }
		if _, _, err := d.UnlinkWrites(t.Context(), bob.ID, found[0].ID, false, everywhere); !errors.Is(err, test.refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if other, err := d.HasOtherWay(t.Context(), bob, everywhere); err != nil || !other {
		t.Errorf("an identity is no other way: %v", err)
	}
	if other, err := d.HasOtherWay(t.Context(), bob, func(string) bool { return false }); err != nil || other {
		t.Errorf("an identity that does not work is another way: %v", err)
	}
}
