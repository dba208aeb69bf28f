package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/mail/mailtest"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// toServer has mails sent to a server of a test.
func toServer(t *testing.T, s *mailtest.Server) func(*Config) {
	t.Helper()
	return func(c *Config) {
		var err error
		c.Mail, err = mail.New(mail.Config{
			Issuer: "https://id.example.com", From: "noreply@example.com", Branding: templates.Branding{Name: "Example"},
			Transport: &mail.SMTP{Server: mailtest.Host, Port: s.Port, TLS: mail.StartTLS, RootCAs: s.Roots, Helo: "id.example.com", Timeout: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func newMailFixture(t *testing.T, c mailtest.Config) (*fixture, *mailtest.Server) {
	t.Helper()
	s := mailtest.Start(t, c)
	return newFixture(t, toServer(t, s)), s
}

// token is in the link of reset, and must be nowhere but in the mail.
const token = "t0ken-that-lets-in"

func reset() mail.Message {
	return mail.ResetPassword{Proof: mail.Proof{Link: "/reset?token=" + token, Until: time.Now().Add(time.Hour)}}
}

func (f *fixture) mail(address string, m mail.Message) {
	f.t.Helper()
	writes := f.Mail(mail.Recipient{UserID: "alice", Address: address, Language: "de"}, m)
	if len(writes) == 0 {
		f.t.Fatal("nothing is to be written")
	}
	if err := f.store.Apply(f.t.Context(), writes...); err != nil {
		f.t.Fatal(err)
	}
}

// stored is everything in the outbox, as it is on the disk.
func (f *fixture) stored() string {
	f.t.Helper()
	recs, err := f.store.Scan(f.t.Context(), storage.Deliveries.Table, "", "", 10_000)
	if err != nil {
		f.t.Fatal(err)
	}
	var stored strings.Builder
	for _, rec := range recs {
		stored.WriteString(rec.Key)
		stored.Write(rec.Value)
	}
	return stored.String()
}

// A mail waits sealed, is sent once, in the user's language, and leaves nothing behind.
func TestMail(t *testing.T) {
	t.Parallel()
	f, s := newMailFixture(t, mailtest.Config{})
	f.mail("alice@example.com", reset())
	if stored := f.stored(); strings.Contains(stored, token) || !strings.Contains(stored, "alice@example.com") {
		t.Errorf("stored: %s", stored)
	}
	f.run()
	f.untilEmpty()
	got := s.Taken()
	if len(got) != 1 || got[0].To != "alice@example.com" || !strings.Contains(got[0].Data, token) || got[0].Header("Content-Language") != "de" {
		t.Fatalf("%+v", got)
	}
	f.until("it is counted", func() bool { return f.counted("authzd_mails_total", observe.Delivered) == 1 })
	if stored := f.stored(); stored != "" {
		t.Errorf("left: %s", stored)
	}
}

// Without mail nothing is written. Nor is a user told at an address that they have not proved.
func TestNoMail(t *testing.T) {
	t.Parallel()
	user := &storage.User{ID: "alice", Profile: storage.Profile{Email: "alice@example.com", EmailVerified: true}}
	f := newFixture(t, nil)
	if f.SendsMail() || f.Mail(mail.Recipient{Address: "alice@example.com"}, reset()) != nil || f.Notify(user, "", reset()) != nil {
		t.Error("there is mail without a configuration")
	}
	f, _ = newMailFixture(t, mailtest.Config{})
	if !f.SendsMail() || len(f.Notify(user, "", reset())) != 1 {
		t.Error("there is no mail")
	}
	user.Profile.EmailVerified = false
	if writes := f.Notify(user, "", reset()); writes != nil {
		t.Errorf("an address that is not proved: %v", writes)
	}
	if writes := f.Mail(mail.Recipient{}, reset()); writes != nil {
		t.Errorf("no address: %v", writes)
	}
}

// Temporary answers are tried again, with the same mail; for good is for good, and the operator sees it.
func TestMailAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		recipient []int // answers to the first recipients; then they are taken
		text      []int // answers to the first mails
		outcome   string
		attempts  int
	}{
		"taken":                 {nil, nil, observe.Delivered, 1},
		"greylisted":            {[]int{451, 450}, nil, observe.Delivered, 3},
		"busy":                  {nil, []int{452, 421}, observe.Delivered, 3},
		"no such user":          {[]int{550}, nil, observe.DeliveryRefused, 1},
		"looks like spam":       {nil, []int{554}, observe.DeliveryRefused, 1},
		"later, then for good":  {[]int{450, 550}, nil, observe.DeliveryRefused, 2},
		"mailbox full, for now": {nil, []int{452}, observe.Delivered, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := func(answers []int, n int) error {
				if n > len(answers) {
					return nil
				}
				return mailtest.Answer(answers[n-1], "not <alice@example.com>")
			}
			f, s := newMailFixture(t, mailtest.Config{
				Recipient: func(n int, _ string) error { return answer(tt.recipient, n) },
				Text:      func(n int, _ mailtest.Mail) error { return answer(tt.text, n) },
			})
			var lost atomic.Pointer[storage.Mail]
			f.config.MailLost = func(_ context.Context, m *storage.Mail, outcome string, code int) []storage.Write {
				if outcome != observe.DeliveryRefused || code < 500 {
					t.Errorf("lost: %s %d", outcome, code)
				}
				lost.Store(m)
				return []storage.Write{storage.Marks.Put("lost", &storage.Mark{}, storage.Absent, time.Time{})}
			}
			f.mail("alice@example.com", reset())
			f.run()
			f.untilEmpty()
			f.until("the outcome is counted", func() bool { return f.counted("authzd_mails_total", tt.outcome) == 1 })
			if n := f.counted("authzd_mails_total", observe.DeliveryFailed); n != float64(tt.attempts-1) {
				t.Errorf("%v failures, want %d", n, tt.attempts-1)
			}
			for _, m := range s.Received() {
				if m != s.Received()[0] {
					t.Errorf("two attempts differ:\n%+v", s.Received())
				}
			}
			_, _, marked := storage.Marks.Get(t.Context(), f.store, "lost")
			failures, alarms := f.failures(), f.counted("authzd_alarms_total", observe.MailUndelivered)
			if tt.outcome == observe.Delivered {
				if len(failures) != 0 || alarms != 0 || lost.Load() != nil || len(s.Taken()) != 1 {
					t.Errorf("failures %+v, %v alarms, taken %+v", failures, alarms, s.Taken())
				}
				return
			}
			if len(failures) != 1 || alarms != 1 || marked != nil || lost.Load() == nil || len(s.Taken()) != 0 {
				t.Fatalf("failures %+v, %v alarms, mark: %v", failures, alarms, marked)
			}
			if d := failures[0].Value; d.Outcome != tt.outcome || d.Attempts != tt.attempts || !strings.Contains(d.Cause, "the server answered 55") || d.Mail.Sealed != nil {
				t.Errorf("%+v %+v", d, d.Mail)
			}
		})
	}
}

// A server that was down gets all that has waited. Meanwhile it is not asked for every mail.
func TestMailServerComesBack(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", mailtest.Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	s := mailtest.Start(t, mailtest.Config{}) // for its certificate
	f := newFixture(t, func(c *Config) {
		toServer(t, s)(c)
		c.Mail.Transport().(*mail.SMTP).Port = port
	})
	const mails = 20
	for i := range mails {
		f.mail(fmt.Sprintf("user%d@example.com", i), mail.AddressChanged{New: "x@example.com"})
	}
	f.run()
	f.until("it fails", func() bool { return f.counted("authzd_mails_total", observe.DeliveryFailed) >= 2 })
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err) // another process has got the port: rare, and not ours to mend
	}
	forward(t, listener, s.Port)
	f.untilEmpty()
	var to []string
	for _, m := range s.Taken() {
		to = append(to, m.To)
	}
	slices.Sort(to)
	if len(slices.Compact(to)) != mails || len(s.Taken()) != mails {
		t.Errorf("%d mails to %v", len(s.Taken()), to)
	}
}

// forward hands connections on to a port.
func forward(t *testing.T, listener net.Listener, port int) {
	t.Helper()
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", net.JoinHostPort(mailtest.Host, strconv.Itoa(port)))
			if err != nil {
				in.Close()
				return
			}
			pump := func(to, from net.Conn) {
				buffer := make([]byte, 4096)
				for {
					n, err := from.Read(buffer)
					if n > 0 {
						if _, err := to.Write(buffer[:n]); err != nil {
							break
						}
					}
					if err != nil {
						break
					}
				}
				to.Close()
				from.Close()
			}
			go pump(in, out)
			go pump(out, in)
		}
	}()
}

// A link that has expired is not sent: it would only confuse.
func TestMailThatIsOfNoUseAnyMore(t *testing.T) {
	t.Parallel()
	f, s := newMailFixture(t, mailtest.Config{})
	f.mail("alice@example.com", mail.ResetPassword{Proof: mail.Proof{Link: "/reset", Until: time.Now().Add(-time.Second)}})
	f.run()
	f.untilEmpty()
	if got := f.failures(); len(got) != 1 || got[0].Value.Outcome != observe.DeliveryGivenUp || got[0].Value.Cause != "its link has expired" {
		t.Errorf("%+v", got)
	}
	if got := s.Received(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// Two replicas send each mail once.
func TestMailReplicas(t *testing.T) {
	t.Parallel()
	a, s := newMailFixture(t, mailtest.Config{})
	b := newReplica(t, a.store, toServer(t, s))
	const mails = 40
	for i := range mails {
		a.mail(fmt.Sprintf("user%d@example.com", i), mail.AddressChanged{New: "x@example.com"})
	}
	a.run()
	b.run()
	a.untilEmpty()
	ids := map[string]bool{}
	for _, m := range s.Taken() {
		ids[m.Header("Message-ID")] = true
	}
	if len(ids) != mails || len(s.Taken()) != mails {
		t.Errorf("%d mails with %d ids, want %d", len(s.Taken()), len(ids), mails)
	}
}

// A process that dies half-way, after the server has taken the mail or before, sends the same mail again.
func TestMailAfterTheProcessDied(t *testing.T) {
	t.Parallel()
	f, s := newMailFixture(t, mailtest.Config{})
	f.mail("alice@example.com", reset())
	before := f.left()[0]
	key, claimed, err := f.claim(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	if r := (mails{&f.config}).try(t.Context(), idOf(key), claimed); r.outcome != observe.Delivered { // and nobody writes that down
		t.Fatalf("%+v", r)
	}
	due, err := storage.DueTime(key)
	if err != nil || time.Until(due) < (mails{&f.config}).patience()-time.Second {
		t.Errorf("another replica takes it at %v, %v", due, err) // too early: it may still be under way
	}
	// The time of the next attempt comes.
	if err := f.store.Apply(t.Context(), storage.Deliveries.Delete(key, storage.Any),
		storage.Deliveries.Put(storage.DueKey(time.Now(), idOf(key)), claimed, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	next := newReplica(t, f.store, toServer(t, s))
	next.run()
	next.untilEmpty()
	got := s.Taken()
	if len(got) != 2 || got[0] != got[1] {
		t.Errorf("the mails differ:\n%+v", got)
	}
}

// A store of the release before, with logout tokens that wait, is opened, and they are delivered.
func TestDeliversWhatAnEarlierReleaseQueued(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := newParty(t, status(200))
	value, err := json.Marshal(map[string]any{"client_id": p.URL, "user_id": "alice", "sid": "sid", "attempts": 2, "ended_at": time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Apply(t.Context(),
		storage.Formats.Put(storage.FormatKey, &storage.Format{Number: 3}, storage.Any, time.Time{}),
		storage.Write{Table: storage.Logouts.Table, Key: storage.DueKey(time.Now(), "jti"), Value: value, If: storage.Absent}); err != nil {
		t.Fatal(err)
	}
	if err := storage.Current.Run(t.Context(), f.store, nil); err != nil {
		t.Fatal(err)
	}
	f.run()
	f.untilEmpty()
	if got := p.got(); len(got) != 1 || got[0] != "sid.jti" {
		t.Errorf("called with %v", got)
	}
}

// A failing mail server is in no client's way, and the log has no address.
func TestMailLogsNoAddress(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	f, _ := newMailFixture(t, mailtest.Config{Recipient: func(int, string) error { return mailtest.Answer(550, "no <alice@example.com>") }})
	f.config.Logger, f.config.Observer = newLog(t, &log)
	f.mail("alice@example.com", reset())
	stop := f.run()
	f.untilEmpty()
	stop()
	if got := log.String(); !strings.Contains(got, observe.MailUndelivered) || strings.Contains(got, "alice@example.com") || strings.Contains(got, token) {
		t.Errorf("log: %s", got)
	}
}

// Run is asked to stop while a server does not answer: it does not wait for ever, and the mail is not lost.
func TestStopsAlthoughTheMailServerHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	f, s := newMailFixture(t, mailtest.Config{Text: func(int, mailtest.Mail) error { <-hang; return nil }})
	t.Cleanup(func() { close(hang) })
	f.config.StopWithin = 50 * time.Millisecond
	f.mail("alice@example.com", reset())
	stop := f.run()
	f.until("it has the mail", func() bool { return len(s.Received()) == 1 })
	stop()
	if left := f.left(); len(left) != 1 || left[0].Value.Attempts != 1 {
		t.Errorf("left: %+v", left)
	}
}
