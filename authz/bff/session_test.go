package bff_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/storage"
)

// Places of the corpus that lead elsewhere begin no sign-in, and those that are paths do.
func TestReturnTo(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	text, err := os.ReadFile("../weburl/testdata/return.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		place, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line[4:], "\n"), `"`, `\"`) + `"`)
		if err != nil || place == "" {
			continue // no place: the default
		}
		count++
		b.cookies = map[string]*http.Cookie{}
		got := b.open("/bff/login?return_to=" + url.QueryEscape(place))
		if want := map[bool]int{true: http.StatusSeeOther, false: http.StatusBadRequest}[strings.HasPrefix(line, "yes")]; got.StatusCode != want {
			t.Errorf("%q: %d", place, got.StatusCode)
		}
		if strings.Contains(got.Header.Get("Location"), "evil") || got.StatusCode == http.StatusBadRequest && (len(b.cookies) > 0 || strings.Contains(got.body, "evil")) {
			t.Errorf("%q: %s %s", place, got.Header.Get("Location"), got.body)
		}
	}
	if count != 299 {
		t.Errorf("%d places", count)
	}
	for _, place := range []string{"/bff/login", "/bff/logout", "/bff/callback?state=x"} {
		if got := b.open("/bff/login?return_to=" + url.QueryEscape(place)); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", place, got.StatusCode)
		}
	}
}

// Requests of other sites, and of pages that forgot the header, change and learn nothing.
func TestForeignRequests(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for name, h := range map[string]http.Header{
		"no header":      header("Sec-Fetch-Site", "same-origin"),
		"foreign origin": header(guard.Header, "1", "Origin", "https://evil.example"),
		"null origin":    header(guard.Header, "1", "Origin", "null"),
		"cross-site":     header(guard.Header, "1", "Sec-Fetch-Site", "cross-site"),
		"same-site":      header(guard.Header, "1", "Sec-Fetch-Site", "same-site"),
		"typed":          header(guard.Header, "1", "Sec-Fetch-Site", "none"),
		"an image":       header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "image"),
		"another value":  header(guard.Header, "yes"),
	} {
		for _, one := range []struct{ method, path string }{
			{"GET", "/bff/session"}, {"POST", "/bff/activity"}, {"POST", "/bff/logout"}, {"POST", "/bff/ticket"}, {"GET", "/api/orders"}, {"POST", "/api/orders"},
		} {
			r := b.request(one.method, one.path, "")
			r.Header = h.Clone()
			if got := b.send(r, false); got.StatusCode != http.StatusForbidden || len(got.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s, %s %s: %d %s", name, one.method, one.path, got.StatusCode, got.body)
			}
		}
	}
	for _, path := range []string{"/bff/session", "/bff/login", "/bff/callback", "/api/orders", "/"} {
		r := b.request(http.MethodOptions, path, "")
		r.Header = header("Origin", "https://evil.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-authzd-bff")
		if got := b.send(r, false); got.StatusCode < 400 { // send looks for headers of CORS
			t.Errorf("preflight of %s: %d", path, got.StatusCode)
		}
	}
	for _, path := range []string{"/bff/logout", "/bff/logout?token=x"} {
		if b.open(path); !b.active() {
			t.Error("a GET signs out")
		}
	}
	if s.api.count() != 0 {
		t.Errorf("the API got %d requests", s.api.count())
	}
	if !b.active() {
		t.Error("the session has ended")
	}
}

// A logout ends the session here and at the provider, and revokes the tokens.
func TestLogout(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	old := *b.sessionCookie()
	got := b.call(http.MethodPost, "/bff/logout")
	location, err := url.Parse(fmt.Sprint(got.json(t)["location"]))
	if err != nil || got.StatusCode != http.StatusOK || !strings.HasPrefix(location.String(), s.issuer.URL+"/logout?") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if location.Query().Get("post_logout_redirect_uri") != s.url+"/" || b.sessionCookie() != nil || len(b.cookies) > 0 {
		t.Errorf("%s, cookies %v", location, b.cookies)
	}
	copied := s.browser(t)
	copied.cookies[old.Name] = &old
	if copied.active() {
		t.Error("a copied cookie lives")
	}
	page := b.idp.Get(t, location.String())
	if page.Header.Get("Location") != s.url+"/" {
		t.Errorf("the provider asks, or goes elsewhere: %d %s", page.Status, page.Header.Get("Location"))
	}
	if again := b.idp.Get(t, b.begin("/", "&prompt=none")); !strings.Contains(again.Header.Get("Location"), "error=login_required") {
		t.Errorf("the provider's session lives: %s", again.Header.Get("Location"))
	}
	if got := b.call(http.MethodPost, "/bff/logout"); got.json(t)["location"] != "/" {
		t.Errorf("without a session: %s", got.body)
	}
	if n := blackbox.Count(t, s.store, storage.BFFSessions.Table); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A page without script signs out by a form that has the session's token.
func TestLogoutForm(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b, other := s.browser(t), s.browser(t)
	b.signIn("/")
	other.signIn("/")
	tokenOf := func(b *browser) string {
		page := b.open("/bff/logout")
		_, rest, _ := strings.Cut(page.body, `name="token" value="`)
		token, _, _ := strings.Cut(rest, `"`)
		if page.StatusCode != http.StatusOK || token == "" || page.Header.Get("Referrer-Policy") != "same-origin" {
			t.Fatalf("%d %s", page.StatusCode, page.body)
		}
		return token
	}
	post := func(form url.Values, pairs ...string) *reply {
		r := b.request(http.MethodPost, "/bff/logout", form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
		return b.send(r, false)
	}
	own := []string{"Origin", s.url, "Sec-Fetch-Site", "same-origin"}
	for name, got := range map[string]*reply{
		"no token":       post(nil, own...),
		"other token":    post(url.Values{"token": {tokenOf(other)}}, own...),
		"two tokens":     post(url.Values{"token": {tokenOf(b), tokenOf(b)}}, own...),
		"foreign origin": post(url.Values{"token": {tokenOf(b)}}, "Origin", "https://evil.example"),
		"cross-site":     post(url.Values{"token": {tokenOf(b)}}, "Sec-Fetch-Site", "cross-site"),
		"no origin":      post(url.Values{"token": {tokenOf(b)}}),
	} {
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if !b.active() {
		t.Fatal("signed out")
	}
	if got := post(url.Values{"token": {tokenOf(b)}}, own...); got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), s.issuer.URL+"/logout?") || b.active() {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if !other.active() {
		t.Error("the other browser is signed out")
	}
}

// Polling and API calls prolong nothing; activity does. The clock is moved by moving the session into the past.
func TestIdle(t *testing.T) {
	t.Parallel()
	beacon := authz.DefaultSessions
	beacon.Beacon = true
	s := start(t, options{server: authz.Config{Sessions: beacon}, bff: func(c *bff.Config) {
		c.Sessions = bff.SessionLimits{Idle: member.Duration(20 * time.Minute), Max: member.Duration(time.Hour)}
	}})
	b := s.browser(t)
	b.signIn("/")
	age := func(by time.Duration) {
		entries, err := storage.BFFSessions.Scan(t.Context(), s.store, "", "", 10)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d sessions, %v", len(entries), err)
		}
		e := entries[0]
		e.Value.ActiveAt, e.Value.CreatedAt = e.Value.ActiveAt.Add(-by), e.Value.CreatedAt.Add(-by)
		if err := s.store.Apply(t.Context(), storage.BFFSessions.Put(e.Key, e.Value, storage.At(e.Version), time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	expires := func() string { return fmt.Sprint(b.call(http.MethodGet, "/bff/session").json(t)["idle_expires_at"]) }
	before := expires()
	for range 10 {
		age(time.Minute)
		b.call(http.MethodGet, "/api/orders")
		b.call(http.MethodGet, "/bff/session")
	}
	if now, err := time.Parse(time.RFC3339Nano, expires()); err != nil || time.Until(now) > 10*time.Minute {
		t.Errorf("polls and calls moved the end from %s to %s", before, now)
	}
	if got := b.call(http.MethodPost, "/bff/activity"); got.StatusCode != http.StatusOK || got.json(t)["active"] != true {
		t.Fatalf("activity: %d %s", got.StatusCode, got.body)
	}
	if now, err := time.Parse(time.RFC3339Nano, expires()); err != nil || time.Until(now) < 19*time.Minute {
		t.Errorf("activity moved the end to %s", now)
	}
	// The limit counts without activity, and at the latest an hour after the sign-in.
	age(19 * time.Minute)
	b.call(http.MethodPost, "/bff/activity")
	age(19 * time.Minute)
	b.call(http.MethodPost, "/bff/activity")
	if !b.active() {
		t.Fatal("ended although the user is active")
	}
	age(13 * time.Minute)
	for _, r := range []*reply{b.call(http.MethodGet, "/api/orders"), b.call(http.MethodPost, "/bff/activity")} {
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("after the longest time: %d %s", r.StatusCode, r.body)
		}
	}
	if b.active() {
		t.Error("alive after the longest time")
	}
}

// Activity reaches the provider at most once in a twentieth of the limit, and an end there ends the session here.
func TestActivityIsPassedOn(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	lastActive := func() time.Time {
		sessions, err := storage.Sessions.Scan(t.Context(), s.issuer.Store, "", "", 10)
		if err != nil || len(sessions) != 1 {
			t.Fatalf("%d sessions, %v", len(sessions), err)
		}
		return sessions[0].Value.LastActive
	}
	age := func(by time.Duration) {
		for _, e := range mustScan(t, s.store, storage.BFFSessions) {
			e.Value.ActiveAt = e.Value.ActiveAt.Add(-by)
			_ = s.store.Apply(t.Context(), storage.BFFSessions.Put(e.Key, e.Value, storage.At(e.Version), time.Now().Add(time.Hour)))
		}
		for _, e := range mustScan(t, s.issuer.Store, storage.Sessions) {
			e.Value.LastActive = e.Value.LastActive.Add(-by)
			_ = s.issuer.Store.Apply(t.Context(), storage.Sessions.Put(e.Key, e.Value, storage.At(e.Version), time.Now().Add(time.Hour)))
		}
	}
	age(30 * time.Minute)
	before := lastActive()
	b.call(http.MethodPost, "/bff/activity")
	if lastActive().Equal(before) == (30*time.Minute >= 12*time.Hour/20) {
		t.Errorf("30 minutes: %s, %s", before, lastActive())
	}
	age(time.Hour)
	before = lastActive()
	b.call(http.MethodPost, "/bff/activity")
	if !lastActive().After(before.Add(30 * time.Minute)) {
		t.Errorf("not passed on: %s, %s", before, lastActive())
	}
	age(time.Hour)
	for _, e := range mustScan(t, s.issuer.Store, storage.Sessions) {
		_ = s.issuer.Store.Apply(t.Context(), storage.Sessions.Delete(e.Key, storage.Any))
	}
	if got := b.call(http.MethodPost, "/bff/activity"); got.StatusCode != http.StatusUnauthorized || b.active() {
		t.Errorf("after the provider's session: %d %s", got.StatusCode, got.body)
	}
}

func mustScan[T any](t testing.TB, store storage.Store, kind storage.Kind[T]) []storage.Entry[T] {
	t.Helper()
	entries, err := kind.Scan(t.Context(), store, "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// The provider says over the back channel that its session has ended.
func TestBackChannelLogout(t *testing.T) {
	t.Parallel()
	any := httptest.NewTLSServer(http.NotFoundHandler())
	defer any.Close()
	outbound := loopback()
	outbound.RootCAs = any.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	s := start(t, options{server: authz.Config{Outbound: outbound}, client: func(m *client.Metadata) {
		m.BackChannelURI = strings.TrimSuffix(m.PostLogoutRedirectURIs[0], "/") + "/bff/backchannel"
	}})
	b, other := s.browser(t), s.browser(t)
	b.signIn("/")
	other.signIn("/")
	hint := b.idp.Get(t, s.issuer.URL+"/logout")
	b.idp.Follow(t, hint.Submit(t, "logout-confirm", nil))
	blackbox.Until(t, "the session has ended", func() bool { return !b.active() })
	if got := b.call(http.MethodGet, "/api/orders"); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d", got.StatusCode)
	}
	if !other.active() {
		t.Error("the session of another browser has ended")
	}
	// The same token again ends nothing, and neither does one that is changed, or sent in another way.
	token := <-s.logouts
	blackbox.Until(t, "the token is noted", func() bool { return blackbox.Count(t, s.store, storage.Marks.Table) == 1 })
	post := func(body, contentType string) int {
		r := b.request(http.MethodPost, "/bff/backchannel", body)
		r.Header.Set("Content-Type", contentType)
		return b.send(r, true).StatusCode
	}
	const form = "application/x-www-form-urlencoded"
	for name, status := range map[string]int{
		"again": post(token, form), "twice": post(token+"&"+token, form), "changed": post(token[:len(token)-40]+"AAAA"+token[len(token)-36:], form),
		"nothing": post("", form), "an ID token": post("logout_token=eyJhbGciOiJub25lIn0.e30.", form), "long": post("logout_token="+strings.Repeat("a", 70<<10), form),
	} {
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := post(token, "text/plain"); status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d", status)
	}
	if got := b.open("/bff/backchannel?" + token); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got.StatusCode)
	}
	if !other.active() {
		t.Error("the session of another browser has ended")
	}
}

// A request with more cookies than a browser collects is refused, before anything is looked up.
func TestTooManyCookies(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	b := s.browser(t)
	for _, path := range []string{"/bff/session", "/bff/login", "/bff/callback?state=x", "/api/orders"} {
		r := b.request(http.MethodGet, path, "")
		r.Header.Set(guard.Header, "1")
		r.Header.Set("Cookie", "a="+strings.Repeat("x", 40<<10))
		if got := b.send(r, false); got.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
}

// Diagnostics exist for developers only, and have no token.
func TestDiagnostics(t *testing.T) {
	t.Parallel()
	s := start(t, options{})
	if got := s.browser(t).open("/bff/diagnostics"); got.StatusCode != http.StatusNotFound {
		t.Errorf("%d", got.StatusCode)
	}
	s = start(t, options{bff: func(c *bff.Config) { c.Diagnostics = true }})
	b := s.browser(t)
	b.signIn("/")
	got := b.open("/bff/diagnostics")
	session, _ := got.json(t)["session"].(map[string]any)
	if session["sub"] == "" || strings.Contains(got.body, "eyJ") || strings.Contains(got.body, "azr_") || strings.Contains(got.body, b.sessionCookie().Value) {
		t.Errorf("%s", got.body)
	}
	if got := b.open("/bff/jwks.json"); got.StatusCode != http.StatusOK || strings.Contains(got.body, `"d"`) || !strings.Contains(got.body, `"P-256"`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// link is the way to the provider, which can break.
type link struct{ mode atomic.Int32 }

const (
	linkUp = iota
	linkDown
	link503
	linkRefuses
)

func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	switch l.mode.Load() {
	case linkDown:
		return nil, errors.New("no connection")
	case link503:
		return answer(http.StatusServiceUnavailable, "<html>")
	case linkRefuses:
		return answer(http.StatusUnauthorized, `{"error":"invalid_client"}`)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A provider that is away ends no session: calls that need a token get 503 and Retry-After. It keeps nobody from
// signing out.
func TestProviderAway(t *testing.T) {
	t.Parallel()
	way := &link{}
	lifetimes := authz.DefaultLifetimes
	lifetimes.AccessToken = 3 * time.Second // whole seconds count, so that one second may be none
	s := start(t, options{server: authz.Config{Lifetimes: lifetimes}, bff: func(c *bff.Config) { c.HTTPClient = &http.Client{Transport: way} }})
	b := s.browser(t)
	b.signIn("/")
	for _, mode := range []int32{linkDown, link503, linkRefuses} {
		way.mode.Store(mode)
		var got *reply
		blackbox.Until(t, "the token is due", func() bool {
			got = b.call(http.MethodGet, "/api/orders")
			return got.StatusCode != http.StatusOK
		})
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || !b.active() {
			t.Errorf("mode %d: %d %s", mode, got.StatusCode, got.body)
		}
		if strings.Contains(got.body, "invalid_client") || strings.Contains(got.body, "no connection") {
			t.Errorf("mode %d: %s", mode, got.body)
		}
		if got := b.open("/bff/login"); mode == linkDown && got.StatusCode != http.StatusSeeOther {
			t.Errorf("the metadata is known, but a sign-in cannot begin: %d", got.StatusCode)
		}
		way.mode.Store(linkUp)
		blackbox.Until(t, "the API answers again", func() bool { return b.call(http.MethodGet, "/api/orders").StatusCode == http.StatusOK })
	}
	if !strings.Contains(s.log.String(), "alarm=refresh_refused") || strings.Count(s.log.String(), "alarm=refresh_refused") > 3 {
		t.Error("no alarm, or many, for the refusal")
	}
	callback := b.consent(b.begin("/deep", ""))
	way.mode.Store(linkDown)
	if got := b.follow(callback); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, `href="/bff/login?return_to=%2Fdeep"`) {
		t.Errorf("callback: %d %s", got.StatusCode, got.body)
	}
	old := *b.sessionCookie()
	if got := b.call(http.MethodPost, "/bff/logout"); got.StatusCode != http.StatusOK {
		t.Errorf("logout: %d %s", got.StatusCode, got.body)
	}
	b.cookies[old.Name] = &old
	if b.active() {
		t.Error("alive after the logout")
	}
}

// A session whose tokens cannot be opened can be ended all the same.
func TestLogoutWithoutTokens(t *testing.T) {
	s := start(t, options{})
	b := s.browser(t)
	b.signIn("/")
	for entry, err := range storage.BFFSessions.All(t.Context(), s.store, "") {
		if err != nil {
			t.Fatal(err)
		}
		entry.Value.Sealed[len(entry.Value.Sealed)-1] ^= 1
		if err := s.store.Apply(t.Context(), storage.BFFSessions.Put(entry.Key, entry.Value, storage.Any, storage.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if !b.active() {
		t.Fatal("no session")
	}
	if got := b.call("POST", "/bff/logout"); got.StatusCode != http.StatusOK || b.active() {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// awayStore is a store that can be away.
type awayStore struct {
	storage.Store
	away atomic.Bool
}

func (s *awayStore) Get(ctx context.Context, table storage.Table, key string) (storage.Record, error) {
	if s.away.Load() {
		return storage.Record{}, errors.New("the store is away")
	}
	return s.Store.Get(ctx, table, key)
}

// While the store is away, nobody is signed out: the page is told to come again.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	store := new(awayStore)
	s := start(t, options{bff: func(c *bff.Config) { store.Store, c.Store = c.Store, store }})
	b := s.browser(t)
	b.signIn("/")
	store.away.Store(true)
	for _, path := range []string{"/bff/session", "/api/orders"} {
		if got := b.call(http.MethodGet, path); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || strings.Contains(got.body, "away") {
			t.Errorf("%s: %d %v %s", path, got.StatusCode, got.Header, got.body)
		}
	}
	store.away.Store(false)
	if !b.active() {
		t.Error("the session has ended")
	}
}
