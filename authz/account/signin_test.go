package account

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// google is an identity whose address Google has verified and is authoritative for.
func google(subject, email string) connect.Identity {
	return connect.Identity{
		Connector: "google", Issuer: "https://accounts.google.com", Subject: subject,
		Email: email, EmailVerified: true, EmailAuthoritative: true,
	}
}

// claimed is an identity that only says to have an address.
func claimed(subject, email string) connect.Identity {
	return connect.Identity{Connector: "corp", Issuer: "https://corp.example", Subject: subject, Email: email}
}

func signIn(t testing.TB, d *Directory, id connect.Identity) *storage.User {
	t.Helper()
	user, err := d.SignInWith(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// update changes a user as the operator would.
func update(t testing.TB, d *Directory, username string, change func(*storage.User)) {
	t.Helper()
	user, version, err := storage.Users.Get(t.Context(), d.store, named(t, d, username).ID)
	if err != nil {
		t.Fatal(err)
	}
	change(user)
	if err := d.store.Apply(t.Context(), storage.Users.Put(user.ID, user, storage.At(version), never)); err != nil {
		t.Fatal(err)
	}
}

func TestFirstLoginByEmail(t *testing.T) {
	const address = "alice@example.com"
	verifiedUser := users.User{Username: "alice", Email: address, EmailVerified: true}
	unverifiedUser := users.User{Username: "alice", Email: address}
	notAuthoritative := claimed("1", address)
	notAuthoritative.EmailVerified = true
	notVerified := google("1", address)
	notVerified.EmailVerified = false

	tests := []struct {
		name string
		user users.User
		id   connect.Identity
		want string // ask: whether both are theirs; refuse: without the password; new
	}{
		{"proven on both sides", verifiedUser, google("1", address), "ask"},
		{"proven, another case", verifiedUser, google("1", "Alice@EXAMPLE.com"), "ask"},
		{"not verified upstream", verifiedUser, claimed("1", address), "refuse"},
		{"verified by one who can't know", verifiedUser, notAuthoritative, "refuse"},
		{"authoritative but not verified", verifiedUser, notVerified, "refuse"},
		{"not verified here", unverifiedUser, google("1", address), "refuse"},
		{"not verified anywhere", unverifiedUser, claimed("1", address), "refuse"},
		{"only the username", users.User{Username: address}, google("1", address), "refuse"},
		{"only the username, claimed", users.User{Username: address}, claimed("1", address), "refuse"},
		{"another address", verifiedUser, google("1", "bob@example.com"), "new"},
		{"a look-alike address", verifiedUser, google("1", "alıce@example.com"), "new"},
		{"no address", verifiedUser, google("1", ""), "new"},
		{"nonsense for an address", verifiedUser, google("1", "alice@example.com,x"), "new"},
		{"their username as preferred_username", verifiedUser, connect.Identity{Issuer: "https://corp.example", Subject: "1", PreferredUsername: "alice"}, "new"},
		{"their user id as subject", verifiedUser, connect.Identity{Issuer: "https://corp.example", Subject: "alice"}, "new"},
	}
	for _, tt := range tests {
		d := newDirectory(t, tt.user)
		before, err := d.store.Scan(t.Context(), storage.Users.Table, "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		existing := before[0].Key
		user, err := d.SignInWith(t.Context(), tt.id)
		got := "new"
		if required := (*LinkRequiredError)(nil); errors.As(err, &required) && required.UserID == existing {
			if got = "refuse"; required.Proven {
				got = "ask"
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		} else if user.ID == existing {
			got = "linked unseen"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s (%v, %v)", tt.name, got, tt.want, user, err)
		}
		if got != "new" {
			after, _ := d.store.Scan(t.Context(), storage.Identities.Table, "", "", 10)
			if len(after) != 0 || countUsers(t, d) != 1 {
				t.Errorf("%s: refused, but stored", tt.name)
			}
		}
	}
}

// An upstream that claims a stranger's address must not get hold of the account that the stranger
// makes or has later, nor keep them out.
func TestHijackBeforehand(t *testing.T) {
	const address = "victim@gmail.com"
	d := newDirectory(t)
	attacker := signIn(t, d, claimed("mallory", address))
	if attacker.Profile.EmailVerified || attacker.Username == address {
		t.Errorf("attacker got %+v", attacker)
	}
	victim := signIn(t, d, google("1", address))
	if victim.ID == attacker.ID || !victim.Profile.EmailVerified {
		t.Errorf("victim got %+v", victim)
	}
	if again := signIn(t, d, claimed("mallory", address)); again.ID != attacker.ID {
		t.Errorf("attacker became %+v", again)
	}
	if found, _, err := d.byLogin(t.Context(), address); err != nil || found.ID != victim.ID {
		t.Errorf("the address leads to %+v, %v", found, err)
	}
}

func TestIdentityIsIssuerAndSubject(t *testing.T) {
	d := newDirectory(t)
	first := signIn(t, d, google("1", "alice@gmail.com"))
	if again := signIn(t, d, google("1", "renamed@gmail.com")); again.ID != first.ID || again.Profile.Email != "renamed@gmail.com" {
		t.Errorf("after a new address: %+v", again)
	}
	if other := signIn(t, d, google("2", "")); other.ID == first.ID {
		t.Error("another subject is the same user")
	}
	elsewhere := google("1", "")
	elsewhere.Issuer = "https://corp.example"
	if other := signIn(t, d, elsewhere); other.ID == first.ID {
		t.Error("another issuer's subject is the same user")
	}
	for _, bad := range []connect.Identity{
		{Issuer: "https://corp.example"},
		{Subject: "1"},
		{Issuer: "https://corp.example x", Subject: "1"},
		{Issuer: "https://corp.example", Subject: strings.Repeat("1", storage.MaxKey)},
	} {
		if user, err := d.SignInWith(t.Context(), bad); err == nil {
			t.Errorf("%.60v signed in as %+v", bad, user)
		}
		if err := d.Link(t.Context(), first.ID, bad); err == nil {
			t.Errorf("%.60v was linked", bad)
		}
	}
}

func TestNewUser(t *testing.T) {
	tests := []struct {
		name string
		id   connect.Identity
		want string // username; empty: random
	}{
		{"preferred", connect.Identity{PreferredUsername: "Alice"}, "Alice"},
		{"taken", connect.Identity{PreferredUsername: "BOB"}, ""},
		{"taken, with a proven address", with(google("1", "alice@gmail.com"), "bob"), "alice@gmail.com"},
		{"proven address", google("1", "Alice@gmail.com"), "alice@gmail.com"},
		{"claimed address", claimed("1", "alice@gmail.com"), ""},
		{"claimed address as a name", with(claimed("1", "alice@gmail.com"), "alice@gmail.com"), "alice"},
		{"claimed address in full width", with(claimed("1", "alice@gmail.com"), "alice＠gmail.com"), "alice"},
		{"address whose beginning is taken", with(claimed("1", ""), "bob@example.com"), ""},
		{"address whose beginning is reserved", with(claimed("1", ""), "admin@example.com"), ""},
		{"reserved", with(claimed("1", ""), "root"), ""},
		{"reserved, in capitals", with(claimed("1", ""), "AuthzD"), ""},
		{"looks like a reserved one", with(claimed("1", ""), "аdm1n"), ""},
		{"with a dot in it", with(claimed("1", ""), "ro.ot"), ""},
		{"looks like a user of the file", with(claimed("1", ""), "b0b"), ""},
		{"their letters in another script", with(claimed("1", ""), "bоb"), ""},
		{"two letters that look like one", with(claimed("1", ""), "aclmin"), ""},
		{"small capitals", with(claimed("1", ""), "ᴀdmin"), ""},
		{"a letter of another script", with(claimed("1", ""), "roօt"), ""},
		{"Latin letters in a Japanese name", with(claimed("1", ""), "アリスalice"), "アリスalice"},
		{"another script alone", with(claimed("1", ""), "алиса"), "алиса"},
		{"begins like a reserved one", with(claimed("1", ""), "rooter"), "rooter"},
		{"another's address as a name", with(google("1", "alice@gmail.com"), "victim@gmail.com"), "alice@gmail.com"},
		{"a name that can't be", connect.Identity{PreferredUsername: "Alice Liddell"}, ""},
		{"nothing", connect.Identity{}, ""},
	}
	for _, tt := range tests {
		d := newDirectory(t, users.User{Username: "bob"})
		tt.id.Issuer, tt.id.Subject = "https://upstream.example", "1"
		user := signIn(t, d, tt.id)
		if tt.want == "" && !strings.HasPrefix(user.Username, "user-") || tt.want != "" && user.Username != tt.want {
			t.Errorf("%s: username %q", tt.name, user.Username)
		}
		if user.PasswordHash != "" || user.Disabled || len(user.Roles) != 0 {
			t.Errorf("%s: %+v", tt.name, user)
		}
		key, _ := users.NormalizeUsername(user.Username)
		if stored := named(t, d, key); stored.ID != user.ID {
			t.Errorf("%s: the username leads to %+v", tt.name, stored)
		}
	}
}

func with(id connect.Identity, preferredUsername string) connect.Identity {
	id.PreferredUsername = preferredUsername
	return id
}

// Upstreams send names only on some logins. The values that the user has here stay.
func TestProfile(t *testing.T) {
	d := newDirectory(t)
	id := google("1", "alice@gmail.com")
	signIn(t, d, id)
	id.Name, id.GivenName, id.FamilyName = "Alice Liddell", "Alice", "Liddell"
	id.Picture, id.Locale = "https://example.com/a.png", "en-GB"
	full := storage.Profile{
		Name: "Alice Liddell", GivenName: "Alice", FamilyName: "Liddell", Picture: "https://example.com/a.png",
		Locale: "en-GB", Email: "alice@gmail.com", EmailVerified: true,
	}
	if got := signIn(t, d, id); !reflect.DeepEqual(got.Profile, full) {
		t.Errorf("filled to %+v", got.Profile)
	}
	update(t, d, "alice@gmail.com", func(u *storage.User) { u.Profile.Name = "Lady Alice" })
	full.Name = "Lady Alice"
	for _, later := range []connect.Identity{id, google("1", "alice@gmail.com"), google("1", "other@gmail.com")} {
		full.Email = later.Email
		if got := signIn(t, d, later); !reflect.DeepEqual(got.Profile, full) {
			t.Errorf("changed to %+v", got.Profile)
		}
	}
	key, _ := identityKey(id)
	linked, version, err := storage.Identities.Get(t.Context(), d.store, key)
	if err != nil || linked.Email != "other@gmail.com" || linked.Connector != "google" {
		t.Errorf("identity %+v, %v", linked, err)
	}
	signIn(t, d, google("1", "other@gmail.com"))
	if _, again, _ := storage.Identities.Get(t.Context(), d.store, key); again != version {
		t.Error("a login that brings nothing new writes")
	}
}

func TestDisabledUsersDoNotSignIn(t *testing.T) {
	d := newDirectory(t, users.User{Username: "alice", Email: "alice@gmail.com", EmailVerified: true, Disabled: true})
	if user, err := d.SignInWith(t.Context(), google("1", "alice@gmail.com")); !errors.Is(err, ErrDisabled) {
		t.Errorf("first login: %v, %v", user, err)
	}
	update(t, d, "alice", func(u *storage.User) { u.Disabled = false })
	alice := named(t, d, "alice")
	if _, err := d.LinkProven(t.Context(), alice.ID, google("1", "alice@gmail.com")); err != nil {
		t.Fatal(err)
	}
	update(t, d, "alice", func(u *storage.User) { u.Disabled = true })
	if user, err := d.SignInWith(t.Context(), google("1", "alice@gmail.com")); !errors.Is(err, ErrDisabled) {
		t.Errorf("later login: %v, %v", user, err)
	}
	if err := d.Link(t.Context(), alice.ID, google("2", "")); !errors.Is(err, ErrDisabled) {
		t.Errorf("link: %v", err)
	}
	if err := d.store.Apply(t.Context(), storage.Users.Delete(alice.ID, storage.Any)); err != nil {
		t.Fatal(err)
	}
	if user, err := d.SignInWith(t.Context(), google("1", "alice@gmail.com")); err != nil || user.ID == alice.ID {
		t.Errorf("deleted: %v, %v, want a new user", user, err)
	}
}

func TestLink(t *testing.T) {
	d := newDirectory(t,
		users.User{Username: "alice", Email: "alice@example.com", EmailVerified: true},
		users.User{Username: "bob"})
	alice, bob := named(t, d, "alice"), named(t, d, "bob")
	id := claimed("1", "alice@example.com")
	id.Name = "Alice Liddell"
	for range 2 {
		if err := d.Link(t.Context(), alice.ID, id); err != nil {
			t.Fatal(err)
		}
	}
	user := signIn(t, d, id)
	if user.ID != alice.ID || user.Profile.Name != "Alice Liddell" || !user.Profile.EmailVerified {
		t.Errorf("signed in as %+v", user)
	}
	if err := d.Link(t.Context(), bob.ID, id); !errors.Is(err, ErrIdentityTaken) {
		t.Errorf("bob took it: %v", err)
	}
	if err := d.Link(t.Context(), "nobody", claimed("2", "")); !errors.Is(err, ErrDisabled) {
		t.Errorf("linked to nobody: %v", err)
	}
}

// Two tabs, two replicas: the first logins of one identity make one user.
func TestConcurrentFirstLogins(t *testing.T) {
	for _, tt := range []struct {
		id    connect.Identity
		seeds []users.User
	}{
		{with(google("1", "alice@gmail.com"), "alice"), nil},
		{claimed("1", ""), nil}, // nothing but the identity is the same
	} {
		d := newDirectory(t, tt.seeds...)
		ids := make([]string, 16)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				user, err := d.SignInWith(t.Context(), tt.id)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = user.ID
			})
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("users %v", ids)
				break
			}
		}
		if n := countUsers(t, d); n != 1 {
			t.Errorf("%d users", n)
		}
	}
}

// Different identities of one upstream with one proven address and one preferred name: an address is one
// person's at a time, so they are different people, and one has the address.
func TestConcurrentIdentitiesOfOneAddress(t *testing.T) {
	d := newDirectory(t)
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			if _, err := d.SignInWith(t.Context(), with(google(fmt.Sprint(i), "alice@gmail.com"), "alice")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	users, err := storage.Users.Scan(t.Context(), d.store, "", "", 10)
	with := 0
	for _, u := range users {
		if u.Value.Profile.Email != "" {
			with++
		}
	}
	if err != nil || len(users) != 3 || with != 1 {
		t.Errorf("%d users, %d with the address (%v)", len(users), with, err)
	}
}
