package passkey_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/storage"
)

func TestAddRefusesAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*authztest.Authenticator)
		want   passkey.Reason
	}{
		"the person was not there":     {func(a *authztest.Authenticator) { a.NoPresence = true }, passkey.NotVerified},
		"the person was not verified":  {func(a *authztest.Authenticator) { a.NoVerification = true }, passkey.NotVerified},
		"the page was of another site": {func(a *authztest.Authenticator) { a.Origin = "https://evil.example" }, passkey.BadAnswer},
		"backed up, and cannot be":     {func(a *authztest.Authenticator) { a.BackedUp = true }, passkey.BadAnswer},
		"an attestation that is none": {func(a *authztest.Authenticator) {
			a.Attest = func([]byte) (string, map[string]any) { return "none", map[string]any{"x": 1} }
		}, passkey.BadAnswer},
		"an attestation of an unknown format": {func(a *authztest.Authenticator) {
			a.Attest = func([]byte) (string, map[string]any) { return "homemade", map[string]any{} }
		}, passkey.BadAnswer},
		"a bogus attestation": {func(a *authztest.Authenticator) {
			a.Attest = func([]byte) (string, map[string]any) {
				return "packed", map[string]any{"alg": -7, "sig": []byte("bogus")}
			}
		}, passkey.BadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			test.change(f.device)
			_, err := f.tryAdd(t, "alice", false)
			refused(t, err, test.want)
			if found, _ := f.Of(t.Context(), "alice"); len(found) != 0 || len(f.changes) != 0 {
				t.Errorf("a refused answer left %v, %v", found, f.changes)
			}
		})
	}
}

// A browser is asked for a key that can sign in alone, and that its device unlocks; and not for one that is there already.
func TestAddAsksForDiscoverableKeys(t *testing.T) {
	f := start(t, nil)
	f.add(t, "alice")
	offer, err := f.BeginAdd(t.Context(), passkey.By{Browser: browser, Session: session}, f.user(t, "alice"), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"residentKey":"required"`, `"requireResidentKey":true`, `"userVerification":"required"`, `"excludeCredentials":[{`, `"rp":{"name":"Example","id":"id.example.com"}`, `"timeout":120000`} {
		if !strings.Contains(offer.Options, want) {
			t.Errorf("no %s in %s", want, offer.Options)
		}
	}
	for _, asked := range []*passkey.Offer{f.offer(t, ""), f.offer(t, "alice")} {
		if !strings.Contains(asked.Options, `"userVerification":"required"`) || strings.Contains(asked.Ceremony, "alice") {
			t.Errorf("asked %s", asked.Options)
		}
	}
}

// A key is added by the user, browser and session that got the challenge, and once.
func TestAddIsBound(t *testing.T) {
	f := start(t, nil)
	by := passkey.By{Browser: browser, Session: session}
	offer, err := f.BeginAdd(t.Context(), by, f.user(t, "alice"), false)
	if err != nil {
		t.Fatal(err)
	}
	answer := f.device.Create(t, offer.Options)
	_, err = f.Add(t.Context(), passkey.By{Browser: "another", Session: session}, "alice", offer.Ceremony, answer)
	refused(t, err, passkey.OtherBrowser)
	_, err = f.Add(t.Context(), passkey.By{Browser: browser, Session: "another"}, "alice", offer.Ceremony, answer)
	refused(t, err, passkey.OtherUser)
	_, err = f.Add(t.Context(), by, "bob", offer.Ceremony, answer)
	refused(t, err, passkey.OtherUser)
	_, err = f.SignIn(t.Context(), browser, offer.Ceremony, answer)
	refused(t, err, passkey.OtherBrowser)
	if _, err = f.Add(t.Context(), by, "alice", offer.Ceremony, answer); err != nil {
		t.Fatal(err)
	}
	_, err = f.Add(t.Context(), by, "alice", offer.Ceremony, answer)
	refused(t, err, passkey.Used)
	if found, _ := f.Of(t.Context(), "alice"); len(found) != 1 {
		t.Errorf("%d keys", len(found))
	}
}

func TestChallengeIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.add(t, "alice")
		by := passkey.By{Browser: browser, Session: session}
		toAdd, err := f.BeginAdd(t.Context(), by, f.user(t, "bob"), false)
		if err != nil {
			t.Fatal(err)
		}
		offer := f.offer(t, "")
		intime := f.offer(t, "")
		time.Sleep(passkey.Lifetime)
		if _, err := f.SignIn(t.Context(), browser, intime.Ceremony, f.device.Get(t, intime.Options)); err != nil {
			t.Errorf("at the last moment: %v", err)
		}
		time.Sleep(time.Second)
		_, err = f.SignIn(t.Context(), browser, offer.Ceremony, f.device.Get(t, offer.Options))
		refused(t, err, passkey.Expired)
		_, err = f.SignIn(t.Context(), browser, intime.Ceremony, f.device.Get(t, intime.Options))
		refused(t, err, passkey.Expired)
		other := &authztest.Authenticator{Origin: issuer}
		_, err = f.Add(t.Context(), by, "bob", toAdd.Ceremony, other.Create(t, toAdd.Options))
		refused(t, err, passkey.Expired)
	})
}

// A browser that makes a key without asking proves no presence. The key is worth as much as any other, because each
// sign-in with it proves presence and verification.
func TestAddSilently(t *testing.T) {
	f := start(t, nil)
	f.device.NoPresence, f.device.NoVerification, f.device.BackupEligible, f.device.BackedUp = true, true, true, true
	if _, err := f.tryAdd(t, "alice", true); err != nil {
		t.Fatal(err)
	}
	_, err := f.signIn(t)
	refused(t, err, passkey.NotVerified)
	f.device.NoPresence, f.device.NoVerification = false, false
	if _, err := f.signIn(t); err != nil {
		t.Fatal(err)
	}
}

func TestAddIsBounded(t *testing.T) {
	f := start(t, nil)
	for range passkey.MaxOfUser {
		f.device.Keys = nil
		f.add(t, "alice")
	}
	if offer, err := f.BeginAdd(t.Context(), passkey.By{}, f.user(t, "alice"), false); offer != nil || err != nil {
		t.Errorf("an offer to a user with %d keys: %v, %v", passkey.MaxOfUser, offer, err)
	}
}

const model = "2fc0579f-8113-47ea-b116-bb5a8db9202a" // YubiKey 5 Series with NFC

func TestAddOfPermittedModels(t *testing.T) {
	f := start(t, func(c *passkey.Config) { c.Authenticators = []uuid.UUID{uuid.MustParse(model)} })
	_, err := f.tryAdd(t, "alice", false) // a key without a model
	refused(t, err, passkey.NotPermitted)
	f.device = &authztest.Authenticator{Origin: issuer, AAGUID: [16]byte(uuid.MustParse("d548826e-79b4-db40-a3d8-11116f7e8349"))}
	_, err = f.tryAdd(t, "alice", false)
	refused(t, err, passkey.NotPermitted)
	f.device = &authztest.Authenticator{Origin: issuer, AAGUID: [16]byte(uuid.MustParse(model))}
	f.add(t, "alice") // it is believed
}

// With roots, a key must prove its model.
func TestAddOfProvenModels(t *testing.T) {
	root, rootKey := certify(t, nil, nil)
	stranger, strangerKey := certify(t, nil, nil)
	f := start(t, func(c *passkey.Config) {
		c.Authenticators = []uuid.UUID{uuid.MustParse(model)}
		c.Roots = x509.NewCertPool()
		c.Roots.AddCert(root)
	})
	aaguid := [16]byte(uuid.MustParse(model))
	device := func(attest func([]byte) (string, map[string]any)) {
		f.device = &authztest.Authenticator{Origin: issuer, AAGUID: aaguid, Attest: attest}
	}
	device(nil)
	_, err := f.tryAdd(t, "alice", false)
	refused(t, err, passkey.NotPermitted)
	device(packed(t, stranger, strangerKey))
	_, err = f.tryAdd(t, "alice", false)
	refused(t, err, passkey.NotPermitted)
	device(packed(t, root, rootKey))
	f.add(t, "alice")
}

// certify returns a certificate: a root without a parent, otherwise one for attestations of the model.
func certify(t *testing.T, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		Subject: pkix.Name{Country: []string{"SE"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Key"},
	}
	if parent == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
		parent, parentKey = template, key
	} else {
		id := uuid.MustParse(model)
		value, err := asn1.Marshal(id[:])
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: value}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// packed makes attestations with a certificate of a maker (Web Authentication Level 3 section 8.2).
func packed(t *testing.T, root *x509.Certificate, rootKey *ecdsa.PrivateKey) func([]byte) (string, map[string]any) {
	certificate, key := certify(t, root, rootKey)
	return func(signed []byte) (string, map[string]any) {
		sum := sha256.Sum256(signed)
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return "packed", map[string]any{"alg": -7, "sig": signature, "x5c": []any{certificate.Raw}}
	}
}

// Two tabs that remove the last two ways in at once leave one.
func TestRemoveKeepsTheLastWayIn(t *testing.T) {
	f := start(t, nil)
	f.otherWay = false
	first := f.add(t, "alice")
	f.device.Keys = nil
	second := f.add(t, "alice")
	both := make(chan error, 2)
	for _, key := range []*passkey.Passkey{first, second} {
		go func() { both <- f.Remove(t.Context(), "alice", key.ID) }()
	}
	if a, b := <-both, <-both; (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), passkey.ErrLastWayIn) {
		t.Fatalf("%v, %v", a, b)
	}
	found, _ := f.Of(t.Context(), "alice")
	if len(found) != 1 {
		t.Fatalf("%d keys are left", len(found))
	}
	if last, err := f.LastWayIn(t.Context(), f.user(t, "alice"), found); err != nil || last != found[0].ID {
		t.Errorf("the last way in is %q, %v", last, err)
	}
	f.otherWay = true
	if err := f.Remove(t.Context(), "bob", found[0].ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("another user removed it: %v", err)
	}
	if err := f.Remove(t.Context(), "alice", found[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(t.Context(), "alice", found[0].ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

// Removing a key conflicts with any change of its user's record, such as one that takes away the other way in.
func TestRemoveSeesOtherChanges(t *testing.T) {
	var f *fixture
	looked := false
	f = start(t, func(c *passkey.Config) {
		c.OtherWay = func(ctx context.Context, user *storage.User) (bool, error) {
			if looked {
				return user.PasswordHash != "", nil
			}
			looked = true
			changed := *user // another tab takes the password away at this moment
			changed.PasswordHash = ""
			return true, f.store.Apply(ctx, storage.Users.Put(user.ID, &changed, storage.Any, time.Time{}))
		}
	})
	key := f.add(t, "alice")
	if err := f.Remove(t.Context(), "alice", key.ID); !errors.Is(err, passkey.ErrLastWayIn) {
		t.Fatalf("got %v", err)
	}
}

// A key for another relying party id is kept and shown. It is no way in, so it can go.
func TestKeyOfAnotherDomain(t *testing.T) {
	f := start(t, func(c *passkey.Config) { c.RPID = "example.com" })
	f.otherWay = false
	f.add(t, "alice")
	if _, err := f.signIn(t); err != nil { // the domain above the issuer's host
		t.Fatal(err)
	}
	later := f.Passkeys.Config
	later.RPID = ""
	moved, err := passkey.New(later)
	if err != nil {
		t.Fatal(err)
	}
	old := f.offer(t, "")
	_, err = moved.SignIn(t.Context(), browser, old.Ceremony, f.device.Get(t, old.Options))
	refused(t, err, passkey.Expired)
	found, _ := moved.Of(t.Context(), "alice")
	if len(found) != 1 || found[0].Usable {
		t.Fatalf("found %+v", found)
	}
	if offer, err := moved.BeginSignIn(t.Context(), browser, f.user(t, "alice")); offer != nil || err != nil {
		t.Errorf("asked for a key that cannot be used here: %v, %v", offer, err)
	}
	if has, _ := moved.Has(t.Context(), "alice"); has {
		t.Error("a key for another domain counts as a way in")
	}
	if signals := moved.Current(f.user(t, "alice"), found).JSON(); strings.Contains(signals, "example.com\",\"allAccepted") || !strings.Contains(signals, `"allAcceptedCredentialIds":[]`) {
		t.Errorf("signals %s", signals)
	}
	if err := moved.Remove(t.Context(), "alice", found[0].ID); err != nil {
		t.Error(err)
	}
}

func TestRename(t *testing.T) {
	f := start(t, nil)
	key := f.add(t, "alice")
	for _, bad := range []string{"", "  ", strings.Repeat("x", 61), "a\u202eb", "a\x00b", "\xff"} {
		if err := f.Rename(t.Context(), "alice", key.ID, bad); !errors.Is(err, passkey.ErrBadName) {
			t.Errorf("the name %q: %v", bad, err)
		}
	}
	if err := f.Rename(t.Context(), "bob", key.ID, "Mine"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("another user renamed it: %v", err)
	}
	if err := f.Rename(t.Context(), "alice", key.ID, "  My\u2028 <b>phone</b>\n"); err != nil {
		t.Fatal(err)
	}
	if found, _ := f.Of(t.Context(), "alice"); found[0].Name != "My <b>phone</b>" {
		t.Errorf("it is called %q", found[0].Name)
	}
}

func TestDropAll(t *testing.T) {
	f := start(t, nil)
	f.add(t, "alice")
	f.device.Keys = nil
	f.add(t, "alice")
	removed, writes, err := f.DropWrites(t.Context(), "alice")
	if err != nil || len(removed) != 2 {
		t.Fatal(removed, err)
	}
	if err := f.store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	_, err = f.signIn(t)
	refused(t, err, passkey.UnknownKey)
	e := new(passkey.Error)
	if errors.As(err, &e); !strings.Contains(f.Unknown(e.CredentialID).JSON(), `"rpId":"id.example.com"`) {
		t.Errorf("signal %s", f.Unknown(e.CredentialID).JSON())
	}
}
