package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/mail/mailtest"
	"github.com/authzd/authzd/storage"
)

// mailConfig are the keys of a configuration that sends mail to a server of a test.
func mailConfig(s *mailtest.Server) string {
	return fmt.Sprintf("\nmail: {from: Example <id@example.com>, smtp: {host: %s, port: %d, tls: none}}", mailtest.Host, s.Port)
}

// command runs a command at the socket of the server.
func (o *operated) command(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var started bool
	var stdout bytes.Buffer
	root := newRootCommand(&started)
	root.SetOut(&stdout)
	root.SetErr(&stdout)
	root.SetArgs(append(args, "--admin", o.admin.Socket))
	err = root.ExecuteContext(t.Context())
	return stdout.String(), err
}

// "authzd mail test" says what the mail server answered, in each case what to do, and the attempt is audited.
func TestMailTest(t *testing.T) {
	for name, tt := range map[string]struct {
		server       mailtest.Config
		to           string
		says, hint   string
		status, sent int
	}{
		"taken":            {mailtest.Config{PlainOnly: true}, "alice@example.com", "127.0.0.1:", "", 200, 1},
		"refused":          {mailtest.Config{PlainOnly: true, Recipient: func(int, string) error { return mailtest.Answer(550, "no such mailbox") }}, "alice@example.com", "the server answered 550 5.0.0 no such mailbox", "its answer says why", 502, 0},
		"wants a password": {mailtest.Config{PlainOnly: true, Username: "a", Password: "b"}, "alice@example.com", "the server answered 530", "mail.from", 502, 0},
		"not an address":   {mailtest.Config{PlainOnly: true}, "alice", "is not an address", "", 422, 0},
		"two lines":        {mailtest.Config{PlainOnly: true}, "a@example.com\r\nRCPT TO:<b@example.com>", "has a control character", "", 422, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.Start(t, tt.server)
			o := operateWith(t, nil, mailConfig(s), "")
			out, err := o.command(t, "mail", "test", tt.to)
			if tt.status == 200 {
				if err != nil || !strings.Contains(out, tt.says) || !strings.Contains(out, "250") && !strings.Contains(out, "OK") {
					t.Errorf("%q, %v", out, err)
				}
			} else {
				var h hinted
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v", err)
				} else if h, _ = err.(hinted); !strings.Contains(h.hint, tt.hint) {
					t.Errorf("hint %q", h.hint)
				}
			}
			if got := s.Taken(); len(got) != tt.sent {
				t.Errorf("%+v", got)
			}
			body, err := json.Marshal(admin.TestMail{To: tt.to})
			if err != nil {
				t.Fatal(err)
			}
			before := o.events(t)
			if a := o.at(t, "POST", "/v1/mail/test", "application/json", string(body)); a.status != tt.status {
				t.Errorf("%d %s", a.status, a.body)
			}
			for id, e := range o.events(t) {
				if _, old := before[id]; !old && (e.Type != audit.MailTested || (e.Details["result"] == "sent") != (tt.status == 200)) {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
}

// Without mail, and with a server that is down, the operator is told what to do.
func TestMailTestFails(t *testing.T) {
	o := operate(t, nil)
	if a := o.at(t, "POST", "/v1/mail/test", "application/json", `{"to":"alice@example.com"}`); a.status != http.StatusConflict || !strings.Contains(string(a.body), "mail.smtp.host") {
		t.Errorf("%d %s", a.status, a.body)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(address, ":")
	o = operateWith(t, nil, fmt.Sprintf("\nmail: {from: id@example.com, smtp: {host: %s, port: %s, tls: tls}}", host, port), "")
	if _, err := o.command(t, "mail", "test", "alice@example.com"); err == nil || !strings.Contains(err.Error(), "connect: ") {
		t.Errorf("%v", err)
	}
	s := mailtest.Start(t, mailtest.Config{}) // nobody knows the authority of its certificate
	o = operateWith(t, nil, fmt.Sprintf("\nmail: {from: id@example.com, smtp: {host: %s, port: %d}}", mailtest.Host, s.Port), "")
	_, err = o.command(t, "mail", "test", "alice@example.com")
	if h, _ := err.(hinted); !strings.Contains(h.hint, "outbound.ca_file") {
		t.Errorf("%v, hint %q", err, h.hint)
	}
}

// "authzd outbox list" shows what waits and what was given up, page by page, and no secret of it.
func TestOutboxList(t *testing.T) {
	o := operate(t, nil)
	at := time.Date(2026, 11, 29, 22, 5, 0, 0, time.UTC)
	const each = 5
	var writes []storage.Write
	for i := range each {
		m := &storage.Mail{UserID: "sub-of-alice", To: "alice@example.com", Message: "reset_password", Sealed: []byte("sealed")}
		l := &storage.Logout{ClientID: "web", UserID: "sub-of-alice", Session: "sid-1", EndedAt: at}
		due := at.Add(time.Duration(i) * time.Minute)
		writes = append(writes,
			storage.Deliveries.Put(storage.DueKey(due, fmt.Sprint("mail", i)), &storage.Delivery{QueuedAt: at, Attempts: i, Cause: "it is down", Mail: m}, storage.Absent, time.Time{}),
			storage.Deliveries.Put(storage.DueKey(due, fmt.Sprint("token", i)), &storage.Delivery{QueuedAt: at, Logout: l}, storage.Absent, time.Time{}),
			storage.Deliveries.Put(storage.FailedDeliveries+storage.DueKey(due, fmt.Sprint("lost", i)), &storage.Delivery{QueuedAt: at, Outcome: "refused", Cause: "550 no", Mail: m}, storage.Absent, time.Now().Add(time.Hour)))
	}
	writes = append(writes, storage.Write{Table: storage.Deliveries.Table, Key: storage.DueKey(at, "spoilt"), Value: []byte("["), If: storage.Absent})
	if err := o.store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	for _, givenUp := range []bool{false, true} {
		want, kinds := 2*each, map[string]int{}
		if givenUp {
			want = each
		}
		for size := 1; size < 12; size++ {
			n, q := 0, admin.PageQuery{Size: size}
			for {
				page, err := o.admin.ListDeliveries(t.Context(), givenUp, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page.Items {
					n++
					kinds[d.Kind]++
					if (d.GivenUp != nil) != givenUp || (d.DueAt != nil) == givenUp || (d.Outcome != "") != givenUp || !d.QueuedAt.Equal(at) || d.Sub != "sub-of-alice" {
						t.Errorf("%+v", d)
					}
				}
				if q.Token = page.NextPageToken; q.Token == "" {
					break
				}
			}
			if n != want {
				t.Errorf("pages of %d have %d deliveries, want %d", size, n, want)
			}
		}
	}
	out, err := o.command(t, "outbox", "list")
	if err != nil || strings.Count(out, "alice@example.com") != each || !strings.Contains(out, "it is down") || strings.Contains(out, "sealed") {
		t.Errorf("%s, %v", out, err)
	}
	out, err = o.command(t, "outbox", "list", "--given-up")
	if err != nil || strings.Count(out, "550 no") != each {
		t.Errorf("%s, %v", out, err)
	}
	if a := o.at(t, "GET", "/v1/deliveries?state=lost", "", ""); a.status != http.StatusBadRequest {
		t.Errorf("%d %s", a.status, a.body)
	}
}
