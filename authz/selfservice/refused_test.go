package selfservice_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// TestRefusedFormsAreRecorded, with the reason, and never with what was typed.
func TestRefusedFormsAreRecorded(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *authz.Config) { c.Accounts.AllowedDomains = []string{"example.org"} })
	visitor, alice := h.NewBrowser(t), h.SignedIn(t, nil)
	signUp := visitor.Get(t, h.URL+"/signup")
	for _, row := range []struct {
		b                      *authztest.Browser
		path, button, endpoint string
		fields                 url.Values
		want                   string
	}{
		{visitor, "", "signup-submit", "signup", url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {"lobsterdances"}}, "password_too_short"},
		{visitor, "", "signup-submit", "signup", url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {"MailCreated5240"}}, "password_common"},
		{visitor, "", "signup-submit", "signup", url.Values{"name": {"Do\u202eDodo"}, "email": {address}, "new-password": {good}}, "invalid_name"},
		{visitor, "", "signup-submit", "signup", url.Values{"name": {"\u200d"}, "email": {address}, "new-password": {good}}, "invalid_name"},
		{visitor, "", "signup-submit", "signup", url.Values{"name": {"Do Dodo"}, "email": {"dodo@example.net"}, "new-password": {good}}, "domain_not_allowed"},
		{alice, "/account/password", "password-change-submit", "account_password", url.Values{"password": {authztest.Password}, "new-password": {"lobsterdances"}}, "password_too_short"},
		{alice, "/account/profile", "profile-submit", "account_profile", url.Values{"name": {"\u3164"}}, "invalid_name"},
	} {
		page := signUp
		if row.path != "" {
			page = row.b.Get(t, h.URL+row.path)
		}
		if got := post(t, row.b, page, row.button, row.fields); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s %v: %d", row.endpoint, row.fields, got.Status)
		}
		blackbox.Until(t, "an event of "+row.want+" at "+row.endpoint, func() bool {
			return slices.ContainsFunc(blackbox.AuditLines(t, h.Store), func(line string) bool {
				return strings.Contains(line, `"request.refused"`) && strings.Contains(line, `"endpoint":"`+row.endpoint+`"`) && strings.Contains(line, `"error":"`+row.want+`"`)
			})
		})
	}
	for _, typed := range []string{"lobsterdances", "dodo@", "Dodo", good} {
		if all := strings.Join(blackbox.AuditLines(t, h.Store), ""); strings.Contains(all, typed) {
			t.Errorf("the log has %q", typed)
		}
	}
}

// TestSignUpsOfASite: the owner of an IPv6 /48 has thousands of networks, and does not use up what is for all.
func TestSignUpsOfASite(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *authz.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	b := h.NewBrowser(t)
	page := b.Get(t, h.URL+"/signup")
	statuses := map[int]int{}
	for i := range 90 {
		request := page.Submit(t, "signup-submit", url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {"too short"}})
		request.Header.Set("X-Forwarded-For", fmt.Sprintf("2001:db8:1:%x::1", i))
		statuses[b.Do(t, request).Status]++
	}
	if statuses[http.StatusUnprocessableEntity] != 80 || statuses[http.StatusTooManyRequests] != 10 {
		t.Errorf("answers %v", statuses)
	}
	other := page.Submit(t, "signup-submit", url.Values{"name": {"Do Dodo"}, "email": {address}, "new-password": {good}})
	other.Header.Set("X-Forwarded-For", "2001:db8:2::1")
	if page := b.Do(t, other); page.LedTo(t) != "/verify" {
		t.Errorf("another site: %d", page.Status)
	}
}
