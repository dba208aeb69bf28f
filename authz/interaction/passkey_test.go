package interaction_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// passkeys is a server whose users can have passkeys, and Alice's authenticator.
type passkeys struct {
	*authztest.Server
	device *authztest.Authenticator
}

func startPasskeys(t *testing.T, c authz.Config) *passkeys {
	t.Helper()
	c.Issuer = authztest.Localhost
	if c.Users == nil {
		c.Users = []users.User{
			{Username: "alice", Password: authztest.Password, Name: "Alice Liddell"},
			{Username: "bob", Password: authztest.Password},
		}
	}
	s := authztest.Start(t, c, nil)
	return &passkeys{s, &authztest.Authenticator{Origin: s.URL}}
}

// signInByPassword opens the sign-in page, and signs in. can says that the browser can have passkeys.
func (p *passkeys) signInByPassword(t *testing.T, b *authztest.Browser, username string, can bool) *authztest.Page {
	t.Helper()
	fields := url.Values{"username": {username}, "password": {authztest.Password}}
	if can {
		fields.Set("can-passkey", "yes")
	}
	return b.Follow(t, b.Get(t, p.URL+"/login").Submit(t, "login-submit", fields))
}

// with returns a browser in which a user is signed in and has added a key of the device.
func (p *passkeys) with(t *testing.T, username string) *authztest.Browser {
	t.Helper()
	b := p.NewBrowser(t)
	p.signInByPassword(t, b, username, false)
	page := b.Get(t, p.URL+"/account/passkeys")
	page = b.Follow(t, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add"))))
	if !page.Has("passkey-added") {
		t.Fatalf("no key was added: %d %s", page.Status, page.Text("problem"))
	}
	return b
}

// signIn signs in by the newest key of the device in a new browser.
func (p *passkeys) signIn(t *testing.T, b *authztest.Browser) *authztest.Page {
	t.Helper()
	page := b.Get(t, p.URL+"/login")
	return b.Follow(t, page.Passkey(t, "passkey-login", p.device.Get(t, page.Asked(t, "passkey-login"))))
}

// keys are the passkeys in the store.
func (p *passkeys) keys(t *testing.T) (found []storage.Entry[storage.Passkey]) {
	t.Helper()
	for entry, err := range storage.Passkeys.All(t.Context(), p.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, entry)
	}
	return found
}

// isSignedIn reports whether a browser has a session.
func (p *passkeys) isSignedIn(t *testing.T, b *authztest.Browser) bool {
	t.Helper()
	return b.Get(t, p.URL+"/account").Status == http.StatusOK
}

func TestPasskeyAlone(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	p.with(t, "alice")
	b := p.NewBrowser(t)
	if page := p.signIn(t, b); page.URL.Path != "/account" {
		t.Fatalf("led to %s: %s", page.URL, page.Text("problem"))
	}
	tokens := b.SignIn(t, authztest.SPA, nil)
	claims := blackbox.Claims(t, tokens.IDToken)
	if amr, _ := json.Marshal(claims["amr"]); string(amr) != `["hwk","user","mfa"]` {
		t.Errorf("amr %s", amr)
	}
	if page := p.NewBrowser(t).Get(t, p.URL+"/login"); !strings.Contains(page.Header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("policy %s", page.Header.Get("Content-Security-Policy"))
	}
}

// In an authorization, with remember-me, and to the app.
func TestPasskeyForAnApp(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	p.with(t, "alice")
	b := p.NewBrowser(t)
	page := b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, nil)))
	request := page.Submit(t, "passkey-login", url.Values{"passkey-answer": {p.device.Get(t, page.Asked(t, "passkey-login"))}, "remember-me": {"true"}})
	answer := b.Walk(t, follow(t, b, request))
	if answer.Params.Get("code") == "" {
		t.Fatalf("%s", answer)
	}
	kept := false
	for _, c := range b.HTTP.Jar.Cookies(page.URL) {
		kept = kept || c.Name == "authzd"
	}
	if !kept {
		t.Error("no session cookie")
	}
}

// Each refusal has a sentence of its own, opens nothing, and is in the audit log with its reason.
func TestPasskeyRefusedOnThePage(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	p.with(t, "alice")
	p.signIn(t, p.NewBrowser(t))
	fresh := *p.device
	for name, test := range map[string]struct {
		change  func(*authztest.Authenticator)
		problem string
	}{
		"no presence":     {func(a *authztest.Authenticator) { a.NoPresence = true }, "didn’t check"},
		"no verification": {func(a *authztest.Authenticator) { a.NoVerification = true }, "didn’t check"},
		"bogus signature": {func(a *authztest.Authenticator) { a.BogusSignature = true }, "wasn’t accepted"},
		"another origin":  {func(a *authztest.Authenticator) { a.Origin = "http://localhost:1" }, "wasn’t accepted"},
		"old counter":     {func(a *authztest.Authenticator) { a.Keys[0].Counter = 0 }, "may have been copied"},
		"unknown key": {func(a *authztest.Authenticator) {
			other := *a.Keys[0]
			other.ID = []byte("a key that was removed")
			a.Keys = []*authztest.AuthenticatorKey{&other}
		}, "isn’t known here"},
		"another user's handle": {func(a *authztest.Authenticator) {
			other := *a.Keys[0]
			other.UserHandle = []byte("somebody else")
			a.Keys = []*authztest.AuthenticatorKey{&other}
		}, "isn’t known here"},
	} {
		b := p.NewBrowser(t)
		device := fresh
		key := *fresh.Keys[0]
		device.Keys = []*authztest.AuthenticatorKey{&key}
		test.change(&device)
		page := b.Get(t, p.URL+"/login")
		page = b.Follow(t, page.Passkey(t, "passkey-login", device.Get(t, page.Asked(t, "passkey-login"))))
		if !strings.Contains(page.Text("problem"), test.problem) || page.Status != http.StatusOK {
			t.Errorf("%s: %d %q", name, page.Status, page.Text("problem"))
		}
		if p.isSignedIn(t, b) {
			t.Errorf("%s: signed in", name)
		}
		if signals := strings.Contains(page.Body, "data-passkey-signals"); signals != strings.Contains(test.problem, "known") {
			t.Errorf("%s: signals are on the page: %v", name, signals)
		}
	}
}

func TestPasskeyWithoutScript(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.NewBrowser(t)
	page := b.Follow(t, b.Get(t, p.URL+"/login").Submit(t, "passkey-login", url.Values{"username": {"alice"}}))
	if !strings.Contains(page.Text("problem"), "couldn’t be asked for") {
		t.Errorf("%d %q", page.Status, page.Text("problem"))
	}
	if page = b.Follow(t, page.Submit(t, "login-submit", url.Values{"username": {"alice"}, "password": {authztest.Password}})); page.URL.Path != "/account" {
		t.Errorf("a plain sign-in from that page led to %s", page.URL)
	}
}

// A challenge counts once, in the browser that got it.
func TestPasskeyChallengeOnThePage(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	p.with(t, "alice")
	b, other := p.NewBrowser(t), p.NewBrowser(t)
	page := b.Get(t, p.URL+"/login")
	answer := p.device.Get(t, page.Asked(t, "passkey-login"))
	other.Get(t, p.URL+"/login")
	if stolen := other.Follow(t, page.Passkey(t, "passkey-login", answer)); stolen.Text("problem") == "" || p.isSignedIn(t, other) {
		t.Errorf("accepted in another browser: %s", stolen.URL)
	}
	if again := b.Follow(t, page.Passkey(t, "passkey-login", answer)); again.URL.Path != "/account" {
		t.Fatalf("refused in its own: %s", again.Text("problem"))
	}
	b.HTTP.Jar.SetCookies(page.URL, []*http.Cookie{{Name: "authzd", Path: "/", MaxAge: -1}})
	if twice := b.Follow(t, page.Passkey(t, "passkey-login", answer)); !strings.Contains(twice.Text("problem"), "too late") || p.isSignedIn(t, b) {
		t.Errorf("accepted twice: %s %q", twice.URL, twice.Text("problem"))
	}
}

// Who must sign in again is asked for their own keys, and nobody else gets in by that page's challenge.
func TestPasskeyReauthentication(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.with(t, "alice")
	b.Code(t, authztest.SPA, nil)
	mine := p.device.Keys[0]
	p.device.Keys = nil
	p.with(t, "bob")
	bobs := p.device.Keys[0]

	page := b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, url.Values{"prompt": {"login"}})))
	options := page.Asked(t, "passkey-login")
	var asked struct {
		Allow []struct{ ID string } `json:"allowCredentials"`
	}
	if err := json.Unmarshal([]byte(options), &asked); err != nil || len(asked.Allow) != 1 {
		t.Fatalf("asked for %d keys, %v", len(asked.Allow), err)
	}
	refused := b.Follow(t, page.Passkey(t, "passkey-login", p.device.Sign(t, bobs, authztest.Challenge(t, options))))
	if refused.Text("problem") == "" {
		t.Fatalf("Bob's key was accepted: %s", refused.URL)
	}
	options = refused.Asked(t, "passkey-login")
	answer := b.Walk(t, follow(t, b, refused.Passkey(t, "passkey-login", p.device.Sign(t, mine, authztest.Challenge(t, options)))))
	if answer.Params.Get("code") == "" {
		t.Fatalf("%s", answer)
	}
	carol := p.NewBrowser(t) // who has none is not asked
	p.signInByPassword(t, carol, "alice", false)
	if err := p.Store.Apply(t.Context(), storage.Passkeys.Delete(p.keys(t)[0].Key, storage.Any), storage.Passkeys.Delete(p.keys(t)[1].Key, storage.Any)); err != nil {
		t.Fatal(err)
	}
	page = carol.Follow(t, redirected(t, carol, carol.Ask(t, authztest.SPA, url.Values{"prompt": {"login"}})))
	if page.Has("passkey-login") || !page.Has("login-submit") {
		t.Error("a user without passkeys is asked for one, or not for the password")
	}
}

// Who has only a passkey can sign in again, and sees no password field.
func TestPasskeyIsTheOnlyWay(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.with(t, "alice")
	for entry, err := range storage.Users.All(t.Context(), p.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		entry.Value.PasswordHash = ""
		if err := p.Store.Apply(t.Context(), storage.Users.Put(entry.Key, entry.Value, storage.At(entry.Version), time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	page := b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, url.Values{"prompt": {"login"}})))
	if page.Has("password") || !page.Has("passkey-login") {
		t.Error("the page asks for a password that does not exist, or for no passkey")
	}
	page = b.Get(t, p.URL+"/account/passkeys")
	id := strings.SplitAfter(p.keys(t)[0].Key, "/")[1]
	if page.Has("passkey-remove-"+id) || !page.Has("last-"+id) {
		t.Error("the last way in can be removed on the page")
	}
	form := url.Values{"remove": {id}}
	if page = b.Follow(t, page.Submit(t, "passkey-add", form)); !strings.Contains(page.Text("problem"), "only way") || len(p.keys(t)) != 1 {
		t.Errorf("%d %q", page.Status, page.Text("problem"))
	}
}

func TestPasskeysPage(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.with(t, "alice")
	id := strings.SplitAfter(p.keys(t)[0].Key, "/")[1]
	if account := b.Get(t, p.URL+"/account"); account.Link("change-passkeys") != p.URL+"/account/passkeys" {
		t.Errorf("the account page leads to %q", account.Link("change-passkeys"))
	}
	page := b.Get(t, p.URL+"/account/passkeys")
	if !strings.Contains(page.Body, "allAcceptedCredentialIds") {
		t.Error("the page signals nothing")
	}
	page = b.Follow(t, page.Submit(t, "rename-"+id, url.Values{"name": {"My <i>phone</i>"}}))
	if p.keys(t)[0].Value.Name != "My <i>phone</i>" || strings.Contains(page.Body, "<i>phone") {
		t.Errorf("it is called %q", p.keys(t)[0].Value.Name)
	}
	if page = b.Follow(t, page.Submit(t, "rename-"+id, url.Values{"name": {"a\u202eb"}})); !strings.Contains(page.Text("problem"), "can’t be used") {
		t.Errorf("%d %q", page.Status, page.Text("problem"))
	}

	bob := p.NewBrowser(t) // nobody touches another's keys
	p.signInByPassword(t, bob, "bob", false)
	page = bob.Get(t, p.URL+"/account/passkeys")
	for _, form := range []url.Values{{"remove": {id}}, {"rename": {id}, "name": {"Bob's"}}} {
		bob.Follow(t, page.Submit(t, "passkey-add", form))
	}
	if keys := p.keys(t); len(keys) != 1 || keys[0].Value.Name != "My <i>phone</i>" {
		t.Errorf("Bob has changed %+v", keys)
	}

	page = b.Get(t, p.URL+"/account/passkeys")
	if page = b.Follow(t, page.Submit(t, "passkey-remove-"+id, nil)); !page.Has("no-passkeys") || len(p.keys(t)) != 0 {
		t.Errorf("%d keys are left", len(p.keys(t)))
	}
	if page = p.signIn(t, p.NewBrowser(t)); !strings.Contains(page.Text("problem"), "isn’t known") {
		t.Errorf("a removed key: %s %q", page.URL, page.Text("problem"))
	}
}

// A key is added right after a sign-in, by the user who signed in: not in an old session, not by another site, not by the
// form of another user.
func TestPasskeyNeedsFreshSignIn(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.NewBrowser(t)
	p.signInByPassword(t, b, "alice", false)
	page := b.Get(t, p.URL+"/account/passkeys")
	answer := p.device.Create(t, page.Asked(t, "passkey-add"))
	foreign := page.Passkey(t, "passkey-add", answer)
	foreign.Header.Set("Origin", "https://evil.example")
	if refused := b.Do(t, foreign); refused.Status != http.StatusForbidden {
		t.Errorf("another site's form: %d", refused.Status)
	}
	for entry, err := range storage.Sessions.All(t.Context(), p.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		entry.Value.AuthTime = entry.Value.AuthTime.Add(-6 * time.Minute)
		if err := p.Store.Apply(t.Context(), storage.Sessions.Put(entry.Key, entry.Value, storage.At(entry.Version), time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if stale := b.Do(t, page.Passkey(t, "passkey-add", answer)); stale.LedTo(t) != "/login" || len(p.keys(t)) != 0 {
		t.Errorf("a stale session: %d %s", stale.Status, stale.LedTo(t))
	}
	if stale := b.Do(t, get(t, p.URL+"/account/passkeys")); stale.LedTo(t) != "/login" {
		t.Errorf("the page of a stale session: %d %s", stale.Status, stale.LedTo(t))
	}
	stranger := p.NewBrowser(t)
	if refused := stranger.Do(t, page.Passkey(t, "passkey-add", answer)); refused.LedTo(t) != "/login" {
		t.Errorf("nobody is signed in: %d %s", refused.Status, refused.LedTo(t))
	}
	p.signInByPassword(t, stranger, "bob", false)
	if other := stranger.Follow(t, page.Passkey(t, "passkey-add", answer)); other.Has("passkey-added") || len(p.keys(t)) != 0 {
		t.Error("Bob has got a key by Alice's form")
	}
}

// The offer comes once after a password sign-in, in a browser that can have passkeys.
func TestPasskeyOffer(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.NewBrowser(t)
	if page := p.signInByPassword(t, b, "alice", false); page.URL.Path != "/account" {
		t.Errorf("a browser that has none is led to %s", page.URL)
	}
	b = p.NewBrowser(t)
	page := p.signInByPassword(t, b, "alice", true)
	if page.URL.Path != "/passkey" || !p.isSignedIn(t, b) {
		t.Fatalf("no offer: %s", page.URL)
	}
	if page = b.Follow(t, page.Submit(t, "passkey-skip", nil)); page.URL.Path != "/account" {
		t.Errorf("after “not now”: %s", page.URL)
	}
	// In an authorization, and declined for good.
	b = p.NewBrowser(t)
	page = b.Follow(t, redirected(t, b, b.Ask(t, authztest.SPA, nil)))
	page = b.Follow(t, page.Submit(t, "login-submit", url.Values{"username": {"alice"}, "password": {authztest.Password}, "can-passkey": {"yes"}}))
	if !page.Has("passkey-add") || strings.Contains(page.Body, "allowCredentials") {
		t.Fatalf("no offer: %s", page.URL)
	}
	answer := b.Walk(t, follow(t, b, page.Submit(t, "passkey-skip", url.Values{"never": {"yes"}})))
	if answer.Params.Get("code") == "" {
		t.Fatalf("%s", answer)
	}
	if page = p.signInByPassword(t, p.NewBrowser(t), "alice", true); page.URL.Path != "/account" {
		t.Errorf("asked again after “don’t ask again”: %s", page.URL)
	}
	// Accepted by another user, who is not asked again.
	b = p.NewBrowser(t)
	page = p.signInByPassword(t, b, "bob", true)
	if page = b.Follow(t, page.Passkey(t, "passkey-add", p.device.Create(t, page.Asked(t, "passkey-add")))); page.URL.Path != "/account" || len(p.keys(t)) != 1 {
		t.Fatalf("%s: %s", page.URL, page.Text("problem"))
	}
	if page = p.signInByPassword(t, p.NewBrowser(t), "bob", true); page.URL.Path != "/account" {
		t.Errorf("a user with a passkey is led to %s", page.URL)
	}
}

// Where only some models may be added, a browser is not left to make a passkey by itself.
func TestPasskeyOfferOfSomeModels(t *testing.T) {
	for want, c := range map[bool]authz.Passkeys{true: {}, false: {Authenticators: []uuid.UUID{uuid.New()}}} {
		p := startPasskeys(t, authz.Config{Passkeys: c})
		page := p.signInByPassword(t, p.NewBrowser(t), "alice", true)
		if got := strings.Contains(page.Body, "&#34;silent&#34;"); got != want || !page.Has("passkey-add") {
			t.Errorf("%+v: made without asking: %v", c, got)
		}
	}
}

// The page of the offer opens nothing to who has not signed in for it.
func TestPasskeyOfferIsBound(t *testing.T) {
	p := startPasskeys(t, authz.Config{})
	b := p.NewBrowser(t)
	page := p.signInByPassword(t, b, "alice", true)
	stranger := p.NewBrowser(t)
	stranger.Get(t, p.URL+"/login")
	answer := p.device.Create(t, page.Asked(t, "passkey-add"))
	if other := stranger.Follow(t, page.Passkey(t, "passkey-add", answer)); len(p.keys(t)) != 0 || p.isSignedIn(t, stranger) {
		t.Errorf("a stranger: %s", other.URL)
	}
	if page := stranger.Follow(t, get(t, p.URL+"/passkey")); page.Has("passkey-add") {
		t.Error("an offer to nobody")
	}
	b.Follow(t, b.Get(t, p.URL+"/login?other=1").Submit(t, "login-submit", url.Values{"username": {"bob"}, "password": {authztest.Password}})) // in another tab
	b.Follow(t, page.Passkey(t, "passkey-add", answer))
	for _, key := range p.keys(t) { // Alice is signed in beside Bob, and it is her page
		if !strings.HasPrefix(key.Key, idOf(t, p.Server, "alice")+"/") {
			t.Errorf("added to Bob: %s", key.Key)
		}
	}
}

// At an IP address there are no passkeys, and nothing speaks of them.
func TestNoPasskeysAtAnAddress(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	if page := s.NewBrowser(t).Get(t, s.URL+"/login"); page.Has("passkey-login") || strings.Contains(page.Body, "<script") {
		t.Error("the sign-in page offers passkeys")
	}
	for _, path := range []string{"/account/passkeys", "/.well-known/webauthn"} {
		if page := b.Get(t, s.URL+path); page.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
}

func TestRelatedOrigins(t *testing.T) {
	p := startPasskeys(t, authz.Config{Passkeys: authz.Passkeys{RelatedOrigins: []string{"https://shop.example.com"}}})
	page := p.NewBrowser(t).Get(t, p.URL+"/.well-known/webauthn")
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "application/json" || strings.TrimSpace(page.Body) != `{"origins":["`+p.URL+`","https://shop.example.com"]}` {
		t.Errorf("%d %s %s", page.Status, page.Header.Get("Content-Type"), page.Body)
	}
}

// redirected returns the request for the page that a page leads to.
func redirected(t *testing.T, b *authztest.Browser, page *authztest.Page) *http.Request {
	t.Helper()
	return get(t, page.Header.Get("Location"))
}

// follow sends a request and returns the URL that the answer leads to.
func follow(t *testing.T, b *authztest.Browser, request *http.Request) string {
	t.Helper()
	return b.Do(t, request).Header.Get("Location")
}

func get(t *testing.T, target string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}
