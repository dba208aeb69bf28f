package proof

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

const (
	here   = "the browser that asks"
	userID = "0197-alice"
)

// macs returns what the server secrets give, the current one first.
func macs(secrets ...string) func([]byte) [][sha256.Size]byte {
	return func(message []byte) (all [][sha256.Size]byte) {
		for _, secret := range secrets {
			h := hmac.New(sha256.New, []byte(secret))
			h.Write(message)
			all = append(all, [sha256.Size]byte(h.Sum(nil)))
		}
		return all
	}
}

func open(t testing.TB) (*Proofs, storage.Store) {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return New(Config{Store: store, MAC: macs("secret")}), store
}

func reset() Ask {
	return Ask{Kind: Reset, UserID: userID, Email: "alice@example.com", Browser: here, Remote: "203.0.113.7"}
}

// ask makes a proof as the server does.
func ask(t testing.TB, p *Proofs, a Ask) *Made {
	t.Helper()
	var made *Made
	err := storage.Retry(func() (err error) {
		if made, err = p.Make(t.Context(), a); err != nil {
			return err
		}
		return p.c.Store.Apply(t.Context(), made.Writes...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func wantVoid(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrVoid) {
		t.Errorf("%s: got %v, want ErrVoid", what, err)
	}
}

func TestLinkWorksOnce(t *testing.T) {
	p, store := open(t)
	made := ask(t, p, reset())
	for range 10 { // programs that look into mails open it
		if _, err := p.ByLink(t.Context(), Reset, made.Link); err != nil {
			t.Fatal(err)
		}
	}
	l, err := p.ByLink(t.Context(), Reset, made.Link)
	if err != nil || l.UserID != userID || l.Email != "alice@example.com" || l.Remote != "203.0.113.7" {
		t.Fatalf("got %+v, %v", l, err)
	}
	if err := store.Apply(t.Context(), l.UseWrites()...); err != nil {
		t.Fatal(err)
	}
	if err := store.Apply(t.Context(), l.UseWrites()...); !storage.IsConflict(err) {
		t.Errorf("used twice: %v", err)
	}
	_, err = p.ByLink(t.Context(), Reset, made.Link)
	wantVoid(t, "a used link", err)
	wantVoid(t, "the code of a used link", p.Try(t.Context(), Reset, made.ID, here, made.Code))
}

func TestForgedLinksAreVoid(t *testing.T) {
	p, _ := open(t)
	made, other := ask(t, p, reset()), ask(t, p, Ask{Kind: Email, UserID: userID, Email: "alice@example.org", Browser: here})
	_, secret, _ := strings.Cut(other.Link, ".")
	for _, token := range []string{
		"", ".", made.ID, made.ID + ".", made.ID + "." + secret, "." + made.Link, made.Link + "x", made.Link[:len(made.Link)-1],
		strings.Repeat("a", 22) + "." + secret, strings.Repeat("a", 100_000),
	} {
		if l, err := p.ByLink(t.Context(), Reset, token); !errors.Is(err, ErrVoid) || l != nil {
			t.Errorf("%.60q: got %v, %v", token, l, err)
		}
	}
	_, err := p.ByLink(t.Context(), Reset, other.Link)
	wantVoid(t, "a link of another kind", err)
}

// Of two links of a kind, only the second one works. Other users and other kinds are not affected.
func TestOneLiveProofOfAKind(t *testing.T) {
	p, _ := open(t)
	first := ask(t, p, reset())
	change := ask(t, p, Ask{Kind: Email, UserID: userID, Email: "alice@example.org", Browser: here})
	bob := ask(t, p, Ask{Kind: Reset, UserID: "0198-bob", Email: "bob@example.com", Browser: here})
	if err := p.Try(t.Context(), Reset, first.ID, here, first.Code); err != nil {
		t.Fatal(err)
	}
	second := ask(t, p, reset())

	l, err := p.ByLink(t.Context(), Reset, first.Link)
	wantVoid(t, "the first link", err)
	if l == nil || l.Email != "alice@example.com" {
		t.Errorf("the page can't offer a new link: %+v", l)
	}
	_, err = p.Proved(t.Context(), Reset, first.ID, here)
	wantVoid(t, "the first code, typed before", err)
	for kind, link := range map[string]string{"reset": second.Link, "email": change.Link} {
		if _, err := p.ByLink(t.Context(), Kind(kind), link); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := p.ByLink(t.Context(), Reset, bob.Link); err != nil {
		t.Errorf("Bob's link: %v", err)
	}
}

// Requests at the same moment end with one live link.
func TestConcurrentAsksAndUses(t *testing.T) {
	p, store := open(t)
	links := make([]string, 3)
	var all sync.WaitGroup
	for i := range links {
		all.Go(func() { links[i] = ask(t, p, reset()).Link })
	}
	all.Wait()
	live := slices.DeleteFunc(slices.Clone(links), func(link string) bool {
		_, err := p.ByLink(t.Context(), Reset, link)
		return err != nil
	})
	if len(live) != 1 {
		t.Fatalf("%d of %d links work", len(live), len(links))
	}
	var used atomic.Int32
	for range 8 {
		all.Go(func() {
			err := storage.Retry(func() error {
				l, err := p.ByLink(t.Context(), Reset, live[0])
				if err != nil {
					return err
				}
				return store.Apply(t.Context(), l.UseWrites()...)
			})
			if err == nil {
				used.Add(1)
			} else {
				wantVoid(t, "a loser", err)
			}
		})
	}
	all.Wait()
	if used.Load() != 1 {
		t.Errorf("used %d times", used.Load())
	}
}

func TestCode(t *testing.T) {
	p, _ := open(t)
	made := ask(t, p, reset())
	if len(made.Code) != CodeDigits {
		t.Fatalf("code %q", made.Code)
	}
	_, err := p.Proved(t.Context(), Reset, made.ID, here)
	wantVoid(t, "no code typed", err)
	wantVoid(t, "another browser", p.Try(t.Context(), Reset, made.ID, "another browser", made.Code))
	wantVoid(t, "no browser", p.Try(t.Context(), Reset, made.ID, "", made.Code))
	wantVoid(t, "another kind", p.Try(t.Context(), SignUp, made.ID, here, made.Code))
	if err := p.Try(t.Context(), Reset, made.ID, here, "  "+made.Code[:4]+" - "+made.Code[4:]+" "); err != nil {
		t.Fatal(err)
	}
	_, err = p.Proved(t.Context(), Reset, made.ID, "another browser")
	wantVoid(t, "proved in another browser", err)
	if l, err := p.Proved(t.Context(), Reset, made.ID, here); err != nil || l.UserID != userID {
		t.Errorf("got %+v, %v", l, err)
	}
}

// Five codes may be typed, by many requests at once too; then the right one is refused, and the link still works.
func TestCodeTries(t *testing.T) {
	p, _ := open(t)
	made := ask(t, p, reset())
	wrong := "00000000"
	if made.Code == wrong {
		wrong = "00000001"
	}
	var counted, refused atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch err := p.Try(t.Context(), Reset, made.ID, here, wrong); {
			case errors.Is(err, ErrWrongCode):
				counted.Add(1)
			case errors.Is(err, ErrVoid):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if counted.Load() != MaxTries || refused.Load() != 20-MaxTries {
		t.Errorf("%d counted, %d refused", counted.Load(), refused.Load())
	}
	wantVoid(t, "the right code, too late", p.Try(t.Context(), Reset, made.ID, here, made.Code))
	if _, err := p.ByLink(t.Context(), Reset, made.Link); err != nil {
		t.Errorf("the link: %v", err)
	}
}

func TestLifetimes(t *testing.T) {
	for kind, lifetime := range map[Kind]time.Duration{SignUp: 24 * time.Hour, Reset: time.Hour, Email: time.Hour, Invite: 7 * 24 * time.Hour} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, store := open(t)
				a := reset()
				a.Kind = kind
				made := ask(t, p, a)
				time.Sleep(CodeLifetime - time.Second)
				if err := p.Try(t.Context(), kind, made.ID, here, made.Code); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				wantVoid(t, "a late code", p.Try(t.Context(), kind, made.ID, here, made.Code))
				if _, err := p.Proved(t.Context(), kind, made.ID, here); err != nil {
					t.Fatal(err)
				}
				time.Sleep(CodeLifetime)
				_, err := p.Proved(t.Context(), kind, made.ID, here)
				wantVoid(t, "a late form", err)
				time.Sleep(lifetime - 2*CodeLifetime - 2*time.Second)
				if _, err := p.ByLink(t.Context(), kind, made.Link); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				_, err = p.ByLink(t.Context(), kind, made.Link)
				wantVoid(t, "a late link", err)
				time.Sleep(time.Hour)
				for _, table := range []storage.Table{storage.Proofs.Table, storage.LiveProofs.Table} {
					if left, err := store.Scan(t.Context(), table, "", "", 10); err != nil || len(left) > 0 {
						t.Errorf("%s: %d records are left, %v", table, len(left), err)
					}
				}
			})
		})
	}
}

// A few mails go out at once, and then one every ten minutes. Without a mail, the last link stays live, and a stranger
// gets a decoy.
func TestFewMails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := open(t)
		var last *Made
		mails := 0
		for range 100 {
			made := ask(t, p, reset())
			if made.Link != "" {
				mails, last = mails+1, made
			} else if made.ID != last.ID || made.Code != "" {
				t.Fatalf("the browser that asked lost its code: %+v", made)
			}
		}
		if mails != 3 {
			t.Errorf("%d mails at once", mails)
		}
		stranger := reset()
		stranger.Browser = "another browser"
		decoy := ask(t, p, stranger)
		if decoy.Link != "" || decoy.Code != "" || decoy.ID == last.ID {
			t.Errorf("a stranger got %+v", decoy)
		}
		wantVoid(t, "a code of somebody else's mail", p.Try(t.Context(), Reset, last.ID, stranger.Browser, last.Code))
		for range MaxTries {
			if err := p.Try(t.Context(), Reset, decoy.ID, stranger.Browser, last.Code); !errors.Is(err, ErrWrongCode) {
				t.Errorf("a decoy answers %v", err)
			}
		}
		wantVoid(t, "a sixth code of a decoy", p.Try(t.Context(), Reset, decoy.ID, stranger.Browser, last.Code))
		if _, err := p.ByLink(t.Context(), Reset, last.Link); err != nil {
			t.Errorf("the last link: %v", err)
		}
		for range 24 {
			time.Sleep(mailEvery + time.Second)
			for range 10 {
				if ask(t, p, reset()).Link != "" {
					mails++
				}
			}
		}
		if mails != 3+24 {
			t.Errorf("%d mails after four hours", mails)
		}
	})
}

// The browser that asks can't tell whether a mail goes out.
func TestDecoyLooksLikeAProof(t *testing.T) {
	p, store := open(t)
	nobody := Ask{Kind: Reset, Email: "nobody@example.com", Decoy: true, Browser: here}
	made := ask(t, p, nobody)
	real := ask(t, p, reset())
	if made.Link != "" || made.Code != "" || len(made.ID) != len(real.ID) || len(made.Writes) != len(real.Writes) {
		t.Errorf("got %+v", made)
	}
	for _, id := range []string{made.ID, real.ID} {
		for n := range MaxTries + 1 {
			err, want := p.Try(t.Context(), Reset, id, here, "1234"), ErrWrongCode
			if n == MaxTries {
				want = ErrVoid
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: try %d: %v", id, n, err)
			}
		}
	}
	if shown, err := p.Asked(t.Context(), Reset, made.ID, here); err != nil || shown.Email != nobody.Email {
		t.Errorf("got %v, %v", shown, err)
	}
	_, err := p.Asked(t.Context(), Reset, made.ID, "another browser")
	wantVoid(t, "what another browser asked for", err)
	entries, err := store.Scan(t.Context(), storage.Proofs.Table, "", "", 10)
	if err != nil || len(entries) != 2 {
		t.Errorf("got %d records, %v", len(entries), err)
	}
}

func TestVoidWrites(t *testing.T) {
	p, store := open(t)
	links := map[Kind]string{}
	for _, kind := range []Kind{Reset, Invite, Email} {
		a := reset()
		a.Kind = kind
		links[kind] = ask(t, p, a).Link
	}
	works := func() (works []Kind) {
		for _, kind := range []Kind{Reset, Invite, Email} {
			if _, err := p.ByLink(t.Context(), kind, links[kind]); err == nil {
				works = append(works, kind)
			}
		}
		return works
	}
	if err := store.Apply(t.Context(), VoidWrites(userID, Reset, Invite)...); err != nil {
		t.Fatal(err)
	}
	if got := works(); !slices.Equal(got, []Kind{Email}) {
		t.Errorf("%v work", got)
	}
	if err := store.Apply(t.Context(), AllWrites(userID)...); err != nil {
		t.Fatal(err)
	}
	if got := works(); got != nil {
		t.Errorf("%v work", got)
	}
}

// Two spellings of an address share one live proof. Nothing that could be used is in the store in the clear.
func TestAddressIsTheOwner(t *testing.T) {
	p, store := open(t)
	first := ask(t, p, Ask{Kind: SignUp, Email: "Alice@Example.com", Browser: here, SignUp: &storage.SignUp{Name: "Alice Liddell", PasswordHash: "$hash"}})
	second := ask(t, p, Ask{Kind: SignUp, Email: "alice@example.com", Browser: here})
	_, err := p.ByLink(t.Context(), SignUp, first.Link)
	wantVoid(t, "the first link", err)
	if _, err := p.Make(t.Context(), Ask{Kind: SignUp, Email: "no address"}); err == nil {
		t.Error("a proof of what is no address")
	}
	_, secret, _ := strings.Cut(second.Link, ".")
	for _, table := range []storage.Table{storage.Proofs.Table, storage.LiveProofs.Table} {
		records, err := store.Scan(t.Context(), table, "", "", 10)
		if err != nil || len(records) == 0 {
			t.Fatal(len(records), err)
		}
		for _, r := range records {
			if s := r.Key + string(r.Value); strings.Contains(s, secret) || strings.Contains(s, second.Code) {
				t.Errorf("%s: %s", table, s)
			}
		}
	}
}

// A code that was made before a rotation of the server secret works after it.
func TestCodeOutlivesTheSecret(t *testing.T) {
	p, store := open(t)
	made := ask(t, p, reset())
	rotated := New(Config{Store: store, MAC: macs("new secret", "secret")})
	if err := rotated.Try(t.Context(), Reset, made.ID, here, made.Code); err != nil {
		t.Error(err)
	}
	wantVoid(t, "another secret", func() error {
		again := ask(t, p, reset())
		err := New(Config{Store: store, MAC: macs("unknown")}).Try(t.Context(), Reset, again.ID, here, again.Code)
		if errors.Is(err, ErrWrongCode) {
			return ErrVoid
		}
		return err
	}())
}

func TestPin(t *testing.T) {
	user := storage.User{PasswordHash: "a", PastHashes: []string{"da"}}
	renewed := user
	renewed.PasswordHash = "the same password, hashed again"
	if PinOf(&renewed) != PinOf(&user) {
		t.Error("a hash that was renewed at a sign-in voids links")
	}
	changed, ended, removed := user, user, user
	changed.PasswordHash, changed.PastHashes = "b", []string{"da", "db"}
	ended.Epoch++
	removed.PasswordHash = ""
	for name, u := range map[string]*storage.User{"password": &changed, "epoch": &ended, "no password": &removed} {
		if PinOf(u) == PinOf(&user) {
			t.Errorf("%s: the same pin", name)
		}
	}
}

func TestDigits(t *testing.T) {
	for typed, want := range map[string]string{
		"12345678": "12345678", " 1234 5678\n": "12345678", "1234-5678": "12345678", "1234–5678": "12345678",
		"١٢٣٤٥٦٧٨": "12345678", "۱۲۳۴۵۶۷۸": "12345678", "１２３４５６７８": "12345678", "\u206612345678\u2069": "12345678",
		"": "", "1234567": "1234567", "123456789": "", "1234567x": "", "+12345678": "", "½": "", "²": "",
	} {
		if got := digits(typed); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func FuzzDigits(f *testing.F) {
	for _, s := range []string{"12345678", "1234 5678", "١٢٣٤٥٦٧٨", "𝟏𝟐𝟑𝟒", "\xff1", "1234-5678-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got := digits(typed)
		if len(got) > CodeDigits || strings.Trim(got, "0123456789") != "" || digits(got) != got {
			t.Errorf("%q: %q", typed, got)
		}
	})
}

func FuzzByLink(f *testing.F) {
	p, _ := open(f)
	made, err := p.Make(context.Background(), reset())
	if err == nil {
		err = p.c.Store.Apply(context.Background(), made.Writes...)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", ".", made.ID, made.ID + ".", "a.b", strings.Repeat("a", 22) + "." + strings.Repeat("b", 43)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if l, err := p.ByLink(t.Context(), Reset, token); token != made.Link && (l != nil || !errors.Is(err, ErrVoid)) {
			t.Errorf("%q: %v, %v", token, l, err)
		}
	})
}
