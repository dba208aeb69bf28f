package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
)

// addUser puts a user into the store.
func addUser(t testing.TB, store storage.Store, id string) *storage.User {
	t.Helper()
	user := &storage.User{ID: id, Username: id}
	if err := store.Apply(t.Context(), storage.Users.Put(id, user, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	return user
}

// names are the accounts of a browser, that in use first.
func names(t testing.TB, m *session.Sessions, b *browser) (names []string) {
	t.Helper()
	accounts, err := m.Accounts(t.Context(), b.request())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		names = append(names, a.User.ID)
	}
	s, user, err := m.SignedIn(t.Context(), b.request())
	if err != nil || len(accounts) == 0 && s != nil || len(accounts) > 0 && (user.ID != names[0] || s.ID != accounts[0].Session.ID) {
		t.Fatalf("signed in is %v, %v, the accounts are %v", user, err, names)
	}
	return names
}

// use is the choice of an account.
func use(t testing.TB, m *session.Sessions, b *browser, sid string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := m.Use(t.Context(), w, b.request(), sid); err != nil {
		t.Fatal(err)
	}
	b.take(w)
}

func TestAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t)
		m, b := session.New(store, limits), newBrowser()
		var sids []string
		for i := range session.MaxAccounts {
			user := addUser(t, store, fmt.Sprint("u", i))
			sids = append(sids, signIn(t, m, b, user, i%2 == 0).ID)
		}
		if got := names(t, m, b); !slices.Equal(got, []string{"u4", "u3", "u2", "u1", "u0"}) {
			t.Fatal(got)
		}
		if len(b.jar) != session.MaxAccounts {
			t.Errorf("%d cookies", len(b.jar))
		}
		for name, c := range b.jar { // a session that is not remembered does not survive the browser in another place
			s := named(t, m, c)
			if want := map[bool]int{true: 3 * 24 * 3600}[s.Remember]; c.MaxAge != want || !strings.HasPrefix(name, "__Host-authzd") {
				t.Errorf("%s of %s: Max-Age %d, want %d", name, s.UserID, c.MaxAge, want)
			}
		}

		use(t, m, b, sids[1])
		if got := names(t, m, b); !slices.Equal(got, []string{"u1", "u4", "u3", "u2", "u0"}) {
			t.Errorf("u1 was chosen: %v", got)
		}
		again := signIn(t, m, b, &storage.User{ID: "u3"}, false) // the former session of the same account
		if got := names(t, m, b); !slices.Equal(got, []string{"u3", "u1", "u4", "u2", "u0"}) || again.ID != sids[3] {
			t.Errorf("u3 signed in again: %v", got)
		}

		sixth := addUser(t, store, "u5")
		signIn(t, m, b, sixth, false)
		if got := names(t, m, b); !slices.Equal(got, []string{"u5", "u3", "u1", "u4", "u2"}) {
			t.Errorf("a sixth signed in: %v", got)
		}
		if s, err := m.LoadByID(t.Context(), sids[0]); s != nil || err != nil {
			t.Errorf("the session that was unused longest lives on: %v", err)
		}

		if _, err := m.End(t.Context(), sids[1]); err != nil {
			t.Fatal(err)
		}
		if got := names(t, m, b); !slices.Equal(got, []string{"u5", "u3", "u4", "u2"}) {
			t.Errorf("u1 has signed out elsewhere: %v", got)
		}
		w := httptest.NewRecorder()
		if err := m.Forget(t.Context(), w, b.request()); err != nil {
			t.Fatal(err)
		}
		b.take(w)
		if got := names(t, m, b); len(b.jar) != 4 || !slices.Equal(got, []string{"u5", "u3", "u4", "u2"}) {
			t.Errorf("%d cookies, %v", len(b.jar), got)
		}
		disabled := &storage.User{ID: "u5", Disabled: true}
		if err := store.Apply(t.Context(), storage.Users.Put("u5", disabled, storage.Any, time.Time{})); err != nil {
			t.Fatal(err)
		}
		if got := names(t, m, b); !slices.Equal(got, []string{"u3", "u4", "u2"}) {
			t.Errorf("u5 is disabled: %v", got)
		}
	})
}

// named is the session of a cookie.
func named(t testing.TB, m *session.Sessions, c *http.Cookie) *session.Session {
	t.Helper()
	sid, _, _ := strings.Cut(c.Value, ".")
	s, err := m.LoadByID(t.Context(), sid)
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	return s
}

// A browser can't use what it does not hold, and a cookie works in any place, but never twice.
func TestUseForeign(t *testing.T) {
	store := openStore(t)
	m, b, other := session.New(store, limits), newBrowser(), newBrowser()
	signIn(t, m, b, addUser(t, store, "u1"), false)
	foreign := signIn(t, m, other, addUser(t, store, "u2"), false)
	for _, sid := range []string{foreign.ID, "", "junk", foreign.ID + "." + strings.Repeat("A", 43)} {
		use(t, m, b, sid)
		if got := names(t, m, b); !slices.Equal(got, []string{"u1"}) {
			t.Errorf("%q: %v", sid, got)
		}
	}
	b.jar["__Host-authzd-2"] = &http.Cookie{Name: "__Host-authzd-2", Value: foreign.ID + "." + strings.Repeat("A", 43)}
	b.jar["__Host-authzd-3"] = &http.Cookie{Name: "__Host-authzd-3", Value: b.value("__Host-authzd")}
	b.jar["__Host-authzd-6"] = &http.Cookie{Name: "__Host-authzd-6", Value: other.value("__Host-authzd")}
	if got := names(t, m, b); !slices.Equal(got, []string{"u1"}) {
		t.Errorf("planted cookies: %v", got)
	}
}

func TestLastAccount(t *testing.T) {
	m, b := session.New(openStore(t), limits), newBrowser()
	set := func(client, user string) (changed bool) {
		w := httptest.NewRecorder()
		m.SetLastAccount(w, b.request(), client, user)
		b.take(w)
		return len(w.Result().Cookies()) > 0
	}
	if m.LastAccount(b.request(), "app") != nil {
		t.Error("an account of nothing")
	}
	if !set("app", "alice") || set("app", "alice") || !set("app", "bob") || !set("other", "alice") {
		t.Error("the cookie is set exactly when it changes")
	}
	if is := m.LastAccount(b.request(), "app"); is == nil || !is("bob") || is("alice") {
		t.Error("not the last account")
	}
	for i := range 30 {
		set(fmt.Sprint("app", i), "alice")
	}
	if c := b.value("__Host-authzd-last"); len(c) > 500 || m.LastAccount(b.request(), "app") != nil || m.LastAccount(b.request(), "app29") == nil {
		t.Errorf("%d bytes are remembered", len(c))
	}
}

func FuzzLastAccount(f *testing.F) {
	f.Add("AAAAAAAAAA~BBBBBBBBBB.CCCCCCCCCC~DDDDDDDDDD")
	f.Add("~.~.~~..")
	f.Add(strings.Repeat("A", 10) + "~" + strings.Repeat("\"", 10))
	m := session.New(nil, limits)
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", "__Host-authzd-last="+value)
		w := httptest.NewRecorder()
		m.SetLastAccount(w, r, "app", "alice")
		cookies := w.Result().Cookies()
		if len(cookies) == 0 {
			return
		}
		if c := cookies[0]; len(c.Value) > 500 || strings.Trim(c.Value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~") != "" {
			t.Errorf("%q", c.Value)
		}
	})
}
