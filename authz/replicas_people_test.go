package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/operator"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/postgres"
	"github.com/authzd/authzd/storage/postgres/pgtest"
)

const (
	otherPassword = "seven lobsters dance a quadrille"
	nextPassword  = "the mock turtle sang about soup"
	twoFactors    = "urn:authzd:acr:2fa"
)

// pair is two replicas on one PostgreSQL database. Each has its own connections, and they share nothing else.
type pair struct {
	*authztest.Server
	box *mail.Box
}

// wrongInARow is how many wrong passwords end the password of a user of the pair.
const wrongInARow = 4

// flowsOfPeople are what people do. Each begins at one replica and ends at the other, and is refused at both afterwards.
// A flow has a user with the name of its key and the password of authztest.
var flowsOfPeople = map[string]func(p pair, t *testing.T, name string){
	"signup-code": pair.signUpByCode, "signup-link": pair.signUpByLink, "reset": pair.resets, "invitation": pair.invites,
	"email": pair.changesEmail, "stop": pair.stopsChange, "password": pair.changesPassword, "export": pair.exportsAndLeaves,
	"app": pair.setsUpApp, "wrong-codes": pair.typesWrongCodes, "recovery": pair.recovers, "device": pair.remembersDevice,
	"passkey": pair.hasPasskey, "accounts": pair.choosesAccount, "second": nil, "stepup": pair.stepsUp, "not-me": pair.endsNotMe,
	"guessed": pair.losesPassword, "attacked": pair.knowsDevice,
}

// TestReplicasOfPeople: two replicas on PostgreSQL are one for people too.
func TestReplicasOfPeople(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t, pgtest.Options{}).Database(t)
	p := pair{box: &mail.Box{}}
	c := authz.Config{
		Issuer: authztest.Localhost, Operator: &operator.Config{},
		Mail:     authz.Mail{From: "id@example.com", Transport: p.box},
		Accounts: authz.Accounts{Registration: authz.RegistrationOpen, EndPasswordAfter: wrongInARow},
	}
	for name := range flowsOfPeople {
		c.Users = append(c.Users, users.User{Username: name, Password: authztest.Password, Email: name + "@example.com", EmailVerified: true})
	}
	var stores []storage.Store
	for range 2 {
		store, err := postgres.Open(t.Context(), database, postgres.Options{MaxConnections: 8})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		stores = append(stores, store)
	}
	p.Server = authztest.StartReplicas(t, c, nil, stores...)
	t.Run("flows", func(t *testing.T) {
		for name, flow := range flowsOfPeople {
			if flow != nil {
				t.Run(name, func(t *testing.T) { t.Parallel(); flow(p, t, name) })
			}
		}
	})
	sent := map[string]int{}
	for _, m := range p.box.Mails() {
		sent[m.ID]++
	}
	for id, n := range sent {
		if n != 1 {
			t.Errorf("the mail %s was sent %d times", id, n)
		}
	}
}

// browser is a new browser, as it is led to the one replica, and to the other.
func (p pair) browser(t *testing.T) (one, two *authztest.Browser) {
	t.Helper()
	b := p.NewBrowser(t)
	return blackbox.At(b, 0), blackbox.At(b, 1)
}

// post sends the form of a button, and follows the redirects.
func (p pair) post(t *testing.T, b *authztest.Browser, page *authztest.Page, button string, fields url.Values) *authztest.Page {
	t.Helper()
	return p.follow(t, b, b.Do(t, page.Submit(t, button, fields)))
}

// follow follows the redirects within the server.
func (p pair) follow(t *testing.T, b *authztest.Browser, page *authztest.Page) *authztest.Page {
	t.Helper()
	for strings.HasPrefix(page.Header.Get("Location"), p.URL) {
		page = b.Get(t, page.Header.Get("Location"))
	}
	return page
}

// password sends a password, and returns the page that it leads to.
func (p pair) password(t *testing.T, b *authztest.Browser, name, password string) *authztest.Page {
	t.Helper()
	return p.post(t, b, b.Get(t, p.URL+"/login?other=1"), "login-submit", url.Values{"username": {name}, "password": {password}})
}

// signedIn reports whether somebody is signed in in a browser.
func (p pair) signedIn(t *testing.T, b *authztest.Browser) bool {
	t.Helper()
	return b.Get(t, p.URL+"/account").Status == http.StatusOK
}

// accepts reports whether both replicas take a password.
func (p pair) accepts(t *testing.T, name, password string) bool {
	t.Helper()
	one, two := p.browser(t)
	first := !p.password(t, one, name, password).Has("problem")
	_, other := p.browser(t)
	if second := !p.password(t, other, name, password).Has("problem"); first != second {
		t.Errorf("%s: one replica takes the password: %v, the other: %v", name, first, second)
	}
	return first && p.signedIn(t, two)
}

// in returns a browser in which a user has signed in at the first replica.
func (p pair) in(t *testing.T, name string) (one, two *authztest.Browser) {
	t.Helper()
	one, two = p.browser(t)
	if page := p.password(t, one, name, authztest.Password); page.Has("problem") || !p.signedIn(t, two) {
		t.Fatalf("%s does not get in: %s %d %s", name, page.URL, page.Status, page.Text("problem"))
	}
	return one, two
}

// mailTo waits for the newest mail of a kind to an address.
func (p pair) mailTo(t *testing.T, message, to string) (found *mail.Mail) {
	t.Helper()
	blackbox.Until(t, "mail "+message+" to "+to, func() bool {
		for _, m := range p.box.Mails() {
			if found == nil && m.Message == message && m.To.Address == to {
				found = m
			}
		}
		return found != nil
	})
	return found
}

// user returns the user whom an address leads to, nil if there is none.
func (p pair) user(t *testing.T, email string) *storage.User {
	t.Helper()
	ref, _, err := storage.Emails.Get(t.Context(), p.Store, email)
	if err != nil {
		return nil
	}
	user, _, err := storage.Users.Get(t.Context(), p.Store, ref.UserID)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// atOnce sends requests at the same time, one from each browser, and counts the answers for which won is true.
func atOnce(t *testing.T, browsers []*authztest.Browser, requests []*http.Request, won func(*authztest.Browser, *authztest.Page) bool) (winners int) {
	t.Helper()
	answers := make([]*authztest.Page, len(browsers))
	var all sync.WaitGroup
	for i, b := range browsers {
		all.Go(func() { answers[i] = b.Do(t, requests[i]) })
	}
	all.Wait()
	for i, b := range browsers {
		if answers[i].Status >= http.StatusInternalServerError {
			t.Errorf("%s: %d", requests[i].URL.Path, answers[i].Status)
		}
		if won(b, answers[i]) {
			winners++
		}
	}
	return winners
}

// gone wants both replicas to refuse a link.
func (p pair) gone(t *testing.T, what, link string) {
	t.Helper()
	one, two := p.browser(t)
	for i, b := range []*authztest.Browser{one, two} {
		if page := b.Get(t, link); page.Status != http.StatusGone {
			t.Errorf("%s, at replica %d: %d", what, i, page.Status)
		}
	}
}

// typed reads the secret for an authenticator app from the page that shows it.
func typed(t *testing.T, page *authztest.Page) []byte {
	t.Helper()
	secret, err := factor.ReadSecret(page.Text("totp-secret"))
	if err != nil || len(secret) == 0 {
		t.Fatalf("no secret on %s: %v", page.URL, err)
	}
	return secret
}
