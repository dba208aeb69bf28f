package tokenendpoint_test

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/storage"
)

// The retry-safe rotation: a retry gets the same successor, a replay kills the family.
func TestRFC9700Section4_14_2_ReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	retry := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	if retry.Status != 200 || retry.RefreshToken != second.RefreshToken || retry.AccessToken == second.AccessToken {
		t.Fatalf("a retry must get the same successor and a fresh access token: %+v, %+v", second, retry)
	}
	third := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken))
	if third.Status != 200 || third.RefreshToken == second.RefreshToken {
		t.Fatalf("third: %+v", third)
	}
	if replay := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); replay.Status != 400 || replay.Error != "invalid_grant" {
		t.Errorf("a replay after the successor was used: %+v", replay)
	}
	if dead := s.Token(t, authztest.SPA, "", authztest.RefreshForm(third.RefreshToken)); dead.Error != "invalid_grant" {
		t.Errorf("the family lives on: %+v", dead)
	}
	if status := blackbox.UserinfoStatus(t, s, third.AccessToken); status != 401 {
		t.Errorf("userinfo with a token of a dead family: %d", status)
	}
}

func TestRFC9700Section4_14_2_ReuseAfterTheGrace(t *testing.T) {
	t.Parallel()
	lifetimes := authz.DefaultLifetimes
	lifetimes.RefreshGrace = 0
	s := authztest.Start(t, authz.Config{Lifetimes: lifetimes}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	if replay := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); replay.Error != "invalid_grant" {
		t.Errorf("a replay after the grace: %+v", replay)
	}
	if dead := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken)); dead.Error != "invalid_grant" {
		t.Errorf("the family lives on: %+v", dead)
	}
}

// A client's own grace is in place of the server's, and a use after the successor's is theft in it too.
func TestRFC9700Section4_14_2_GraceOfTheClient(t *testing.T) {
	t.Parallel()
	none, day := member.Duration(0), member.Duration(24*time.Hour)
	lifetimes := authz.DefaultLifetimes
	lifetimes.RefreshGrace = 0
	s := authztest.Start(t, authz.Config{Lifetimes: lifetimes}, func(m *client.Metadata) {
		m.RefreshGrace = map[string]*member.Duration{authztest.SPA: &day, authztest.ThirdParty: &none}[m.ID]
	})
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	if retry := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); retry.RefreshToken != second.RefreshToken {
		t.Errorf("a retry: %+v", retry)
	}
	third := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken))
	if replay := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); replay.Error != "invalid_grant" {
		t.Errorf("a replay after the successor was used: %+v", replay)
	}
	if dead := s.Token(t, authztest.SPA, "", authztest.RefreshForm(third.RefreshToken)); dead.Error != "invalid_grant" {
		t.Errorf("the family lives on: %+v", dead)
	}

	first = s.SignIn(t, authztest.ThirdParty, "", nil)
	s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(first.RefreshToken))
	if replay := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(first.RefreshToken)); replay.Error != "invalid_grant" {
		t.Errorf("a retry that the client does not have: %+v", replay)
	}
}

// The presented token and the server secret are not enough to know the successor.
func TestRefreshSuccessorNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	if second.RefreshToken == successorOfFormat1(s, first.RefreshToken) {
		t.Error("derived from the token and the secret alone")
	}
	row, _, err := storage.RefreshTokens.Get(t.Context(), s.Store, hashOf(first.RefreshToken))
	if err != nil || len(row.Salt) != 16 {
		t.Errorf("row %+v, %v", row, err)
	}
}

// A row that was written when there were no salts is retried as it was then, once, and goes on with them.
func TestRefreshRowsOfFormat1(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	row, version, err := storage.RefreshTokens.Get(t.Context(), s.Store, hashOf(first.RefreshToken))
	if err != nil {
		t.Fatal(err)
	}
	now, second := time.Now(), successorOfFormat1(s, first.RefreshToken)
	old := storage.RefreshToken{GrantID: row.GrantID, RenewedAt: row.RenewedAt, UsedAt: &now, Next: hashOf(second)}
	next := storage.RefreshToken{GrantID: row.GrantID, RenewedAt: now}
	if err := s.Store.Apply(t.Context(),
		storage.RefreshTokens.Put(hashOf(first.RefreshToken), &old, storage.At(version), now.Add(time.Hour)),
		storage.RefreshTokens.Put(hashOf(second), &next, storage.Absent, now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if retry := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); retry.RefreshToken != second {
		t.Errorf("a retry: %+v", retry)
	}
	third := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second))
	if third.Status != http.StatusOK || third.RefreshToken == successorOfFormat1(s, second) {
		t.Errorf("the successor: %+v", third)
	}
	if replay := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); replay.Error != "invalid_grant" {
		t.Errorf("a replay: %+v", replay)
	}
}

// A retry that can't be answered, because the secret of that time is gone, is no theft: the user signs in
// again, or the holder of the successor goes on.
func TestRefreshRetryWithoutTheSecret(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	row, version, err := storage.RefreshTokens.Get(t.Context(), s.Store, hashOf(first.RefreshToken))
	if err != nil {
		t.Fatal(err)
	}
	row.Salt = []byte("of another secret")
	if err := s.Store.Apply(t.Context(), storage.RefreshTokens.Put(hashOf(first.RefreshToken), row, storage.At(version), time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if retry := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken)); retry.Status != http.StatusBadRequest || retry.Error != "invalid_grant" {
		t.Errorf("the retry: %+v", retry)
	}
	if third := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken)); third.Status != http.StatusOK {
		t.Errorf("the successor: %+v", third)
	}
}

// successorOfFormat1 is how the successor of a refresh token was derived before rows had salts.
func successorOfFormat1(s *authztest.Server, presented string) string {
	derived := s.Secret.Deriver("refresh token successor").Derive([]byte(presented))[0]
	return "azr_" + base64.RawURLEncoding.EncodeToString(derived[:])
}

// hashOf is how tokens are found in the store.
func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func TestRFC9700Section4_14_2_RetriesAgreeOnOneSuccessor(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, scope := range []string{"openid orders.read", "openid offline_access"} { // online: the session is touched too
		tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {scope}})
		successors := map[string]bool{}
		for _, a := range race(t, s, 64, authztest.RefreshForm(tokens.RefreshToken)) {
			if a.Status != 200 {
				t.Fatalf("%d %s %s", a.Status, a.Error, a.Description)
			}
			successors[a.RefreshToken] = true
		}
		if len(successors) != 1 {
			t.Fatalf("%d successors", len(successors))
		}
		for successor := range maps.Keys(successors) {
			if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(successor)); got.Status != 200 {
				t.Errorf("the successor: %+v", got)
			}
		}
	}
}

// Section 4.12: no redirect after a form makes the browser send the form, with the password in it,
// to somebody else.
func TestRFC9700Section4_12_SeeOther(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.ThirdParty, nil).Header.Get("Location"))
	answer := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	if answer.Status != http.StatusSeeOther {
		t.Errorf("after the password: %d", answer.Status)
	}
	consent := b.Get(t, b.Get(t, answer.Header.Get("Location")).Header.Get("Location"))
	answer = b.Do(t, consent.Submit(t, "consent-allow", nil))
	if last := b.Get(t, answer.Header.Get("Location")); answer.Status != http.StatusSeeOther || last.Status != http.StatusSeeOther {
		t.Errorf("after the consent: %d, %d", answer.Status, last.Status)
	}
}

// Sections 4.2.4 and 4.16: nothing leaks by a Referer, and no page is shown in anybody's frame.
func TestRFC9700Section4_16_NoFramesAndNoReferer(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	for _, page := range []*authztest.Page{
		b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location")), // sign-in
		s.SignedIn(t, nil).Get(t, s.URL+"/account"),
		b.Ask(t, "nobody", nil), // an error
		b.Get(t, s.URL+"/logout"),
	} {
		h := page.Header
		if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Referrer-Policy") != "same-origin" ||
			h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "" {
			t.Errorf("%s: %v", page.URL, h)
		}
	}
	if h := s.SignedIn(t, nil).Ask(t, authztest.SPA, nil).Header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the redirect to the app: %v", h)
	}
}
