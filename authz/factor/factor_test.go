package factor_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// house is a store with a user, and the factors of two replicas.
type house struct {
	store    storage.Store
	user     *storage.User
	version  uint64
	replicas [2]*factor.Factors
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	secret, err := keys.NewSecret(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	codes, err := keys.LastingDeriver(t.Context(), store, secret, "recovery codes")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{store: store, user: &storage.User{ID: "alice", Username: "alice"}}
	for i := range h.replicas {
		h.replicas[i] = factor.New(factor.Config{Store: store, Secret: secret, Codes: codes})
	}
	h.apply(t, storage.Users.Put("alice", h.user, storage.Absent, time.Time{}))
	h.read(t)
	return h
}

func (h *house) apply(t *testing.T, writes ...storage.Write) {
	t.Helper()
	if err := h.store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

func (h *house) read(t *testing.T) {
	t.Helper()
	var err error
	if h.user, h.version, err = storage.Users.Get(t.Context(), h.store, "alice"); err != nil {
		t.Fatal(err)
	}
}

// enrol sets up an app whose first code is used, and recovery codes.
func (h *house) enrol(t *testing.T) (secret []byte, codes []string) {
	t.Helper()
	secret, codes = factor.NewSecret(), factor.NewCodes()
	writes, err := h.replicas[0].EnrolWithCodesWrites(h.user, h.version, secret, factor.Code(secret, time.Now()), codes)
	if err != nil {
		t.Fatal(err)
	}
	h.apply(t, writes...)
	h.read(t)
	return secret, codes
}

// RFC 6238 appendix B, SHA-1: the last six of its eight digits.
func TestRFC6238AppendixB(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := factor.Code(secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// RFC 6238 section 5.2: a code counts one step early and late, and once; a code of before the last one never.
func TestRFC6238Section5_2(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secret, _ := h.enrol(t)
	check := func(steps int) error {
		return h.replicas[1].CheckTOTP(t.Context(), h.user, factor.Code(secret, time.Now().Add(time.Duration(steps)*30*time.Second)))
	}
	forget := func() {
		app, version, err := storage.TOTPs.Get(t.Context(), h.store, "alice")
		if err != nil {
			t.Fatal(err)
		}
		app.LastStep, app.Tries = 0, storage.Tries{}
		h.apply(t, storage.TOTPs.Put("alice", app, storage.At(version), time.Time{}))
	}
	if err := check(0); !errors.Is(err, factor.ErrWrong) {
		t.Errorf("the code that set the app up: %v", err)
	}
	forget()
	for _, steps := range []int{-3, 3, 20} {
		if err := check(steps); !errors.Is(err, factor.ErrWrong) {
			t.Errorf("%d steps away: %v", steps, err)
		}
	}
	forget()
	if err := check(1); err != nil {
		t.Errorf("a step early: %v", err)
	}
	for _, steps := range []int{1, 0, -1} {
		if err := check(steps); !errors.Is(err, factor.ErrWrong) {
			t.Errorf("%d, after the newest was used: %v", steps, err)
		}
	}
}

// What was tried too often is not looked at, for five right after each other and then one in half a minute; a hundred in
// a row end the factor, and nothing but its removal brings it back.
func TestTriesAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		secret, codes := h.enrol(t)
		wrong := "000000"
		for steps := -2; steps <= 300; steps++ {
			if factor.Code(secret, time.Now().Add(time.Duration(steps)*30*time.Second)) == wrong {
				t.Log("the code 000000 may come up: another secret")
				secret, codes = h.enrol(t)
				steps = -2
			}
		}
		tried, throttled := 0, new(factor.ThrottledError)
		for tried < 100 {
			err := h.replicas[tried%2].CheckTOTP(t.Context(), h.user, wrong)
			switch {
			case errors.Is(err, factor.ErrWrong):
				tried++
			case errors.As(err, &throttled):
				if tried < 5 || throttled.RetryAfter > 30*time.Second {
					t.Fatalf("after %d: %v", tried, err)
				}
				time.Sleep(throttled.RetryAfter) // in the bubble of synctest
			default:
				t.Fatalf("after %d: %v", tried, err)
			}
		}
		time.Sleep(24 * time.Hour)
		if err := h.replicas[0].CheckTOTP(t.Context(), h.user, factor.Code(secret, time.Now())); !errors.Is(err, factor.ErrNone) {
			t.Errorf("after a hundred in a row: %v", err)
		}
		if set, err := h.replicas[1].Of(t.Context(), "alice"); err != nil || set.TOTP == nil || set.Usable() || set.Codes() != 10 {
			t.Errorf("the set: %+v, %v", set, err)
		}
		if err := h.replicas[1].CheckRecovery(t.Context(), h.user, codes[9]); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
	})
}

// Of racers with one code at two replicas one wins.
func TestCodesCountOnceAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, codes := h.enrol(t)
	var all sync.WaitGroup
	results := make([]error, 20)
	for i := range results {
		all.Go(func() { results[i] = h.replicas[i%2].CheckRecovery(t.Context(), h.user, codes[0]) })
	}
	all.Wait()
	won := 0
	for _, err := range results {
		throttled := new(factor.ThrottledError)
		switch {
		case err == nil:
			won++
		case !errors.Is(err, factor.ErrWrong) && !errors.As(err, &throttled):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
	if set, err := h.replicas[0].Of(t.Context(), "alice"); err != nil || len(set.Recovery.Hashes) != 9 {
		t.Errorf("%+v, %v", set.Recovery, err)
	}
}

// Two set-ups at once: one counts. The codes of the other, and all codes of before, are void.
func TestEnrolmentIsOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, old := h.enrol(t)
	secret := factor.NewSecret()
	first, err := h.replicas[0].EnrolWithCodesWrites(h.user, h.version, secret, factor.Code(secret, time.Now()), factor.NewCodes())
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.replicas[1].EnrolWithCodesWrites(h.user, h.version, secret, factor.Code(secret, time.Now()), factor.NewCodes())
	if err != nil {
		t.Fatal(err)
	}
	h.apply(t, first...)
	if err := h.store.Apply(t.Context(), second...); !storage.IsConflict(err) {
		t.Errorf("the second: %v", err)
	}
	if err := h.replicas[0].CheckRecovery(t.Context(), h.user, old[0]); !errors.Is(err, factor.ErrWrong) {
		t.Errorf("a code of before: %v", err)
	}
	for _, code := range []string{"", "12345", "000000 0", "ABCDEF"} {
		if _, err := h.replicas[0].EnrolWrites(h.user, h.version, secret, code); !errors.Is(err, factor.ErrWrong) {
			t.Errorf("%q sets an app up: %v", code, err)
		}
	}
}

// A device counts for its user, for its time, and until what it rests on changes.
func TestDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.enrol(t)
		value, write := h.replicas[0].RememberWrite(h.user)
		h.apply(t, write)
		known := func(user *storage.User, value string) bool {
			t.Helper()
			known, err := h.replicas[1].Remembers(t.Context(), user, value)
			if err != nil {
				t.Fatal(err)
			}
			return known
		}
		bob, set, renewed := *h.user, *h.user, *h.user
		bob.ID = "bob"
		set.PasswordHash, set.PastHashes = "another", []string{"another"}
		renewed.Profile.Name = "Alice"
		for name, c := range map[string]struct {
			user  *storage.User
			value string
			want  bool
		}{
			"Alice": {h.user, value, true}, "Alice, renamed": {&renewed, value, true}, "Bob": {&bob, value, false},
			"another password": {&set, value, false}, "no value": {h.user, "", false}, "cut": {h.user, value[1:], false},
			"another": {h.user, strings.Repeat("A", 43), false}, "long": {h.user, strings.Repeat("A", 5000), false},
		} {
			if got := known(c.user, c.value); got != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
		time.Sleep(factor.RememberFor - time.Hour)
		if !known(h.user, value) {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Hour)
		if known(h.user, value) {
			t.Error("remembered for too long")
		}
		value, write = h.replicas[0].RememberWrite(h.user)
		h.apply(t, write)
		writes, err := h.replicas[0].RemoveWrites(t.Context(), h.user, h.version)
		if err != nil {
			t.Fatal(err)
		}
		h.apply(t, writes...)
		old := h.user
		h.read(t)
		if known(h.user, value) || known(old, value) {
			t.Error("the device is known after the factors are gone")
		}
		if set, err := h.replicas[0].Of(t.Context(), "alice"); err != nil || set.TOTP != nil || set.Recovery != nil {
			t.Errorf("%+v, %v", set, err)
		}
	})
}

func TestPolicy(t *testing.T) {
	p := factor.Policy{
		Roles: map[string]factor.Level{"admin": factor.Two, "root": factor.PhishingResistant}, Connectors: map[string]factor.Level{"corp": factor.Two},
		Trusted: map[string]bool{"corp": true},
	}
	for _, c := range []struct {
		roles     []string
		connector string
		want      factor.Level
	}{
		{nil, "", factor.One}, {[]string{"staff"}, "", factor.One}, {[]string{"staff", "admin"}, "", factor.Two},
		{[]string{"root", "admin"}, "", factor.PhishingResistant}, {nil, "corp", factor.Two}, {nil, "google", factor.One},
	} {
		if got := p.OfAccount(c.roles, c.connector); got != c.want {
			t.Errorf("%v from %q: %d, want %d", c.roles, c.connector, got, c.want)
		}
	}
	if p.Always(nil) || !p.Always([]string{"admin"}) {
		t.Error("who must always prove two factors")
	}
	for connector, want := range map[string]factor.Level{"corp": factor.Two, "google": factor.One} {
		if got := p.OfUpstream(connector, []string{"pwd", "mfa"}); got != want {
			t.Errorf("mfa of %s: %d", connector, got)
		}
	}
	if got := p.OfUpstream("corp", []string{"pwd", "otp"}); got != factor.One {
		t.Errorf("without mfa: %d", got)
	}
}

func TestSecretAsTyped(t *testing.T) {
	secret := factor.NewSecret()
	typed := factor.Typed(secret)
	if len(typed) != 39 {
		t.Errorf("typed: %q", typed)
	}
	if got, err := factor.ReadSecret(strings.ToLower(typed)); err != nil || !slices.Equal(got, secret) {
		t.Errorf("read: %v", err)
	}
	uri, err := factor.KeyURI(secret, "Ex:ample & Co", "alice@example.com")
	if err != nil || !strings.HasPrefix(uri, "otpauth://totp/Ex%20ample%20&%20Co:alice@example.com?") || !strings.Contains(uri, "secret="+strings.ReplaceAll(typed, " ", "")) {
		t.Errorf("%s, %v", uri, err)
	}
	code, err := factor.NewQR(uri)
	if err != nil || code.Size < 29 || strings.Trim(code.Path, "Mmh.0123456789 ") != "" || !strings.HasPrefix(code.Path, "M4 4.5h7m") || len(code.Path) > 4000 {
		t.Errorf("%+v, %v", code, err)
	}
	if _, err := factor.NewQR(strings.Repeat("a", 5000)); err == nil {
		t.Error("a text that is too long is drawn")
	}
}

func TestRecoveryCodesAreRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		for _, code := range factor.NewCodes() {
			if len(code) != 15 || strings.Trim(code, "0123456789abcdefghjkmnpqrstvwxyz-") != "" || seen[code] {
				t.Fatal(code)
			}
			seen[code] = true
		}
	}
}
