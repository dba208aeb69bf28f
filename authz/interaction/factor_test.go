package interaction_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/factor"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// twoFactors is the acr of a sign-in with two factors.
const twoFactors = "urn:authzd:acr:2fa"

// people are Alice and Bob, who have the same password.
var people = []users.User{
	{Username: authztest.Username, Password: authztest.Password, Roles: []string{"admin"}, Name: "Alice Liddell"},
	{Username: "bob", Password: authztest.Password},
}

func idOf(t *testing.T, s *authztest.Server, username string) string {
	t.Helper()
	ref, _, err := storage.Usernames.Get(t.Context(), s.Store, username)
	if err != nil {
		t.Fatal(err)
	}
	return ref.UserID
}

// halfWay signs in by password for an app, up to the page for the second factor.
func halfWay(t *testing.T, b *authztest.Browser, change url.Values) *authztest.Page {
	t.Helper()
	page := blackbox.Password(t, b, b.Server.URL+"/authorize?"+authztest.Request(authztest.SPA, change).Encode())
	if !page.Has("otp") || page.Has("totp-secret") {
		t.Fatalf("no page for the second factor: %s %d %.300s", page.URL.Path, page.Status, page.Body)
	}
	return page
}

// enter sends a code, and follows the redirects within the server.
func enter(t *testing.T, b *authztest.Browser, page *authztest.Page, fields url.Values) *authztest.Page {
	t.Helper()
	button := "otp-submit"
	if fields.Has("recovery-code") {
		button = "recovery-submit"
	}
	next := b.Do(t, page.Submit(t, button, fields))
	for strings.HasPrefix(next.Header.Get("Location"), b.Server.URL) {
		next = b.Get(t, next.Header.Get("Location"))
	}
	return next
}

func otp(code string) url.Values { return url.Values{"otp": {code}} }

// noSession fails if the store has a session.
func noSession(t *testing.T, s *authztest.Server, when string) {
	t.Helper()
	if n := blackbox.Count(t, s.Store, storage.Sessions.Table); n != 0 {
		t.Errorf("%s: %d sessions", when, n)
	}
}

// TestSecondFactor: somebody with an authenticator app signs in with both, and tokens say so.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	verifier, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.SPA, challenge)
	page := blackbox.Password(t, b, s.URL+"/authorize?"+params.Encode())
	for name, code := range map[string]string{"wrong": app.WrongCode(), "empty": "", "letters": "abcdef", "long": "1234567", "Arabic": "١٢٣٤٥٦"} {
		if page = enter(t, b, page, otp(code)); !page.Has("problem") || !page.Has("otp") {
			t.Fatalf("%s code: %d %.300s", name, page.Status, page.Body)
		}
	}
	noSession(t, s, "after wrong codes")
	code := app.Code(t, s)
	got := enter(t, b, page, otp(code[:3]+" "+code[3:])).Redirect(t)
	tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(got.Get("code"), verifier))
	claims := blackbox.Claims(t, tokens.IDToken)
	if fmt.Sprint(claims["amr"]) != "[pwd otp mfa]" || claims["acr"] != twoFactors {
		t.Errorf("amr %v, acr %v", claims["amr"], claims["acr"])
	}
	if blackbox.SessionCookie(t, b) == "" {
		t.Error("no session")
	}
	if page := b.Get(t, s.URL+"/login/factor"); page.LedTo(t) != "/account" {
		t.Errorf("the page of a sign-in that is complete: %d %s", page.Status, page.LedTo(t))
	}
}

// TestHalfSessionOpensNothing: with the password alone, nothing opens but the page for the second factor.
func TestHalfSessionOpensNothing(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	page := halfWay(t, b, nil)
	if blackbox.SessionCookie(t, b) != "" {
		t.Error("there is a session cookie")
	}
	noSession(t, s, "with the password alone")
	flow := "?flow=" + url.QueryEscape(page.URL.Query().Get("flow"))
	for _, path := range []string{"/account", "/consent" + flow, "/select-account" + flow, "/link" + flow, "/authorize" + flow, "/device?user_code=BCDF-GHJK"} {
		got := b.Get(t, s.URL+path)
		for strings.HasPrefix(got.Header.Get("Location"), s.URL) {
			got = b.Get(t, got.Header.Get("Location"))
		}
		if !got.Has("login-submit") && !got.Has("error-code") && !got.Has("device-submit") || strings.Contains(got.Body, "Liddell") {
			t.Errorf("%s: %s %d %.200s", path, got.URL.Path, got.Status, got.Body)
		}
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" || got.Has("code") {
		t.Errorf("prompt=none: %v", got)
	}
	if got := b.Get(t, s.URL+"/session"); strings.Contains(got.Body, `"active":true`) {
		t.Errorf("/session: %s", got.Body)
	}
	for _, path := range []string{"/account", "/consent", "/select-account"} {
		request, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader("sign-out-everywhere=yes&decision=allow&account=continue&flow="+url.QueryEscape(page.URL.Query().Get("flow"))))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", s.URL)
		if got := b.Do(t, request); got.Has("code") || strings.Contains(got.Header.Get("Location"), "code=") {
			t.Errorf("POST %s: %d %s", path, got.Status, got.Header.Get("Location"))
		}
	}
	noSession(t, s, "after all of them")
}

// TestHalfSessionIsBound: a sign-in that waits for a factor belongs to its browser and its flow, and ends with what it
// rests on.
func TestHalfSessionIsBound(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: people}, nil)
	alice := idOf(t, s, "alice")
	app := blackbox.GiveApp(t, s, alice)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(t *testing.T, b *authztest.Browser) *authztest.Browser{
		"in another browser": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			other := s.NewBrowser(t)
			other.Get(t, s.URL+"/login") // it has a name of its own
			for _, c := range b.HTTP.Jar.Cookies(u) {
				if strings.HasSuffix(c.Name, "-half") {
					blackbox.SetCookies(t, other, c)
				}
			}
			return other
		},
		"after a password change": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			blackbox.ChangeUser(t, s, alice, func(user *storage.User) { user.PastHashes = append(user.PastHashes, "another") })
			return b
		},
		"after a sign-out everywhere": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			blackbox.ChangeUser(t, s, alice, func(user *storage.User) { user.Epoch++ })
			return b
		},
		"after a change of the factors": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			blackbox.ChangeUser(t, s, alice, func(user *storage.User) { user.FactorEpoch++ })
			return b
		},
		"of a user who was disabled": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			blackbox.ChangeUser(t, s, alice, func(user *storage.User) { user.Disabled = true })
			return b
		},
		"with a damaged cookie": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			for _, c := range b.HTTP.Jar.Cookies(u) {
				if strings.HasSuffix(c.Name, "-half") {
					blackbox.SetCookies(t, b, &http.Cookie{Name: c.Name, Value: c.Value[:len(c.Value)-2] + "AA", Path: "/"})
				}
			}
			return b
		},
		"of another flow": func(t *testing.T, b *authztest.Browser) *authztest.Browser {
			blackbox.Password(t, b, s.URL+"/login") // its cookie takes the place of the first
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			blackbox.ChangeUser(t, s, alice, func(user *storage.User) { user.Disabled = false })
			b := s.NewBrowser(t)
			page := halfWay(t, b, nil)
			b = change(t, b)
			request := page.Submit(t, "otp-submit", otp(app.Code(t, s)))
			got := b.Do(t, request)
			if got.LedTo(t) != "/login" && got.Status != http.StatusBadRequest && got.LedTo(t) != "/authorize" {
				t.Errorf("the right code: %d %s %.200s", got.Status, got.LedTo(t), got.Body)
			}
			noSession(t, s, "then")
		})
	}
}

// TestFactorPageAlone: without a first factor the page leads to the sign-in page, and takes no code.
func TestFactorPageAlone(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	if got := b.Get(t, s.URL+"/login/factor"); got.LedTo(t) != "/login" {
		t.Errorf("GET: %d %s", got.Status, got.LedTo(t))
	}
	form := url.Values{"otp": {app.Code(t, s)}, "asked": {blackbox.AliceID(t, s)}, "recovery-code": {app.Recovery[0]}}
	request, err := http.NewRequest(http.MethodPost, s.URL+"/login/factor", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", s.URL)
	if got := b.Do(t, request); got.LedTo(t) != "/login" {
		t.Errorf("POST: %d %s", got.Status, got.LedTo(t))
	}
	noSession(t, s, "with a code alone")
	b.Username = "alice"
	page := halfWay(t, b, nil)
	foreign := page.Submit(t, "otp-submit", otp(app.Code(t, s)))
	foreign.Header.Set("Origin", "https://evil.example")
	if got := b.Do(t, foreign); got.Status != http.StatusForbidden {
		t.Errorf("from another site: %d", got.Status)
	}
	noSession(t, s, "from another site")
}

// TestCodeCountsOnce: of many browsers that send the same code at once, at two replicas, one gets in; and none later.
func TestCodeCountsOnce(t *testing.T) {
	t.Parallel()
	first := authztest.Start(t, authz.Config{}, nil)
	s := authztest.StartReplicas(t, authz.Config{Secret: first.Secret}, nil, first.Store, first.Store)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	for name, fields := range map[string]url.Values{"app": otp(app.Code(t, s)), "recovery": {"recovery-code": {app.Recovery[3]}}} {
		var requests []*http.Request
		var browsers []*authztest.Browser
		for range 4 { // fewer than the wrong ones that may come at once
			b := s.NewBrowser(t)
			page, button := halfWay(t, b, nil), "otp-submit"
			if name == "recovery" {
				page, button = b.Get(t, b.Get(t, page.Link("use-another-way")).Link("way-recovery")), "recovery-submit"
			}
			browsers, requests = append(browsers, b), append(requests, page.Submit(t, button, fields))
		}
		var all sync.WaitGroup
		for i, b := range browsers {
			all.Go(func() { b.Do(t, requests[i]) })
		}
		all.Wait()
		signedIn := 0
		for _, b := range browsers {
			if blackbox.SessionCookie(t, b) != "" {
				signedIn++
			}
		}
		if signedIn != 1 {
			t.Errorf("%s: %d got in", name, signedIn)
		}
	}
}

// TestWrongCodes: the sixth try in a row is not looked at, from any address. After a while the user gets in, and a
// hundred in a row end the app.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	b := s.NewBrowser(t)
	page := halfWay(t, b, nil)
	for i := range 5 {
		request := page.Submit(t, "otp-submit", otp(app.WrongCode()))
		request.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i+1))
		if got := b.Do(t, request); got.Status != http.StatusSeeOther {
			t.Fatalf("try %d: %d", i, got.Status)
		}
	}
	right := app.Code(t, s)
	request := page.Submit(t, "otp-submit", otp(right))
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	if got := b.Do(t, request); got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || !got.Has("problem") {
		t.Errorf("the sixth: %d, Retry-After %q", got.Status, got.Header.Get("Retry-After"))
	}
	noSession(t, s, "after the sixth")
	app.Change(t, s, func(r *storage.TOTP) { r.DrainedAt = r.DrainedAt.Add(-time.Minute) })
	if got := enter(t, b, page, otp(app.Code(t, s))).Redirect(t); got.Get("code") == "" {
		t.Errorf("after a while: %v", got)
	}

	app.Change(t, s, func(r *storage.TOTP) {
		if r.InARow != 0 {
			t.Errorf("%d in a row after a right code", r.InARow)
		}
		r.InARow = 99
	})
	b = s.NewBrowser(t)
	page = enter(t, b, halfWay(t, b, nil), otp(app.WrongCode()))
	if page.Has("otp-submit") || !page.Has("recovery-code") {
		t.Errorf("after a hundred in a row: %.300s", page.Body)
	}
	if got := b.Follow(t, page.Submit(t, "recovery-submit", otp(app.Code(t, s)))); blackbox.SessionCookie(t, b) != "" {
		t.Errorf("the app still works: %d", got.Status)
	}
	if got := enter(t, b, page, url.Values{"recovery-code": {strings.ToUpper(app.Recovery[0])}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("a recovery code: %v", got)
	}
}

// TestRecoveryCode: it works once, in any spelling, and says in the tokens what it is.
func TestRecoveryCode(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	recover := func(b *authztest.Browser, code string) *authztest.Page {
		page := halfWay(t, b, nil)
		page = b.Get(t, page.Link("use-another-way"))
		if !page.Has("way-totp") || !page.Has("way-recovery") {
			t.Fatalf("no ways: %.300s", page.Body)
		}
		return enter(t, b, b.Get(t, page.Link("way-recovery")), url.Values{"recovery-code": {code}})
	}
	b := s.NewBrowser(t)
	wrong := enter(t, b, halfWay(t, b, nil), otp(app.WrongCode()))
	if page := b.Get(t, b.Get(t, wrong.Link("use-another-way")).Link("way-recovery")); page.Has("problem") || !page.Has("recovery-code") {
		t.Errorf("the page for recovery codes tells of a wrong code of the app: %.500s", page.Body)
	}
	for _, code := range []string{"0000-00000-0000", "", app.Recovery[0][:13], strings.Repeat("0", 5000)} {
		if got := recover(b, code); !got.Has("problem") {
			t.Errorf("%.20q: %d %.200s", code, got.Status, got.Body)
		}
	}
	noSession(t, s, "after wrong ones")
	if got := recover(b, " "+strings.ToUpper(strings.ReplaceAll(app.Recovery[0], "-", " "))+" ").Redirect(t); got.Get("code") == "" {
		t.Errorf("the right one: %v", got)
	}
	if got := recover(s.NewBrowser(t), app.Recovery[0]); !got.Has("problem") {
		t.Errorf("once more: %d", got.Status)
	}
	if got := recover(s.NewBrowser(t), app.Recovery[1]).Redirect(t); got.Get("code") == "" {
		t.Errorf("the next: %v", got)
	}
}

// TestRememberedDevice: the device saves its user the code until something changes, and nobody else anything; and no
// token says that a second factor was proved.
func TestRememberedDevice(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: people}, nil)
	alice, bob := idOf(t, s, "alice"), idOf(t, s, "bob")
	app := blackbox.GiveApp(t, s, alice)
	blackbox.GiveApp(t, s, bob)
	b := s.NewBrowser(t)
	remember := func() {
		t.Helper()
		fields := otp(app.Code(t, s))
		fields.Set("remember-me", "true")
		if got := enter(t, b, halfWay(t, b, url.Values{"prompt": {"login"}}), fields).Redirect(t); got.Get("code") == "" {
			t.Fatal(got)
		}
	}
	remember()
	again := url.Values{"prompt": {"login"}}
	claims := blackbox.Claims(t, b.SignIn(t, authztest.SPA, again).IDToken)
	if fmt.Sprint(claims["amr"]) != "[pwd]" || claims["acr"] != "urn:authzd:acr:password" {
		t.Errorf("on the device: amr %v, acr %v", claims["amr"], claims["acr"])
	}
	if page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"acr_values": {twoFactors}}).Header.Get("Location")); !page.Has("otp") || page.Has("remember-me") {
		t.Errorf("a step-up: %.300s", page.Body)
	}
	b.Username = "bob"
	halfWay(t, b, url.Values{"prompt": {"login"}}) // Bob is asked
	b.Username = "alice"
	for name, change := range map[string]func(*storage.User){
		"a change of the password": func(u *storage.User) { u.PastHashes = append(u.PastHashes, "another") },
		"a change of a factor":     func(u *storage.User) { u.FactorEpoch++ },
		"a sign-out everywhere":    func(u *storage.User) { u.Epoch++ },
	} {
		blackbox.ChangeUser(t, s, alice, change)
		if page := halfWay(t, b, again); !page.Has("remember-me") {
			t.Errorf("after %s: %.300s", name, page.Body)
		}
		remember()
	}
}

// TestStepUp: an app that wants two factors gets them from a session with one, which keeps its sid and gets a new
// secret.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s)) // after the session began
	before := blackbox.SessionCookie(t, b)
	want := url.Values{"acr_values": {twoFactors}}
	if got := b.Ask(t, authztest.SPA, url.Values{"acr_values": {twoFactors}, "prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("prompt=none: %v", got)
	}
	page := b.Get(t, b.Ask(t, authztest.SPA, want).Header.Get("Location"))
	if page.URL.Path != "/login/factor" || !page.Has("otp") || page.Has("remember-me") {
		t.Fatalf("%s: %.300s", page.URL.Path, page.Body)
	}
	if got := enter(t, b, page, otp(app.WrongCode())); !got.Has("problem") || blackbox.SessionCookie(t, b) != before {
		t.Errorf("a wrong code: %.300s", got.Body)
	}
	if got := enter(t, b, page, otp(app.Code(t, s))).Redirect(t); got.Get("code") == "" {
		t.Fatalf("the right code: %v", got)
	}
	after := blackbox.SessionCookie(t, b)
	sid := func(cookie string) string { name, _, _ := strings.Cut(cookie, "."); return name }
	if sid(after) != sid(before) || after == before {
		t.Error("the session has another sid, or the same secret")
	}
	claims := blackbox.Claims(t, b.SignIn(t, authztest.SPA, url.Values{"prompt": {"none"}, "acr_values": {twoFactors}}).IDToken)
	if claims["acr"] != twoFactors || fmt.Sprint(claims["amr"]) != "[pwd otp mfa]" {
		t.Errorf("acr %v, amr %v", claims["acr"], claims["amr"])
	}
	thief := s.NewBrowser(t)
	thief.Get(t, s.URL+"/login")
	blackbox.SetCookies(t, thief, &http.Cookie{Name: "authzd", Value: before, Path: "/"})
	if got := thief.Get(t, s.URL+"/account"); got.LedTo(t) != "/login" {
		t.Errorf("the cookie of before: %d %s", got.Status, got.LedTo(t))
	}
}

// TestStepUpIsNoLogin: the second factor alone is not the new login that an app wants.
func TestStepUpIsNoLogin(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	login := b.Ask(t, authztest.SPA, url.Values{"acr_values": {twoFactors}, "prompt": {"login"}})
	if login.LedTo(t) != "/login" {
		t.Fatal(login.LedTo(t))
	}
	page := b.Get(t, strings.Replace(login.Header.Get("Location"), "/login?", "/login/factor?", 1))
	got := b.Do(t, page.Submit(t, "otp-submit", otp(app.Code(t, s))))
	for strings.HasPrefix(got.Header.Get("Location"), s.URL) {
		got = b.Get(t, got.Header.Get("Location"))
	}
	if !got.Has("password") {
		t.Errorf("%s: %d %.200s", got.URL.Path, got.Status, got.Body)
	}
}

// TestEnrolOnTheSpot: who must have a second factor and has none sets it up right after the password. Before that there
// is no session.
func TestEnrolOnTheSpot(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: people, Factors: factor.Policy{Roles: map[string]factor.Level{"admin": factor.Two}}}, nil)
	alice := idOf(t, s, "alice")
	b := s.NewBrowser(t)
	page := blackbox.Password(t, b, s.URL+"/authorize?"+authztest.Request(authztest.SPA, nil).Encode())
	if !page.Has("totp-secret") || !page.Has("otp-submit") || strings.Contains(page.URL.String(), strings.ReplaceAll(page.Text("totp-secret"), " ", "")) {
		t.Fatalf("no enrolment: %s %.300s", page.URL, page.Body)
	}
	secret := typedSecret(t, page)
	wrong := (&blackbox.App{Secret: secret}).WrongCode()
	refused := b.Do(t, page.Submit(t, "otp-submit", otp(wrong)))
	if !refused.Has("problem") || !slices.Equal(typedSecret(t, refused), secret) {
		t.Errorf("a wrong code: %d %.300s", refused.Status, refused.Body)
	}
	for _, kind := range []storage.Table{storage.Sessions.Table, storage.TOTPs.Table, storage.RecoveryCodeSets.Table} {
		if n := blackbox.Count(t, s.Store, kind); n != 0 {
			t.Errorf("%s: %d records before a right code", kind, n)
		}
	}
	form := page.Submit(t, "otp-submit", otp(factor.Code(secret, time.Now())))
	shown := b.Do(t, form)
	if !shown.Has("recovery-codes") || blackbox.SessionCookie(t, b) == "" {
		t.Fatalf("after the right code: %d %.300s", shown.Status, shown.Body)
	}
	if got := b.Get(t, shown.Link("recovery-done")).Redirect(t); got.Get("code") == "" {
		t.Errorf("on to the app: %v", got)
	}
	record, _, err := storage.TOTPs.Get(t.Context(), s.Store, alice)
	if err != nil || strings.Contains(string(record.Sealed), string(secret)) {
		t.Errorf("the secret is stored in clear, or not: %v", err)
	}

	// The same form again, and in a browser of somebody else, sets nothing up.
	again := b.Do(t, page.Submit(t, "otp-submit", otp(factor.Code(secret, time.Now()))))
	if again.Has("recovery-codes") {
		t.Error("the form counts twice")
	}
	other := s.NewBrowser(t)
	other.Username = "bob"
	if got := other.Authorize(t, authztest.Request(authztest.SPA, nil)); got.Params.Get("code") == "" {
		t.Errorf("Bob need not have a factor: %s", got)
	}
}

// typedSecret reads the secret of the enrolment page.
func typedSecret(t *testing.T, page *authztest.Page) []byte {
	t.Helper()
	secret, err := factor.ReadSecret(page.Text("totp-secret"))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// TestEnrolWithStaleSession: somebody who finds a browser in which a user is signed in can't set up a factor of their
// own: the user signs in first.
func TestEnrolWithStaleSession(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	blackbox.AgeLogins(t, s, time.Hour)
	want := authztest.Request(authztest.SPA, url.Values{"acr_values": {twoFactors}})
	page := b.Get(t, b.Open(t, want).Header.Get("Location"))
	if page.LedTo(t) != "/login" {
		t.Fatalf("a login of an hour ago: %s %d %s", page.URL.Path, page.Status, page.LedTo(t))
	}
	login := b.Get(t, page.Header.Get("Location"))
	if !login.Has("password") {
		t.Fatalf("no sign-in page: %d %s", login.Status, login.LedTo(t))
	}
	enrol := b.Follow(t, login.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
	if !enrol.Has("totp-secret") {
		t.Fatalf("after the sign-in: %s %.300s", enrol.URL.Path, enrol.Body)
	}
	shown := b.Do(t, enrol.Submit(t, "otp-submit", otp(factor.Code(typedSecret(t, enrol), time.Now()))))
	if got := b.Get(t, shown.Link("recovery-done")).Redirect(t); got.Get("code") == "" {
		t.Errorf("on to the app: %v", got)
	}
}

// TestFactorForDevice: the user of a device proves two factors too.
func TestFactorForDevice(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := blackbox.GiveApp(t, s, blackbox.AliceID(t, s))
	device := s.NewDevice(t, nil)
	b := s.NewBrowser(t)
	page := blackbox.Password(t, b, s.URL+"/device?user_code="+device.UserCode)
	if !page.Has("otp") {
		t.Fatalf("%s: %.300s", page.URL.Path, page.Body)
	}
	confirm := enter(t, b, page, otp(app.Code(t, s)))
	b.Follow(t, confirm.Submit(t, "consent-allow", nil))
	if got := s.Token(t, authztest.TV, "", authztest.DeviceForm(device.Code)); got.AccessToken == "" || fmt.Sprint(blackbox.Claims(t, got.AccessToken)["acr"]) != twoFactors {
		t.Errorf("the device gets %+v", got)
	}
}

// TestFactorAfterUpstream: what the user has set up is asked for after a sign-in at an upstream too, unless the upstream
// is trusted to have proved two factors.
func TestFactorAfterUpstream(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	f.SignInUpstream(t, b)
	app := blackbox.GiveApp(t, f.Server, idOf(t, f.Server, "alice"))
	b = f.NewBrowser(t)
	page := f.SignInUpstream(t, b)
	if page.LedTo(t) != "/login/factor" || blackbox.SessionCookie(t, b) != "" {
		t.Fatalf("led to %s", page.LedTo(t))
	}
	got := enter(t, b, b.Get(t, page.Header.Get("Location")), otp(app.Code(t, f.Server))).Redirect(t)
	if got.Get("code") == "" {
		t.Errorf("answer %v", got)
	}
}
