package interaction_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// A sign-in leads to no place that a request names: an authorization request only to what is registered (or to
// the app's own origin, by a click), and our own pages have no parameter for one.
func TestPlacesAfterSignIn(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	signedIn, stranger := s.NewBrowser(t), s.NewBrowser(t)
	signedIn.SignIn(t, authztest.SPA, nil)
	for i, place := range blackbox.ReturnPlaces(t, "../weburl/testdata/return.txt") {
		for name, b := range map[string]*authztest.Browser{"signed in": signedIn, "signed out": stranger} {
			check := func(where string, page *authztest.Page) {
				t.Helper()
				if away := blackbox.LeadsAway(t, page, "app.example.com"); page.Status >= http.StatusInternalServerError || len(away) > 0 {
					t.Errorf("%q, %s, %s: %d, leads to %q", place, name, where, page.Status, away)
				}
			}
			if place != "" { // no redirect_uri: the only one that is registered
				page := b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {place}})
				check("authorization request", page)
				if page.Status != http.StatusBadRequest {
					t.Errorf("%q, %s: authorization request: %d", place, name, page.Status)
				}
			}
			pages := []string{"/account", "/select-account", "/consent", "/link", "/device"}
			for _, path := range []string{"/login", pages[i%len(pages)]} {
				check(path, b.Get(t, s.URL+path+"?"+blackbox.Naming(place).Encode()))
				check(path+" with a flow", b.Get(t, s.URL+path+"?"+url.Values{"flow": {place}}.Encode()))
			}
		}
		if i%30 == 0 { // a password is checked for each
			signsInHere(t, s, place)
		}
	}
}

// signsInHere signs in by a form that names a place, and wants to stay.
func signsInHere(t *testing.T, s *authztest.Server, place string) {
	t.Helper()
	b := s.NewBrowser(t)
	fields := blackbox.Naming(place)
	fields.Set("username", authztest.Username)
	fields.Set("password", authztest.Password)
	form := b.Get(t, s.URL+"/login?"+blackbox.Naming(place).Encode())
	if form.Status == http.StatusBadRequest && strings.ContainsAny(place, "\x00\t\r\n") {
		return // no parameter of ours has such characters
	}
	page := b.Do(t, form.Submit(t, "login-submit", fields))
	if away := blackbox.LeadsAway(t, page); !strings.HasPrefix(page.Header.Get("Location"), s.URL+"/account") || len(away) > 0 {
		t.Errorf("%q: a sign-in leads to %d %q, %q", place, page.Status, page.Header.Get("Location"), away)
	}
}
