package interaction_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

// TestFactorMails: the user is told of each recovery code that was used, and once when wrong codes have ended the app or
// the recovery codes. A wrong code alone is no news.
func TestFactorMails(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	mails := func(message string) (found []*mail.Mail) {
		blackbox.Until(t, "an empty outbox", func() bool { return blackbox.Count(t, s.Store, storage.Deliveries.Table) == 0 })
		for _, m := range box.Mails() {
			if m.Message == message {
				found = append(found, m)
			}
		}
		return found
	}
	try := func(way, code string) {
		t.Helper()
		b := s.NewBrowser(t)
		page := b.Get(t, halfWay(t, b, nil).Link("use-another-way"))
		if page.Has("way-" + way) { // otherwise there is one way only
			page = b.Get(t, page.Link("way-"+way))
		}
		fields := url.Values{"otp": {code}}
		if way == "recovery" {
			fields = url.Values{"recovery-code": {code}}
		}
		enter(t, b, page, fields)
	}
	events := func() int {
		return strings.Count(strings.Join(blackbox.AuditLines(t, s.Store), "\n"), `"type":"user.factor_locked"`)
	}

	try("recovery", "0000-00000-0000")
	try("totp", app.WrongCode())
	if n := len(mails("recovery_code_used")) + len(mails("authenticator_locked")); n != 0 || events() != 0 {
		t.Errorf("after one wrong code of each: %d mails, %d events", n, events())
	}
	try("recovery", app.Recovery[0])
	if used := mails("recovery_code_used"); len(used) != 1 || used[0].To.Address != "alice@example.com" ||
		!strings.Contains(used[0].Text, "Codes left: 9") || !strings.Contains(used[0].Text, "127.0.0.1") || strings.Contains(used[0].Text, app.Recovery[0]) {
		t.Errorf("a recovery code was used: %+v", used)
	}

	app.Change(t, s, func(r *storage.TOTP) { r.InARow = 99 })
	try("totp", app.WrongCode())
	if locked := mails("authenticator_locked"); len(locked) != 1 || events() != 1 ||
		!strings.Contains(locked[0].Text, s.URL+"/reset") || !strings.Contains(locked[0].Text, "127.0.0.1") {
		t.Errorf("a hundred wrong codes: %+v, %d events", locked, events())
	}
	codes, version, err := storage.RecoveryCodeSets.Get(t.Context(), s.Store, app.UserID)
	if err != nil {
		t.Fatal(err)
	}
	codes.InARow = 99
	if err := s.Store.Apply(t.Context(), storage.RecoveryCodeSets.Put(app.UserID, codes, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
	b := s.NewBrowser(t)
	page := blackbox.Password(t, b, s.URL+"/login")
	for range 2 { // the second is no news
		b.Do(t, page.Submit(t, "recovery-submit", url.Values{"recovery-code": {"0000-00000-0000"}}))
	}
	if locked := mails("recovery_codes_locked"); len(locked) != 1 || events() != 2 || len(mails("authenticator_locked")) != 1 {
		t.Errorf("a hundred wrong recovery codes: %+v, %d events", locked, events())
	}
}
