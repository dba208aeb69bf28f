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

// After so many wrong passwords in a row the password is no longer one; the account is, its session goes on, the audit
// log and a mail say so, and the answers do not.
func TestPasswordEnds(t *testing.T) {
	t.Parallel()
	box := &mail.Box{}
	s := authztest.Start(t, authz.Config{
		Operator: &operator.Config{}, Accounts: authz.Accounts{EndPasswordAfter: 5},
		Mail: authz.Mail{From: "id@example.com", Transport: box},
	}, nil)
	home := s.NewBrowser(t)
	home.Code(t, authztest.SPA, nil)
	attacker := s.NewBrowser(t)
	try := func(password string) *authztest.Page {
		login := attacker.Get(t, s.URL+"/login")
		return attacker.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {password}}))
	}
	answer := func(p *authztest.Page) string {
		if !p.Has("problem") {
			t.Fatalf("no problem: %.500s", p.Body)
		}
		return p.Text("problem")
	}
	first := answer(try("wrong"))
	for range 4 {
		if got := answer(try("wrong")); got != first {
			t.Errorf("another answer: %s", got)
		}
	}
	if got := answer(try(authztest.Password)); got != first {
		t.Errorf("the right password afterwards: %s", got)
	}
	sub := blackbox.AliceID(t, s)
	if got := atSocket(s, http.MethodGet, "/v1/users/"+sub).Body.String(); !strings.Contains(got, "password_ended_at") || strings.Contains(got, "has_password") || strings.Contains(got, `"disabled"`) {
		t.Errorf("the user: %s", got)
	}
	if page := home.Get(t, s.URL+"/account"); page.Status != http.StatusOK || !page.Has("logout") {
		t.Errorf("the session: %d", page.Status)
	}
	got := ""
	blackbox.Until(t, "the event", func() bool { // it is sealed a moment later
		got = atSocket(s, http.MethodGet, "/v1/audit/events?type=user.password_ended").Body.String()
		return strings.Contains(got, sub)
	})
	if strings.Count(got, `"outcome":"alarm"`) != 1 {
		t.Errorf("the audit log: %s", got)
	}
	blackbox.Until(t, "a mail", func() bool { return len(box.Mails()) == 1 })
	if m := box.Mails()[0]; m.To.Address != "alice@example.com" || m.Link != s.URL+"/reset" {
		t.Errorf("the mail: %+v", m)
	}
}
