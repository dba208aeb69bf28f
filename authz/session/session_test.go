package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

var limits = session.Config{Secure: true, Idle: 20 * time.Minute, Max: 8 * time.Hour, RememberMe: 3 * 24 * time.Hour}

var alice = &storage.User{ID: "alice", Username: "alice", Epoch: 3}

// browser keeps cookies as a browser does, as far as these tests need one.
type browser struct{ jar map[string]*http.Cookie }

func newBrowser() *browser { return &browser{map[string]*http.Cookie{}} }

func (b *browser) request() *http.Request {
	r := httptest.NewRequest("GET", "https://id.example.com/authorize", nil)
	for _, c := range b.jar {
		r.AddCookie(c)
	}
	return r
}

func (b *browser) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c
		}
	}
}

func (b *browser) value(name string) string {
	if c := b.jar[name]; c != nil {
		return c.Value
	}
	return ""
}

func openStore(t testing.TB) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{SweepEvery: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func signIn(t testing.TB, m *session.Sessions, b *browser, user *storage.User, remember bool) *session.Session {
	t.Helper()
	w := httptest.NewRecorder()
	s, err := m.Start(t.Context(), w, b.request(), user, session.Login{AMR: []string{"pwd"}}, remember)
	if err != nil {
		t.Fatal(err)
	}
	b.take(w)
	return s
}

func load(t testing.TB, m *session.Sessions, b *browser) *session.Session {
	t.Helper()
	s, err := m.Load(t.Context(), b.request())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCookie(t *testing.T) {
	tests := []struct {
		name     string
		config   session.Config
		remember bool
		want     string // attributes, after the value
	}{
		{"__Host-authzd", limits, false, "Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"__Host-authzd", limits, true, "Path=/; Max-Age=259200; HttpOnly; Secure; SameSite=Lax"},
		{"authzd", session.Config{Idle: time.Hour, Max: time.Hour}, false, "Path=/; HttpOnly; SameSite=Lax"},
		{"authzd", session.Config{Idle: time.Hour, Max: time.Hour}, true, "Path=/; HttpOnly; SameSite=Lax"}, // not offered
	}
	for _, tt := range tests {
		m := session.New(openStore(t), tt.config)
		w := httptest.NewRecorder()
		s, err := m.Start(t.Context(), w, newBrowser().request(), alice, session.Login{}, tt.remember)
		if err != nil {
			t.Fatal(err)
		}
		if s.Remember != (tt.remember && tt.config.RememberMe > 0) {
			t.Errorf("remember=%v: the session has %v", tt.remember, s.Remember)
		}
		name, rest, _ := strings.Cut(w.Header().Get("Set-Cookie"), "=")
		_, attributes, _ := strings.Cut(rest, "; ")
		if name != tt.name || attributes != tt.want {
			t.Errorf("cookie %s with %q, want %s with %q", name, attributes, tt.name, tt.want)
		}
	}
}

func TestSecretIsNotStored(t *testing.T) {
	store := openStore(t)
	m, b := session.New(store, limits), newBrowser()
	s := signIn(t, m, b, alice, false)
	sid, secret, _ := strings.Cut(b.value("__Host-authzd"), ".")
	if sid != s.ID || len(secret) != 43 {
		t.Fatalf("cookie is not sid.secret with 256 bits")
	}
	record, err := store.Get(t.Context(), storage.Sessions.Table, sid)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(record.Value), secret) {
		t.Error("the record holds the secret")
	}
}

// A cookie that an attacker has planted, or seen, before the login opens nothing after it.
func TestFixation(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	before := signIn(t, m, b, alice, false)
	planted := newBrowser()
	planted.jar["__Host-authzd"] = b.jar["__Host-authzd"]

	after := signIn(t, m, b, alice, false)
	if after.ID != before.ID {
		t.Error("the same user's session did not go on under its sid")
	}
	if load(t, m, planted) != nil {
		t.Error("the cookie from before the login still works")
	}
	if s := load(t, m, b); s == nil || s.ID != after.ID {
		t.Error("the cookie of the login doesn't work")
	}
}

func TestForgedCookies(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	signIn(t, m, b, alice, false)
	good := b.value("__Host-authzd")
	other := newBrowser()
	signIn(t, m, other, alice, false)
	sid, secret, _ := strings.Cut(good, ".")
	_, otherSecret, _ := strings.Cut(other.value("__Host-authzd"), ".")
	stored, err := m.LoadByID(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}

	for name, value := range map[string]string{
		"empty":                    "",
		"sid alone":                sid,
		"no secret":                sid + ".",
		"no sid":                   "." + secret,
		"another session's secret": sid + "." + otherSecret,
		"the stored hash":          sid + "." + stored.SecretHash,
		"shortened":                good[:len(good)-1],
		"lengthened":               good + "A",
		"one more part":            good + "." + secret,
		"padded":                   good + "=",
		"other last character":     good[:len(good)-1] + flip(good[len(good)-1]),
		"other first character":    sid + "." + flip(secret[0]) + secret[1:],
		"lower case":               strings.ToLower(good),
		"oversize":                 sid + "." + strings.Repeat("A", 8000),
		"key of another table":     "../users/alice." + secret,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "__Host-authzd="+value)
		if s, err := m.Load(t.Context(), r); s != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "authzd="+good) // the name for http is open to subdomains
	if s, err := m.Load(t.Context(), r); s != nil || err != nil {
		t.Errorf("cookie without the __Host- prefix: got %v, %v", s, err)
	}
}

// flip returns another character of the alphabet, for which the last bits of a value differ too.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestSeveralCookiesOfTheName(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	want := signIn(t, m, b, alice, false)
	good := "__Host-authzd=" + b.value("__Host-authzd")
	stale := "__Host-authzd=" + strings.Repeat("A", 22) + "." + strings.Repeat("A", 43)

	for cookies, found := range map[string]bool{
		stale + "; " + good:                           true,
		good + "; " + stale:                           true,
		"__Host-authzd=junk; " + good:                 true,
		strings.Repeat(stale+"; ", 9) + good:          false, // a request does a few lookups, no more
		strings.Repeat("__Host-authzd=x; ", 9) + good: true,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookies)
		s, err := m.Load(t.Context(), r)
		if err != nil || (s != nil) != found || found && s.ID != want.ID {
			t.Errorf("%q: got %v, %v", cookies, s, err)
		}
	}
}

func TestEnd(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	s := signIn(t, m, b, alice, true)
	thief := newBrowser()
	thief.jar["__Host-authzd"] = b.jar["__Host-authzd"]
	ended, err := m.End(t.Context(), s.ID)
	if err != nil || ended == nil || ended.ID != s.ID {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	if load(t, m, thief) != nil {
		t.Error("a copy of the cookie works after the logout")
	}
	for _, sid := range []string{s.ID, "", "junk"} {
		if ended, err := m.End(t.Context(), sid); err != nil || ended != nil {
			t.Errorf("ending nothing: %v, %v", ended, err)
		}
	}
	w := httptest.NewRecorder()
	if err := m.Forget(t.Context(), w, b.request()); err != nil {
		t.Error(err)
	}
	b.take(w)
	if b.value("__Host-authzd") != "" {
		t.Error("the cookie was not deleted")
	}
}

// A login during the logout of its old session does not bring that one back.
func TestLoginRacesWithEnd(t *testing.T) {
	m := session.New(openStore(t), limits)
	for range 30 {
		b := newBrowser()
		old, request := signIn(t, m, b, alice, false), b.request()
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := m.Start(t.Context(), httptest.NewRecorder(), request, alice, session.Login{}, false); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if _, err := m.End(t.Context(), old.ID); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if s, err := m.LoadByID(t.Context(), old.ID); s != nil || err != nil {
			t.Fatalf("the session that ended is back: %+v, %v", s, err)
		}
	}
}

// A lost store is not a browser without a login.
func TestStoreFails(t *testing.T) {
	store := openStore(t)
	m, b := session.New(store, limits), newBrowser()
	s := signIn(t, m, b, alice, false)
	store.Close()
	if got, err := m.Load(t.Context(), b.request()); got != nil || !errors.Is(err, storage.ErrClosed) {
		t.Errorf("load: %v, %v", got, err)
	}
	for _, b := range []*browser{newBrowser(), b} {
		w := httptest.NewRecorder()
		if _, err := m.Start(t.Context(), w, b.request(), alice, session.Login{}, false); !errors.Is(err, storage.ErrClosed) || len(w.Result().Cookies()) != 0 {
			t.Errorf("start: %v, cookies %v", err, w.Result().Cookies())
		}
	}
	if ended, err := m.End(t.Context(), s.ID); !errors.Is(err, storage.ErrClosed) || ended != nil {
		t.Errorf("end: %v, %v", ended, err)
	}
	if sessions, err := m.OfUser(t.Context(), alice.ID); !errors.Is(err, storage.ErrClosed) || sessions != nil {
		t.Errorf("of the user: %v, %v", sessions, err)
	}
}

func TestBelongsTo(t *testing.T) {
	m := session.New(openStore(t), limits)
	s := signIn(t, m, newBrowser(), alice, false)
	for name, tt := range map[string]struct {
		user *storage.User
		want bool
	}{
		"its user":       {alice, true},
		"raised epoch":   {&storage.User{ID: "alice", Epoch: 4}, false},
		"lower epoch":    {&storage.User{ID: "alice", Epoch: 2}, false},
		"disabled":       {&storage.User{ID: "alice", Epoch: 3, Disabled: true}, false},
		"another user":   {&storage.User{ID: "bob", Epoch: 3}, false},
		"a deleted user": {nil, false},
	} {
		if got := s.BelongsTo(tt.user); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// After a password change the same user gets a new session, not a prolonged old one.
func TestLoginAfterARaisedEpoch(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	old := signIn(t, m, b, alice, false)
	changed := *alice
	changed.Epoch++
	s := signIn(t, m, b, &changed, false)
	if s.ID == old.ID || !s.BelongsTo(&changed) {
		t.Errorf("got session %+v after %+v", s, old)
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name     string
		remember bool
		use      time.Duration // the user is active this often; zero: never
		lives    time.Duration // still alive then
		dies     time.Duration // and gone then
	}{
		{"idle", false, 0, 20*time.Minute - time.Second, 20 * time.Minute},
		{"active until the absolute limit", false, 15 * time.Minute, 8*time.Hour - time.Second, 8 * time.Hour},
		{"remembered, never used", true, 0, 3*24*time.Hour - time.Second, 3 * 24 * time.Hour},
		{"remembered, used daily", true, 24 * time.Hour, 3*24*time.Hour - time.Second, 3 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := openStore(t)
				m, b := session.New(store, limits), newBrowser()
				signIn(t, m, b, alice, tt.remember)
				start := time.Now()
				for tt.use > 0 && time.Since(start)+tt.use < tt.lives {
					time.Sleep(tt.use)
					s := load(t, m, b)
					if s == nil {
						t.Fatalf("gone after %v of activity", time.Since(start))
					}
					if err := m.Touch(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Until(start.Add(tt.lives)))
				s := load(t, m, b)
				if s == nil {
					t.Fatalf("gone after %v", tt.lives)
				}
				idle, absolute := m.Limits(s)
				if !idle.Equal(start.Add(tt.dies)) || idle.After(absolute) {
					t.Errorf("says that it ends at %v and %v, want %v", idle, absolute, start.Add(tt.dies))
				}
				record, err := store.Get(t.Context(), storage.Sessions.Table, s.ID)
				if err != nil || !record.Expires.Equal(idle) {
					t.Errorf("record expires at %v, want %v (%v)", record.Expires, idle, err)
				}
				time.Sleep(time.Until(start.Add(tt.dies)))
				if load(t, m, b) != nil {
					t.Errorf("alive after %v", tt.dies)
				}
			})
		})
	}
}

// A limit that the operator shortens holds for the sessions that there are.
func TestShortenedLimits(t *testing.T) {
	for _, remember := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := openStore(t)
			b := newBrowser()
			signIn(t, session.New(store, limits), b, alice, remember)
			time.Sleep(10 * time.Minute)
			shorter := session.New(store, session.Config{Secure: true, Idle: 5 * time.Minute, Max: time.Hour})
			if load(t, shorter, b) != nil {
				t.Errorf("remember=%v: lives beyond the new limit", remember)
			}
		})
	}
}

// A new login of the same user has new limits and a new time of authentication.
func TestNewLoginRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := session.New(openStore(t), limits), newBrowser()
		first := signIn(t, m, b, alice, false)
		time.Sleep(10 * time.Minute)
		second := signIn(t, m, b, alice, true)
		if !second.AuthTime.Equal(time.Now()) || second.AuthTime.Equal(first.AuthTime) {
			t.Errorf("auth_time %v after %v", second.AuthTime, first.AuthTime)
		}
		if _, absolute := m.Limits(second); !absolute.Equal(time.Now().Add(limits.RememberMe)) {
			t.Errorf("ends at %v", absolute)
		}
		if third := signIn(t, m, b, alice, false); third.Remember {
			t.Error("still remembered after a login that did not ask for it")
		}
	})
}

func TestBrowser(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	w := httptest.NewRecorder()
	name, known := m.Browser(w, b.request())
	if known {
		t.Error("a new browser is known")
	}
	b.take(w)
	want := "__Host-authzd-browser=" + b.value("__Host-authzd-browser") + "; Path=/; HttpOnly; Secure; SameSite=Lax"
	if got := w.Header().Get("Set-Cookie"); got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
	if name == b.value("__Host-authzd-browser") {
		t.Error("the name gives the cookie away")
	}

	w = httptest.NewRecorder()
	if again, known := m.Browser(w, b.request()); !known || again != name || len(w.Result().Cookies()) != 0 {
		t.Errorf("the same browser is %q, then %q, and gets %d cookies", name, again, len(w.Result().Cookies()))
	}
	if other, _ := m.Browser(httptest.NewRecorder(), newBrowser().request()); other == name {
		t.Error("two browsers have the same name")
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 21) + "B", strings.Repeat("A", 4000)} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "__Host-authzd-browser="+bad)
		w := httptest.NewRecorder()
		if m.Browser(w, r); len(w.Result().Cookies()) != 1 {
			t.Errorf("%q was taken for a name", bad)
		}
	}
}
