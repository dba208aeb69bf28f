package bff_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// A sign-in ends with a session cookie and a record, and no token is anywhere that a browser can see.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	if b.active() {
		t.Error("a new browser is signed in")
	}
	got := b.signIn("/orders?page=2#top")
	var names []string
	for _, line := range got.Header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		_, rest, _ = strings.Cut(rest, "; ")
		names = append(names, name+"; "+rest)
	}
	slices.Sort(names)
	for i, want := range []string{
		"__Host-Http-orders.browser; Path=/; HttpOnly; Secure; SameSite=Lax", "__Host-Http-orders.login-",
		"__Host-Http-orders; Path=/; HttpOnly; Secure; SameSite=Strict",
	} {
		if len(names) != 3 || !strings.HasPrefix(names[i], want) {
			t.Errorf("cookies: %q", names)
		}
	}
	state := b.call(http.MethodGet, "/bff/session").json(t)
	if state["active"] != true || state["sub"] != blackbox.AliceID(t, s.issuer) || fmt.Sprint(state["roles"]) != "[admin]" || len(state) != 5 {
		t.Errorf("session: %v", state)
	}
	if got := b.call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusOK {
		t.Errorf("api: %d %s", got.StatusCode, got.body)
	}
	authorization := s.api.requests[0].Header.Get("Authorization")
	claims := blackbox.Claims(t, strings.TrimPrefix(authorization, "Bearer "))
	if fmt.Sprint(claims["aud"]) != "["+authztest.API+"]" || claims["client_id"] != clientID {
		t.Errorf("claims: %v", claims)
	}
	if s.api.requests[0].Header.Get("Cookie") != "" {
		t.Error("the API got a cookie")
	}
	dump, log := blackbox.Dump(t, s.store), s.log.String()
	for what, text := range map[string]string{"store": dump, "log": log} {
		if strings.Contains(text, "eyJ") || strings.Contains(text, "azr_") || strings.Contains(text, b.sessionCookie().Value) {
			t.Errorf("the %s has a credential", what)
		}
	}
	if !strings.Contains(log, "login_method=bff login_outcome=success") {
		t.Error("no sign-in in the log")
	}
}

// A callback that is not the answer to a sign-in of this browser brings no session.
func TestForeignCallbacks(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b, other := s.browser(t), s.browser(t)
	other.idp = b.idp // the same user; another browser
	good := b.consent(b.begin("/a", ""))
	foreign := other.consent(other.begin("/b", ""))
	params, _ := url.ParseQuery(strings.TrimPrefix(good, "/bff/callback?"))
	change := func(name string, values ...string) string {
		changed := url.Values{}
		for key, value := range params {
			changed[key] = value
		}
		if changed[name] = values; len(values) == 0 {
			delete(changed, name)
		}
		return "/bff/callback?" + changed.Encode()
	}
	state := params.Get("state")
	for name, target := range map[string]string{
		"another browser's":   foreign,
		"nothing":             "/bff/callback",
		"no state":            change("state"),
		"two states":          change("state", state, state),
		"changed state":       change("state", state[:len(state)-2]+"AA"),
		"cut state":           change("state", state[:20]),
		"state of no sign-in": change("state", strings.Repeat("A", len(state))),
	} {
		if got := b.follow(target); got.StatusCode != http.StatusBadRequest || b.sessionCookie() != nil {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	for name, params := range map[string][]string{
		"no iss": {"iss"}, "other iss": {"iss", "https://evil.example"}, "two iss": {"iss", s.issuer.URL, s.issuer.URL},
		"no code": {"code"}, "two codes": {"code", params.Get("code"), "x"}, "another code": {"code", "azc_another"},
	} {
		b.signInAttempt(t, name, func(callback url.Values) {
			if len(params) == 1 {
				callback.Del(params[0])
			} else {
				callback[params[0]] = params[1:]
			}
		})
	}
	// A code of another browser's sign-in has another PKCE challenge and nonce.
	stolen, _ := url.ParseQuery(strings.TrimPrefix(other.consent(other.begin("/b", "")), "/bff/callback?"))
	b.signInAttempt(t, "stolen code", func(callback url.Values) { callback.Set("code", stolen.Get("code")) })
	if n := blackbox.Count(t, s.store, storage.BFFSessions.Table); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// signInAttempt changes the callback of a sign-in, which must fail.
func (b *browser) signInAttempt(t *testing.T, name string, change func(url.Values)) {
	t.Helper()
	params, _ := url.ParseQuery(strings.TrimPrefix(b.consent(b.begin("/a", "")), "/bff/callback?"))
	change(params)
	if got := b.follow("/bff/callback?" + params.Encode()); got.StatusCode != http.StatusBadRequest || b.sessionCookie() != nil {
		t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
	}
}

// A callback that comes again goes on to its target if the browser's session lives.
func TestCallbackAgain(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	callback := b.consent(b.begin("/deep?x=1", ""))
	if got := b.follow(callback); got.Header.Get("Location") != "/deep?x=1" {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if got := b.follow(callback); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/deep?x=1" {
		t.Errorf("again: %d %s", got.StatusCode, got.body)
	}
	stranger := s.browser(t)
	got := stranger.follow(callback)
	if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, `href="/bff/login?return_to=%2Fdeep%3Fx%3D1"`) || stranger.sessionCookie() != nil {
		t.Errorf("elsewhere: %d %s", got.StatusCode, got.body)
	}
	if b.call(http.MethodPost, "/bff/logout"); b.active() {
		t.Error("alive after the logout")
	}
	if got := b.follow(callback); got.StatusCode != http.StatusBadRequest {
		t.Errorf("after the logout: %d", got.StatusCode)
	}
}

// Ten tabs that sign in at once come back to their own deep links, and none loses the session of another.
func TestTenTabs(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	var targets []string
	for i := range 10 {
		targets = append(targets, b.begin(fmt.Sprintf("/deep/%d", i), ""))
	}
	var first string
	for i, target := range targets {
		got := b.follow(b.consent(target))
		if want := fmt.Sprintf("/deep/%d", i); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != want {
			t.Errorf("tab %d: %d %s %s", i, got.StatusCode, got.Header.Get("Location"), got.body)
		}
		if i == 0 {
			first = b.sessionCookie().Value
		}
		if b.sessionCookie().Value != first {
			t.Errorf("tab %d has another session than the first", i)
		}
		if got := b.call(http.MethodGet, "/api/x"); got.StatusCode != http.StatusOK {
			t.Errorf("tab %d: %d %s", i, got.StatusCode, got.body)
		}
	}
	if n := blackbox.Count(t, s.store, storage.BFFSessions.Table); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// A browser has at most sixteen sign-ins under way; the oldest goes, and still finds its deep link.
func TestManyTransactions(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	var callbacks []string
	for i := range 18 {
		callbacks = append(callbacks, b.begin(fmt.Sprintf("/deep/%d", i), ""))
	}
	count := 0
	for name := range b.cookies {
		if strings.Contains(name, ".login-") {
			count++
		}
	}
	if count != 16 {
		t.Errorf("%d transactions", count)
	}
	if got := b.follow(b.consent(callbacks[0])); got.StatusCode != http.StatusBadRequest {
		t.Errorf("the oldest: %d", got.StatusCode)
	}
	b.follow(b.consent(callbacks[17]))
	if got := b.follow(b.consent(callbacks[1])); got.Header.Get("Location") != "/deep/1" {
		t.Errorf("the second, with a session: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

// A new sign-in gives a new session, and the older one of this browser ends with its tokens.
func TestNewSessionEndsTheOlder(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	old := *b.sessionCookie()
	b.signIn("/")
	if b.sessionCookie().Value == old.Value {
		t.Fatal("the session has the same cookie as before")
	}
	copied := s.browser(t)
	copied.cookies[old.Name] = &old
	if copied.active() || !b.active() {
		t.Error("the older session lives, or the new one does not")
	}
	if n := blackbox.Count(t, s.store, storage.BFFSessions.Table); n != 1 {
		t.Errorf("%d sessions", n)
	}
	grants, err := storage.Grants.Scan(t.Context(), s.issuer.Store, "", "", 10)
	revoked := 0
	for _, grant := range grants {
		if grant.Value.RevokedAt != nil {
			revoked++
		}
	}
	if err != nil || len(grants) != 2 || revoked != 1 {
		t.Errorf("%d of %d grants are revoked, %v", revoked, len(grants), err)
	}
}

// A target that wants the cookie itself is reached from a page of this site.
func TestGoesOnFromOwnPage(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	got := b.follow(b.consent(b.begin("/api/report?x=1&y='2", "")))
	if got.StatusCode != http.StatusOK || !strings.Contains(got.body, `<meta http-equiv="refresh" content="0; url=/api/report?x=1&amp;y=&#39;2">`) || strings.Contains(got.body, "<script") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := b.call(http.MethodGet, "/api/report?x=1"); got.StatusCode != http.StatusOK {
		t.Errorf("from there: %d", got.StatusCode)
	}
}

// prompt=none comes back without a session if the provider would have to ask the user.
func TestPromptNone(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	if got := b.follow(b.consent(b.begin("/a", "&prompt=none"))); got.Header.Get("Location") != "/a" || b.sessionCookie() != nil {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	b.signIn("/")
	b.cookies = map[string]*http.Cookie{}
	if got := b.follow(b.consent(b.begin("/a", "&prompt=none"))); got.Header.Get("Location") != "/a" || !b.active() {
		t.Errorf("signed in at the provider: %d %s", got.StatusCode, got.body)
	}
}

// What a sign-in cannot be begun with.
func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	for name, query := range map[string]string{
		"twice": "return_to=/a&return_to=/b", "a long target": "return_to=/" + strings.Repeat("a", 3000), "prompt": "prompt=maybe",
		"max_age": "max_age=-1", "max_age text": "max_age=1h", "long acr": "acr_values=" + strings.Repeat("a", 501), "broken": "return_to=%zz",
	} {
		if got := b.open("/bff/login?" + query); got.StatusCode != http.StatusBadRequest || len(b.cookies) > 0 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if got := b.call(http.MethodGet, "/bff/login"); got.StatusCode != http.StatusBadRequest || len(b.cookies) > 0 {
		t.Errorf("a script: %d", got.StatusCode)
	}
	for _, method := range []string{"POST", "PUT", "HEAD", "OPTIONS", "DELETE"} {
		if got := b.call(method, "/bff/login"); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %d", method, got.StatusCode)
		}
	}
	if got := b.call(http.MethodGet, "/bff/"); got.StatusCode != http.StatusNotFound {
		t.Errorf("/bff/: %d", got.StatusCode)
	}
}
