package authz_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
)

// A user is told by mail when a passkey is added or removed. The audit log has that, each sign-in with it, and each
// that was refused with its reason; and nothing that the user has chosen or the authenticator has signed.
func TestPasskeysAreTold(t *testing.T) {
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{Issuer: authztest.Localhost, Mail: authz.Mail{From: "id@example.com", Transport: box}}, nil)
	device := &authztest.Authenticator{Origin: s.URL, AAGUID: [16]byte{1}}
	b := s.NewBrowser(t)
	b.Follow(t, b.Get(t, s.URL+"/login").Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	page := b.Get(t, s.URL+"/account/passkeys")
	page = b.Follow(t, page.Passkey(t, "passkey-add", device.Create(t, page.Asked(t, "passkey-add"))))
	if !page.Has("passkey-added") {
		t.Fatalf("no key was added: %s", page.Text("problem"))
	}
	added := awaitEvents(t, s.Store, audit.PasskeyAdded, 1)[0]
	id := added.Details["passkey"]
	if added.Actor != (audit.Actor{Kind: audit.ByUser, ID: added.UserID}) || id == "" || added.Details["model"] != "01000000-0000-0000-0000-000000000000" {
		t.Errorf("recorded %+v", added)
	}
	b.Follow(t, page.Submit(t, "rename-"+id, url.Values{"name": {"The name of the key"}}))
	try := func() {
		other := s.NewBrowser(t)
		page := other.Get(t, s.URL+"/login")
		other.Follow(t, page.Passkey(t, "passkey-login", device.Get(t, page.Asked(t, "passkey-login"))))
	}
	try()
	if e := awaitEvents(t, s.Store, audit.SignedIn, 2)[1]; e.Details["method"] != "passkey" {
		t.Errorf("recorded %+v", e)
	}
	device.Keys[0].Counter = 0
	try()
	if e := awaitEvents(t, s.Store, audit.SignInFailed, 1)[0]; e.Details["method"] != "passkey" || e.Details["reason"] != "copied" || e.UserID != added.UserID {
		t.Errorf("recorded %+v", e)
	}
	if e := awaitEvents(t, s.Store, audit.PasskeyCopied, 1)[0]; e.Outcome != audit.Alarm || e.Details["refused"] != "true" {
		t.Errorf("recorded %+v", e)
	}
	b.Follow(t, b.Get(t, s.URL+"/account/passkeys").Submit(t, "passkey-remove-"+id, nil))
	if e := awaitEvents(t, s.Store, audit.PasskeyRemoved, 1)[0]; e.Details["passkey"] != id {
		t.Errorf("recorded %+v", e)
	}
	for _, line := range blackbox.AuditLines(t, s.Store) {
		if strings.Contains(line, "The name of the key") || strings.Contains(line, "clientDataJSON") {
			t.Errorf("the audit log has %s", line)
		}
	}
	awaitTrue(t, "both mails are out", func() bool {
		told := map[string]bool{}
		for _, m := range box.Mails() {
			told[m.Message] = true
		}
		return told["passkey_added"] && told["passkey_removed"]
	})
}
