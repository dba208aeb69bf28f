package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

// withMail is a configuration where everybody may sign up, and the mails that are sent.
func withMail() (authz.Config, *mail.Box) {
	box := &mail.Box{}
	return authz.Config{
		Mail: authz.Mail{From: "id@example.com", Transport: box}, Accounts: authz.Accounts{Registration: authz.RegistrationOpen},
	}, box
}

// stillSignsIn fails if Alice can't sign in.
func stillSignsIn(t *testing.T, s *authztest.Server) {
	t.Helper()
	if b := s.NewBrowser(t); b.Authorize(t, authztest.Request(authztest.SPA, nil)).Params.Get("code") == "" {
		t.Error("the true owner of an account does not get in")
	}
}

// heap returns the bytes of the heap that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Sign-ups of strangers are bounded, from one address and from all the world: what is kept, and what stays in memory. An
// account that was there, and a sign-up of before, go on.
func TestFlood_SignUps(t *testing.T) {
	t.Parallel()
	config, box := withMail()
	s, engine := flooded(t, config, time.Hour)
	b := s.NewBrowser(t)
	page := b.Follow(t, b.Get(t, s.URL+"/signup").Submit(t, "signup-submit", url.Values{
		"name": {"Do Dodo"}, "email": {"dodo@example.org"}, "new-password": {"seven lobsters dance a quadrille"},
	}))
	if !page.Has("otp") {
		t.Fatalf("no sign-up: %d %.300s", page.Status, page.Body)
	}
	code := ""
	blackbox.Until(t, "the mail", func() bool {
		for _, m := range box.Mails() {
			code = m.Code
		}
		return code != ""
	})
	asked, from, most := blackbox.Many(60, 100_000), oneAddress, func(began time.Time) int { return allowed(20, 0, began) + 1 }
	long := asked == 100_000 // it runs alone, so the heap is its own
	if long {
		from, most = manyAddresses, func(began time.Time) int { return allowed(2000, 1, began) }
	}
	size, memory, began := engine.Stats().FileBytes, heap(), time.Now()
	statuses := flood(t, s, asked, "/signup", from, func(i int) (string, string) {
		return "application/x-www-form-urlencoded", url.Values{
			"name": {"Stranger"}, "email": {fmt.Sprintf("stranger-%d@example.org", i)}, "new-password": {"a password of a stranger"},
		}.Encode()
	})
	took, kept := time.Since(began), count(t, engine, storage.Proofs.Table)
	grown, used := engine.Stats().FileBytes-size, int64(heap())-int64(memory)
	t.Logf("%d sign-ups in %v: answers %v, %d are kept, the database has grown by %d KiB, the heap by %d KiB", asked, took, statuses, kept, grown>>10, used>>10)
	if kept > most(began) || statuses[http.StatusSeeOther]+statuses[http.StatusTooManyRequests] != asked {
		t.Errorf("%d are kept, answers %v", kept, statuses)
	}
	if grown > mostGrowth || long && used > 20<<20 {
		t.Errorf("the database has grown by %d bytes, the heap by %d", grown, used)
	}
	stillSignsIn(t, s)
	if page = b.Follow(t, page.Submit(t, "verify-submit", url.Values{"otp": {code}})); page.URL.Path != "/account" {
		t.Errorf("the sign-up of before leads to %s: %d", page.URL, page.Status)
	}
}

// However often, and from however many networks, a new password is asked for one address: few mails go out, all answers are
// the same, and the owner still gets in.
func TestFlood_Resets(t *testing.T) {
	t.Parallel()
	config, box := withMail()
	s, engine := flooded(t, config, time.Hour)
	asked := blackbox.Many(40, 1000)
	began := time.Now()
	for _, address := range []string{"alice@example.com", "nobody@example.com"} {
		if statuses := flood(t, s, asked, "/reset", manyAddresses, form(url.Values{"email": {address}})); statuses[http.StatusSeeOther] != asked {
			t.Errorf("%s: answers %v", address, statuses)
		}
	}
	blackbox.Until(t, "an empty outbox", func() bool { return count(t, engine, storage.Deliveries.Table) == 0 })
	sent := map[string]int{}
	for _, m := range box.Mails() {
		sent[strings.ToLower(m.To.Address)]++
	}
	t.Logf("%d resets for each of two addresses in %v: mails %v", asked, time.Since(began), sent)
	if len(sent) != 1 || sent["alice@example.com"] != 3 {
		t.Errorf("mails %v", sent)
	}
	stillSignsIn(t, s)
}
