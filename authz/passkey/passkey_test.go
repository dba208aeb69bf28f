package passkey_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

const (
	issuer  = "https://id.example.com"
	browser = "the browser"
	session = "the session"
)

// fixture is a store with two users, and the passkeys in it.
type fixture struct {
	*passkey.Passkeys
	store    storage.Store
	mu       sync.Mutex
	changes  []passkey.Change
	otherWay bool
	device   *authztest.Authenticator
}

func start(t *testing.T, adjust func(*passkey.Config)) *fixture {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	secret, err := keys.NewSecret([]byte("0123456789abcdefghijklmnopqrstuv"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: store, otherWay: true, device: &authztest.Authenticator{Origin: issuer}}
	u, _ := url.Parse(issuer)
	c := passkey.Config{
		Store: store, Sealer: secret.Sealer("passkey"), Issuer: u, RPName: "Example",
		OtherWay: func(context.Context, *storage.User) (bool, error) { return f.otherWay, nil },
		Changed: func(_ context.Context, what passkey.Change, _ *storage.User, _ *passkey.Passkey) []storage.Write {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.changes = append(f.changes, what)
			return nil
		},
	}
	if adjust != nil {
		adjust(&c)
	}
	if f.Passkeys, err = passkey.New(c); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"alice", "bob"} {
		user := &storage.User{ID: id, Username: id}
		if err := store.Apply(t.Context(), storage.Users.Put(id, user, storage.Absent, time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fixture) user(t *testing.T, id string) *storage.User {
	t.Helper()
	user, _, err := storage.Users.Get(t.Context(), f.store, id)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// add adds a key of the device to a user.
func (f *fixture) add(t *testing.T, id string) *passkey.Passkey {
	t.Helper()
	added, err := f.tryAdd(t, id, false)
	if err != nil {
		t.Fatalf("add a key: %v", err)
	}
	return added
}

func (f *fixture) tryAdd(t *testing.T, id string, silent bool) (*passkey.Passkey, error) {
	t.Helper()
	by := passkey.By{Browser: browser, Session: session}
	offer, err := f.BeginAdd(t.Context(), by, f.user(t, id), silent)
	if err != nil {
		t.Fatal(err)
	}
	return f.Add(t.Context(), by, id, offer.Ceremony, f.device.Create(t, offer.Options))
}

// offer returns an offer to sign in; user "" is anybody.
func (f *fixture) offer(t *testing.T, user string) *passkey.Offer {
	t.Helper()
	var asked *storage.User
	if user != "" {
		asked = f.user(t, user)
	}
	offer, err := f.BeginSignIn(t.Context(), browser, asked)
	if err != nil {
		t.Fatal(err)
	}
	return offer
}

func (f *fixture) signIn(t *testing.T) (*passkey.Proof, error) {
	t.Helper()
	offer := f.offer(t, "")
	return f.SignIn(t.Context(), browser, offer.Ceremony, f.device.Get(t, offer.Options))
}

// refused fails the test unless an error has this reason.
func refused(t *testing.T, err error, want passkey.Reason) {
	t.Helper()
	if e := new(passkey.Error); !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("got %v, want the reason %s", err, want)
	}
}

func TestPasskeySignsIn(t *testing.T) {
	f := start(t, nil)
	f.device.AAGUID = [16]byte(uuid.MustParse("d548826e-79b4-db40-a3d8-11116f7e8349")) // Bitwarden
	added := f.add(t, "alice")
	if added.Name != "Bitwarden" || added.RPID != "id.example.com" || !added.Usable || added.AAGUID == "" {
		t.Errorf("added %+v", added)
	}
	proof, err := f.signIn(t)
	if err != nil {
		t.Fatal(err)
	}
	if proof.User.ID != "alice" || strings.Join(proof.AMR(), " ") != "hwk user mfa" || !proof.DeviceBound() {
		t.Errorf("proved %+v, amr %v", proof, proof.AMR())
	}
	found, err := f.Of(t.Context(), "alice")
	if err != nil || len(found) != 1 || found[0].LastUsedAt.IsZero() || found[0].SignCount != 1 {
		t.Errorf("kept %+v, %v", found, err)
	}

	f.device.Keys, f.device.BackupEligible, f.device.BackedUp, f.device.NoCounter = nil, true, true, true
	if second := f.add(t, "alice"); second.Name != "Bitwarden (2)" {
		t.Errorf("the second key is called %q", second.Name)
	}
	if proof, err = f.signIn(t); err != nil || strings.Join(proof.AMR(), " ") != "swk user mfa" || proof.DeviceBound() {
		t.Errorf("proved %+v, %v", proof, err)
	}
}

// Keys of an account are asked for by its user alone, and nobody else's are.
func TestPasskeyOfOneUser(t *testing.T) {
	f := start(t, nil)
	if offer := f.offer(t, "alice"); offer != nil {
		t.Error("an offer without a key")
	}
	f.add(t, "alice")
	offer := f.offer(t, "alice")
	if proof, err := f.SignIn(t.Context(), browser, offer.Ceremony, f.device.Get(t, offer.Options)); err != nil || proof.User.ID != "alice" {
		t.Fatalf("%+v, %v", proof, err)
	}
	other := &authztest.Authenticator{Origin: issuer}
	f.device = other
	f.add(t, "bob")
	offer = f.offer(t, "alice")
	_, err := f.SignIn(t.Context(), browser, offer.Ceremony, other.Sign(t, other.Keys[0], authztest.Challenge(t, offer.Options)))
	refused(t, err, passkey.OtherUser)
	other.Keys[0].UserHandle = nil // as authenticators may do if they were told which key
	_, err = f.SignIn(t.Context(), browser, offer.Ceremony, other.Sign(t, other.Keys[0], authztest.Challenge(t, offer.Options)))
	refused(t, err, passkey.UnknownKey)
}

func TestPasskeyRefusesAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*authztest.Authenticator)
		want   passkey.Reason
	}{
		"the person was not there":       {func(a *authztest.Authenticator) { a.NoPresence = true }, passkey.NotVerified},
		"the person was not verified":    {func(a *authztest.Authenticator) { a.NoVerification = true }, passkey.NotVerified},
		"the signature is bogus":         {func(a *authztest.Authenticator) { a.BogusSignature = true }, passkey.BadAnswer},
		"the page was of another site":   {func(a *authztest.Authenticator) { a.Origin = "https://id.example.com.evil.example" }, passkey.BadAnswer},
		"the page was of another port":   {func(a *authztest.Authenticator) { a.Origin = issuer + ":8443" }, passkey.BadAnswer},
		"the page was of a subdomain":    {func(a *authztest.Authenticator) { a.Origin = "https://blog.id.example.com" }, passkey.BadAnswer},
		"the page was not secure":        {func(a *authztest.Authenticator) { a.Origin = "http://id.example.com" }, passkey.BadAnswer},
		"the counter went back":          {func(a *authztest.Authenticator) { a.Keys[0].Counter = 3 }, passkey.Copied},
		"the counter stood still":        {func(a *authztest.Authenticator) { a.NoCounter = true }, passkey.Copied},
		"backed up, and cannot be":       {func(a *authztest.Authenticator) { a.BackedUp = true }, passkey.BadAnswer},
		"another user's handle":          {func(a *authztest.Authenticator) { a.Keys[0].UserHandle = []byte("bob") }, passkey.UnknownKey},
		"nobody's handle":                {func(a *authztest.Authenticator) { a.Keys[0].UserHandle = []byte("nobody") }, passkey.UnknownKey},
		"no handle":                      {func(a *authztest.Authenticator) { a.Keys[0].UserHandle = nil }, passkey.Malformed},
		"a handle that is a path":        {func(a *authztest.Authenticator) { a.Keys[0].UserHandle = []byte("alice/") }, passkey.UnknownKey},
		"a handle that is too long":      {func(a *authztest.Authenticator) { a.Keys[0].UserHandle = make([]byte, 65) }, passkey.Malformed},
		"a key that nobody has":          {func(a *authztest.Authenticator) { a.Keys[0].ID = []byte("another") }, passkey.UnknownKey},
		"a key of another relying party": {func(a *authztest.Authenticator) { a.Keys[0].RPID = "example.org" }, passkey.BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			f.add(t, "alice")
			for range 5 {
				if _, err := f.signIn(t); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := f.Of(t.Context(), "alice")
			offer := f.offer(t, "")
			test.change(f.device)
			_, err := f.SignIn(t.Context(), browser, offer.Ceremony, f.device.Sign(t, f.device.Keys[0], authztest.Challenge(t, offer.Options)))
			refused(t, err, test.want)
			after, _ := f.Of(t.Context(), "alice")
			if after[0].SignCount != before[0].SignCount || after[0].LastUsedAt != before[0].LastUsedAt {
				t.Error("a refused answer changed the key")
			}
		})
	}
}

func TestPasskeyChallenge(t *testing.T) {
	f := start(t, nil)
	f.add(t, "alice")
	offer := f.offer(t, "")
	answer := f.device.Get(t, offer.Options)

	_, err := f.SignIn(t.Context(), "another browser", offer.Ceremony, answer)
	refused(t, err, passkey.OtherBrowser)
	_, err = f.SignIn(t.Context(), browser, f.offer(t, "").Ceremony, answer) // another challenge
	refused(t, err, passkey.BadAnswer)
	_, err = f.Add(t.Context(), passkey.By{Browser: browser, Session: session}, "alice", offer.Ceremony, answer) // for something else
	refused(t, err, passkey.OtherBrowser)
	for _, broken := range []string{"", "x", "%", offer.Ceremony[1:], offer.Ceremony + "AA", strings.Repeat("A", 5000)} {
		if _, err := f.SignIn(t.Context(), browser, broken, answer); err == nil {
			t.Errorf("the ceremony %.20q was accepted", broken)
		}
	}
	if _, err = f.SignIn(t.Context(), browser, offer.Ceremony, answer); err != nil {
		t.Fatal(err)
	}
	_, err = f.SignIn(t.Context(), browser, offer.Ceremony, answer)
	refused(t, err, passkey.Used)
	_, err = f.SignIn(t.Context(), browser, offer.Ceremony, f.device.Get(t, offer.Options))
	refused(t, err, passkey.Used)
}

// One answer that comes to two replicas at once signs in once.
func TestPasskeyChallengeAtOnce(t *testing.T) {
	f := start(t, nil)
	f.add(t, "alice")
	offer := f.offer(t, "")
	answer := f.device.Get(t, offer.Options)
	var wait sync.WaitGroup
	accepted := make(chan error, 8)
	for range cap(accepted) {
		wait.Go(func() {
			_, err := f.SignIn(t.Context(), browser, offer.Ceremony, answer)
			accepted <- err
		})
	}
	wait.Wait()
	close(accepted)
	signedIn := 0
	for err := range accepted {
		if err == nil {
			signedIn++
		} else {
			refused(t, err, passkey.Used)
		}
	}
	if signedIn != 1 {
		t.Errorf("%d sign-ins with one answer", signedIn)
	}
}

// A password manager that says something else about backups than before locks nobody out, and gains nothing by it.
func TestPasskeyBackupFlagsChange(t *testing.T) {
	f := start(t, nil)
	f.device.NoCounter = true
	f.add(t, "alice")
	f.changes = nil
	f.device.BackupEligible, f.device.BackedUp = true, true
	for range 2 {
		if proof, err := f.signIn(t); err != nil || proof.DeviceBound() {
			t.Fatalf("%+v, %v", proof, err)
		}
	}
	f.device.BackupEligible, f.device.BackedUp = false, false
	if proof, err := f.signIn(t); err != nil || proof.DeviceBound() {
		t.Fatalf("a key that could be copied counts as bound to its device: %+v, %v", proof, err)
	}
	if len(f.changes) != 1 || f.changes[0] != passkey.FlagsChanged {
		t.Errorf("recorded %v", f.changes)
	}
}

// The counters of copies of one key may be anything. That is recorded, and nobody is locked out.
func TestPasskeyCountersOfCopies(t *testing.T) {
	f := start(t, nil)
	f.device.BackupEligible = true
	f.add(t, "alice")
	f.device.Keys[0].Counter = 50
	if _, err := f.signIn(t); err != nil {
		t.Fatal(err)
	}
	f.changes = nil
	f.device.Keys[0].Counter = 7
	if _, err := f.signIn(t); err != nil {
		t.Fatal(err)
	}
	if len(f.changes) != 1 || f.changes[0] != passkey.Suspected {
		t.Errorf("recorded %v", f.changes)
	}
}

func TestPasskeyOfDisabledUser(t *testing.T) {
	f := start(t, nil)
	f.add(t, "alice")
	user := f.user(t, "alice")
	user.Disabled = true
	if err := f.store.Apply(t.Context(), storage.Users.Put("alice", user, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
	_, err := f.signIn(t)
	refused(t, err, passkey.Disabled)
}
