package logout_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// everywhere signs out of everything by the button on the account page.
func everywhere(t *testing.T, b *authztest.Browser) *authztest.Page {
	t.Helper()
	page := b.Get(t, b.Server.URL+"/account")
	if !page.Has("sign-out-everywhere") {
		t.Fatalf("not offered: %d %.500s", page.Status, page.Body)
	}
	return b.Do(t, page.Submit(t, "sign-out-everywhere", nil))
}

// All sessions and all grants of the user end, offline ones too, and nobody else's.
func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Users: twoUsers}, func(m *client.Metadata) {
		l.hear(m)
		m.BackChannelSession = m.ID == authztest.ThirdParty
	})
	here, there, bob := s.NewBrowser(t), s.NewBrowser(t), s.NewBrowser(t)
	bob.Username = "bob"
	var ended []authztest.Tokens
	for _, b := range []*authztest.Browser{here, there} {
		ended = append(ended, b.SignIn(t, authztest.SPA, nil), b.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}}))
		b.SignIn(t, authztest.ThirdParty, nil)
	}
	ofBob := bob.SignIn(t, authztest.SPA, nil)
	pending, verifier := here.Code(t, authztest.SPA, nil)

	page := everywhere(t, here)
	if !blackbox.IsLoggedOut(page) {
		t.Errorf("%d %.500s", page.Status, page.Body)
	}
	for i, tokens := range ended {
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("refresh %d: %+v", i, got)
		}
		if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != http.StatusUnauthorized {
			t.Errorf("userinfo %d: %d", i, status)
		}
	}
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(pending, verifier)); got.Error != "invalid_grant" {
		t.Errorf("a code from before: %+v", got)
	}
	for _, b := range []*authztest.Browser{here, there} {
		if isSignedIn(t, b) {
			t.Error("still signed in")
		}
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(ofBob.RefreshToken)); got.Status != 200 || !isSignedIn(t, bob) {
		t.Errorf("somebody else was signed out: %+v", got)
	}

	// Each client is told once of the user, or, if it insists on the sid, once of each session.
	l.nothingLeft(s)
	token := l.wait(authztest.SPA)
	claims := blackbox.Claims(t, token)
	if verified(t, s, authztest.SPA, token).SessionID != "" || claims["sid"] != nil || claims["sub"] != blackbox.Claims(t, ended[0].IDToken)["sub"] {
		t.Errorf("%v", claims)
	}
	sids := map[any]bool{}
	for _, token := range l.of(authztest.ThirdParty) {
		sids[blackbox.Claims(t, token)["sid"]] = true
	}
	if len(l.of(authztest.ThirdParty)) != 2 || len(sids) != 2 || sids[nil] {
		t.Errorf("the client that insists on sids got %v", sids)
	}

	// The next sign-in is a new beginning.
	tokens := here.SignIn(t, authztest.SPA, nil)
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("refresh after the next sign-in: %+v", got)
	}
}

// A replica whose clock is ahead has made grants of the future: they end with the others.
func TestSignOutEverywhereTrustsNoClock(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	grants, err := storage.Grants.Scan(t.Context(), s.Store, "", "", 10)
	if err != nil || len(grants) != 1 {
		t.Fatal(len(grants), err)
	}
	grants[0].Value.CreatedAt = time.Now().Add(time.Minute)
	if err := s.Store.Apply(t.Context(), storage.Grants.Put(grants[0].Key, grants[0].Value, storage.Any, grants[0].Value.ExpiresAt)); err != nil {
		t.Fatal(err)
	}
	everywhere(t, b)
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("refresh: %+v", got)
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", status)
	}
	again := b.SignIn(t, authztest.SPA, nil) // at once: no second has passed
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(again.RefreshToken)); got.Status != http.StatusOK {
		t.Errorf("refresh of the next sign-in: %+v", got)
	}
}

// A client that keeps getting grants while the user signs out everywhere has none that lives on.
func TestSignOutEverywhereRaces(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	thief := s.NewBrowser(t)
	thief.HTTP.Jar = b.HTTP.Jar
	var mu sync.Mutex
	var stolen []string
	var racers sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		racers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				verifier, challenge := authztest.PKCE()
				params := authztest.AuthorizationParams(authztest.SPA, challenge)
				response, err := thief.HTTP.Get(s.URL + "/authorize?" + params.Encode())
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				location, err := url.Parse(response.Header.Get("Location"))
				if err != nil || location.Query().Get("code") == "" {
					return // signed out
				}
				if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(location.Query().Get("code"), verifier)); got.Status == 200 {
					mu.Lock()
					stolen = append(stolen, got.RefreshToken)
					mu.Unlock()
				}
			}
		})
	}
	blackbox.Until(t, "the thief is at work", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(stolen) > 20
	})
	everywhere(t, b)
	close(stop)
	racers.Wait()
	for _, token := range stolen {
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(token)); got.Error != "invalid_grant" {
			t.Fatalf("a grant lives on: %+v", got)
		}
	}
	t.Logf("%d grants ended", len(stolen))
}

// The account page lists the user's own sessions, and ends them one by one.
func TestAccountSessions(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: twoUsers}, nil)
	here, there, bob := s.NewBrowser(t), s.NewBrowser(t), s.NewBrowser(t)
	bob.Username = "bob"
	here.SignIn(t, authztest.SPA, nil)
	elsewhere := there.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	ofBob := bob.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	sid := func(tokens authztest.Tokens) string { return blackbox.Claims(t, tokens.IDToken)["sid"].(string) }

	page := here.Get(t, s.URL+"/account")
	if !page.Has("end-"+sid(elsewhere)) || page.Has("end-"+sid(ofBob)) {
		t.Fatalf("%.2000s", page.Body)
	}
	forged := page.Submit(t, "end-"+sid(elsewhere), url.Values{"end": {sid(ofBob)}})
	here.Do(t, forged)
	if !isSignedIn(t, bob) {
		t.Error("another user's session was ended")
	}
	for _, junk := range []string{"", "junk", "../" + sid(elsewhere), strings.Repeat("x", 9000)} {
		if done := here.Do(t, page.Submit(t, "end-"+sid(elsewhere), url.Values{"end": {junk}})); done.Status != http.StatusSeeOther {
			t.Errorf("%.20q: %d", junk, done.Status)
		}
	}
	if !isSignedIn(t, there) {
		t.Error("ended too early")
	}
	if done := here.Do(t, page.Submit(t, "end-"+sid(elsewhere), nil)); done.Status != http.StatusSeeOther || done.LedTo(t) != "/account" {
		t.Errorf("%d %s", done.Status, done.Header.Get("Location"))
	}
	if isSignedIn(t, there) || !isSignedIn(t, here) {
		t.Error("not the session that was meant")
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(elsewhere.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("its online grant: %+v", got)
	}
	if page = here.Get(t, s.URL+"/account"); page.Has("end-" + sid(elsewhere)) {
		t.Error("it is still listed")
	}
}

// Users who were disabled, or all of whose sessions were ended, have none to list, and logging out
// still works.
func TestLogoutOfADeadSession(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Users: []users.User{twoUsers[0]}}, l.hear)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	user, version, err := storage.Users.Get(t.Context(), s.Store, blackbox.AliceID(t, s))
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	if err := s.Store.Apply(t.Context(), storage.Users.Put(user.ID, user, storage.At(version), time.Time{})); err != nil {
		t.Fatal(err)
	}
	if page := b.Get(t, s.URL+"/account"); page.LedTo(t) != "/login" {
		t.Errorf("%d", page.Status)
	}
	if page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}}); page.Header.Get("Location") != back {
		t.Errorf("%d %s", page.Status, page.Header.Get("Location"))
	}
	l.wait(authztest.SPA)
}
