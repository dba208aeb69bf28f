package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/operator"
)

// TestAccountEventsAreCounted once they are in the audit log. What can happen is there from the start, with a zero.
func TestAccountEventsAreCounted(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{
		Operator: &operator.Config{}, Mail: authz.Mail{From: "id@example.com", Transport: box},
		Accounts: authz.Accounts{Registration: authz.RegistrationOpen},
	}, nil)
	metrics := func() string { return atSocket(s, http.MethodGet, "/metrics").Body.String() }
	count := func(event, detail, n string) string {
		return "\nauthzd_account_events_total{detail=\"" + detail + "\",event=\"" + event + "\"} " + n + "\n"
	}
	for _, line := range []string{count("user.created", "sign-up", "0"), count("user.factor_used", "recovery_codes", "0"), count("user.passkey_added", "", "0")} {
		if !strings.Contains(metrics(), line) {
			t.Errorf("no line %s", line)
		}
	}
	b := s.NewBrowser(t)
	page := b.Follow(t, b.Get(t, s.URL+"/signup").Submit(t, "signup-submit", url.Values{"name": {"Dodo"}, "email": {"dodo@example.org"}, "new-password": {otherPassword}}))
	blackbox.Until(t, "a mail", func() bool { return len(box.Mails()) == 1 })
	code := box.Mails()[0].Code
	b.Follow(t, page.Submit(t, "verify-submit", url.Values{"otp": {code[1:] + "x"}}))
	b.Follow(t, page.Submit(t, "verify-submit", url.Values{"otp": {code}}))
	for _, line := range []string{
		count("proof.requested", "signup", "1"), count("proof.failed", "signup", "1"), count("user.created", "sign-up", "1"),
		count("user.created", "other", "1"), // Alice, of the configuration
		count("proof.requested", "reset", "0"),
	} {
		blackbox.Until(t, "the metric"+line, func() bool { return strings.Contains(metrics(), line) })
	}
}
