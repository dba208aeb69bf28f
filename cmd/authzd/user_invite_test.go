package main

import (
	"context"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/mail/mailtest"
)

var linkInMail = regexp.MustCompile(`/(signup|reset)\?link=[A-Za-z0-9_.-]+`)

// linkTo waits for mail to an address, and returns the path of the link in the newest one.
func linkTo(t *testing.T, s *mailtest.Server, to string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		taken := s.Taken()
		for i := len(taken) - 1; i >= 0; i-- {
			if taken[i].To != to {
				continue
			}
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(taken[i].Data)))
			if err != nil {
				t.Fatal(err)
			}
			return linkInMail.FindString(string(text))
		}
	}
	t.Fatalf("no mail to %s", to)
	return ""
}

// An operator invites somebody, who chooses a password; and sends a user a link to a new one.
func TestInvite(t *testing.T) {
	s := mailtest.Start(t, mailtest.Config{PlainOnly: true})
	o := operateWith(t, nil, mailConfig(s)+"\naccounts: {registration: invite}", "")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.server.Run(ctx) }() // sends the mails
	defer func() { stop(); <-ended }()
	out, err := o.command(t, "user", "invite", "dodo@example.org", "--role", "bird", "--name", "Dodo")
	if err != nil || !strings.Contains(out, "dodo@example.org") || !strings.Contains(out, "bird") {
		t.Fatalf("%v\n%s", err, out)
	}
	link := linkTo(t, s, "dodo@example.org")
	if !strings.HasPrefix(link, "/signup?link=") {
		t.Fatalf("link %q", link)
	}
	page, err := http.Get(o.public + link)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	if err != nil || page.StatusCode != http.StatusOK || !strings.Contains(string(body), `id="new-password"`) || !strings.Contains(string(body), `value="Dodo"`) {
		t.Fatalf("%d %v\n%s", page.StatusCode, err, body)
	}
	token, err := url.QueryUnescape(strings.TrimPrefix(link, "/signup?link="))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, o.public+"/signup", strings.NewReader(url.Values{
		"link": {token}, "name": {"Do Dodo"}, "new-password": {"seven lobsters dance a quadrille"},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	done, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	done.Body.Close()
	invited := false
	for u, err := range o.admin.Users(t.Context(), admin.UserQuery{Username: "dodo@"}) {
		if err != nil {
			t.Fatal(err)
		}
		invited = u.HasPassword && u.EmailVerified && u.Name == "Do Dodo" && len(u.Roles) == 1
	}
	if done.StatusCode != http.StatusOK || !invited {
		t.Errorf("after the invitation: %d, %v", done.StatusCode, invited)
	}
	if again, err := http.Get(o.public + link); err != nil || again.StatusCode != http.StatusGone {
		t.Errorf("the link a second time: %v %v", again.StatusCode, err)
	}
	if out, err := o.command(t, "user", "set-password", "alice", "--send-link"); err != nil || !strings.Contains(out, "sent a link to alice@example.com") {
		t.Errorf("%v\n%s", err, out)
	}
	if link := linkTo(t, s, "alice@example.com"); !strings.HasPrefix(link, "/reset?link=") {
		t.Errorf("link %q", link)
	}
	if out, err := o.command(t, "user", "set-password", "bob", "--send-link"); err == nil || !strings.Contains(err.Error(), "no e-mail address") {
		t.Errorf("no address: %v\n%s", err, out)
	}
	off := operateWith(t, nil, mailConfig(s), "")
	if out, err := off.command(t, "user", "invite", "dodo@example.org"); err == nil || !strings.Contains(err.Error(), "accounts.registration") {
		t.Errorf("without registration: %v\n%s", err, out)
	}
}
