package acceptance

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/authz/mail/mailtest"
)

// The server is killed while it sends one mail, and right after it has promised another. When it is back, both arrive:
// what was not taken before the kill is sent once, and every attempt has the same Message-ID.
func TestCrashWithMailsToSend(t *testing.T) {
	t.Parallel()
	begun, killed := make(chan struct{}), make(chan struct{})
	post := mailtest.Start(t, mailtest.Config{PlainOnly: true, Text: func(n int, _ mailtest.Mail) error {
		if n > 1 {
			return nil
		}
		close(begun)
		<-killed
		return mailtest.Answer(451, "try again")
	}})
	s := startServer(t, fmt.Sprintf("mail: {from: id@example.com, smtp: {host: %s, port: %d, tls: none, timeout: 1s}}\naccounts: {registration: invite}", mailtest.Host, post.Port))
	operator := &admin.Client{Socket: filepath.Join(s.dir, "admin.sock")}
	found, err := operator.ListUsers(t.Context(), admin.UserQuery{Username: "alice"}, admin.PageQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if err := operator.SendUserLink(t.Context(), found.Items[0].Sub); err != nil {
		t.Fatal(err)
	}
	<-begun
	if _, err := operator.InviteUser(t.Context(), admin.Invite{Email: "bob@example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	close(killed)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}

	inOutbox := func(givenUp bool) int {
		page, err := operator.ListDeliveries(t.Context(), givenUp, admin.PageQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	if inOutbox(false) == 0 {
		t.Error("the mail that was not taken is not in the outbox after the kill")
	}
	for deadline := time.Now().Add(2 * time.Minute); inOutbox(false) > 0 && time.Now().Before(deadline); {
		<-time.After(100 * time.Millisecond)
	}
	ids, times := map[string]map[string]bool{}, map[string]int{}
	for _, m := range post.Received() {
		if ids[m.To] == nil {
			ids[m.To] = map[string]bool{}
		}
		ids[m.To][m.Header("Message-ID")] = true
	}
	for _, m := range post.Taken() {
		times[m.To]++
	}
	if inOutbox(false)+inOutbox(true) > 0 || times["alice@example.com"] != 1 || times["bob@example.com"] == 0 {
		t.Errorf("%d mails wait, %d were given up, and these were taken: %v", inOutbox(false), inOutbox(true), times)
	}
	if len(ids["alice@example.com"]) != 1 || len(ids["bob@example.com"]) != 1 || ids["alice@example.com"][""] {
		t.Errorf("Message-IDs: %v", ids)
	}
}
