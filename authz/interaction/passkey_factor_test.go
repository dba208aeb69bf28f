package interaction_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// demanding is another server on the store of p, which demands a level from admins, such as Alice.
func (p *passkeys) demanding(t *testing.T, level factor.Level) *passkeys {
	t.Helper()
	s := authztest.Start(t, authz.Config{
		Issuer: authztest.Localhost, Store: p.Store, Secret: p.Secret, Users: people,
		Factors: factor.Policy{Roles: map[string]factor.Level{"admin": level}},
	}, nil)
	device := *p.device
	device.Origin = s.URL
	return &passkeys{s, &device}
}

// password signs Alice in by password for an app, up to the next page.
func (p *passkeys) password(t *testing.T) (*authztest.Browser, *authztest.Page) {
	t.Helper()
	b := p.NewBrowser(t)
	return b, blackbox.Password(t, b, p.URL+"/authorize?"+authztest.Request(authztest.SPA, nil).Encode())
}

// follows sends a request, and follows the redirects within the server.
func (p *passkeys) follows(t *testing.T, b *authztest.Browser, request *http.Request) *authztest.Page {
	t.Helper()
	next := b.Do(t, request)
	for strings.HasPrefix(next.Header.Get("Location"), p.URL) {
		next = b.Get(t, next.Header.Get("Location"))
	}
	return next
}

// Who must sign in by passkey and has none adds one after the password, and before there is a session. From then on
// nothing else will do.
func TestPasskeyDemanded(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people})
	p = p.demanding(t, factor.PhishingResistant)
	b, page := p.password(t)
	if !page.Has("passkey-add") || page.Has("passkey-skip") {
		t.Fatalf("no enrolment: %s %d %.300s", page.URL, page.Status, page.Body)
	}
	noSession(t, p.Server, "before the passkey")
	done := p.follows(t, b, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	if done.Redirect(t).Get("code") == "" || len(p.keys(t)) != 1 {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
	amr := func() (amr []string) {
		for entry, err := range storage.Codes.All(t.Context(), p.Store, "") {
			if err != nil {
				t.Fatal(err)
			}
			amr = append(amr, strings.Join(entry.Value.AMR, " "))
		}
		return amr
	}
	if got := amr(); len(got) != 1 || got[0] != "pwd hwk user mfa" {
		t.Errorf("amr %q", got)
	}
	if again := p.follows(t, b, page.Passkey(t, "passkey-add", "{}")); len(p.keys(t)) != 1 || again.Has("passkey-add") {
		t.Errorf("the form counts twice: %s", again.URL)
	}

	// The next sign-in: the password, and then this passkey alone.
	b, page = p.password(t)
	if !page.Has("passkey-login") || page.Has("otp") || page.Has("use-another-way") || page.Has("passkey-add") {
		t.Fatalf("the page asks for something else: %.500s", page.Body)
	}
	sessions := blackbox.Count(t, p.Store, storage.Sessions.Table)
	for _, form := range []url.Values{{"otp": {"123456"}}, {"recovery-code": {"AAAAAAAAAAAAA"}}, {"setup": {"x"}, "otp": {"123456"}}, {"passkey-answer": {"{}"}}, {}} {
		p.follows(t, b, page.Submit(t, "passkey-login", form))
	}
	broken := *p.device
	broken.BogusSignature = true
	refused := p.follows(t, b, page.Passkey(t, "passkey-login", broken.Get(t, page.Asked(t, "passkey-login"))))
	if refused.Text("problem") == "" || blackbox.Count(t, p.Store, storage.Sessions.Table) != sessions {
		t.Errorf("a bogus signature: %s %q", refused.URL, refused.Text("problem"))
	}
	done = p.follows(t, b, refused.Passkey(t, "passkey-login", p.device.Get(t, refused.Asked(t, "passkey-login"))))
	if done.Redirect(t).Get("code") == "" {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}

	// By the passkey alone: nothing more is asked.
	b = p.NewBrowser(t)
	page = b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, nil)))
	done = p.follows(t, b, page.Passkey(t, "passkey-login", p.device.Get(t, page.Asked(t, "passkey-login"))))
	if done.Redirect(t).Get("code") == "" {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
}

// A password is not enough to get a key into an account that has an authenticator app.
func TestPasskeyDemandedWithApp(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people})
	app := blackbox.GiveApp(t, p.Server, blackbox.AliceID(t, p.Server))
	p = p.demanding(t, factor.PhishingResistant)
	b, page := p.password(t)
	if page.Has("passkey-add") || !page.Has("otp") {
		t.Fatalf("a key can be added by the password: %.300s", page.Body)
	}
	other := page.Submit(t, "otp-submit", url.Values{"passkey-answer": {"{}"}, "passkey-ceremony": {"x"}})
	if p.follows(t, b, other); len(p.keys(t)) != 0 {
		t.Error("a key was added by the password")
	}
	page = p.follows(t, b, page.Submit(t, "otp-submit", otp(app.Code(t, p.Server))))
	if !page.Has("passkey-add") {
		t.Fatalf("after the code: %s %.300s", page.URL, page.Body)
	}
	noSession(t, p.Server, "before the passkey")
	done := p.follows(t, b, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	if done.Redirect(t).Get("code") == "" {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
}

// A passkey is a second factor like any other, of its user alone. Who has one is not led to set up an app.
func TestPasskeyAsSecondFactor(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people})
	p.with(t, "alice")
	own := p.device.Keys[0]
	p.device.Keys = nil
	p.with(t, "bob")
	bobs := p.device.Keys[0]
	p = p.demanding(t, factor.Two)
	b, page := p.password(t)
	if !page.Has("passkey-login") || page.Has("totp-secret") {
		t.Fatalf("the page asks for something else: %.300s", page.Body)
	}
	options := page.Asked(t, "passkey-login")
	var asked struct {
		Allow []json.RawMessage `json:"allowCredentials"`
	}
	if err := json.Unmarshal([]byte(options), &asked); err != nil || len(asked.Allow) != 1 {
		t.Errorf("asked for %d keys, %v", len(asked.Allow), err)
	}
	refused := p.follows(t, b, page.Passkey(t, "passkey-login", p.device.Sign(t, bobs, authztest.Challenge(t, options))))
	if refused.Text("problem") == "" {
		t.Fatalf("Bob's key was accepted: %s", refused.URL)
	}
	login := b.Get(t, p.URL+"/login?other=1") // a challenge of the sign-in page, for anybody
	loose := page.Passkey(t, "passkey-login", p.device.Sign(t, bobs, authztest.Challenge(t, login.Asked(t, "passkey-login"))))
	if refused = p.follows(t, b, loose); refused.Text("problem") == "" {
		t.Fatalf("Bob's key was accepted: %s", refused.URL)
	}
	if another := b.Get(t, refused.Link("use-another-way")); !another.Has("way-passkey") {
		t.Error("the other ways leave out the passkey")
	}
	done := p.follows(t, b, refused.Passkey(t, "passkey-login", p.device.Sign(t, own, authztest.Challenge(t, refused.Asked(t, "passkey-login")))))
	if done.Redirect(t).Get("code") == "" {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
}

// A level of hardware asks for a key that cannot leave its device.
func TestPasskeyInHardwareDemanded(t *testing.T) {
	t.Parallel()
	p := startPasskeys(t, authz.Config{Users: people})
	p.device.BackupEligible, p.device.NoCounter = true, true
	p.with(t, "alice")
	p = p.demanding(t, factor.HardwareBound)
	b := p.NewBrowser(t)
	if thief, page := p.password(t); page.Has("passkey-add") || !page.Has("passkey-login") {
		t.Fatalf("the password alone adds a key: %s %.300s", page.URL, page.Body)
	} else if p.follows(t, thief, page.Submit(t, "passkey-login", url.Values{"passkey-answer": {"{}"}, "passkey-ceremony": {"x"}})); len(p.keys(t)) != 1 {
		t.Fatal("a key was added by the password alone")
	}
	page := b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, nil)))
	page = p.follows(t, b, page.Passkey(t, "passkey-login", p.device.Get(t, page.Asked(t, "passkey-login"))))
	if !page.Has("passkey-add") {
		t.Fatalf("a synchronised key is enough: %s", page.URL)
	}
	p.device.BackupEligible, p.device.NoCounter, p.device.Keys = false, false, nil
	done := p.follows(t, b, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	if done.Redirect(t).Get("code") == "" {
		t.Fatalf("%s: %s", done.URL, done.Text("problem"))
	}
}
