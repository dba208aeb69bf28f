package logout_test

import (
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// With several accounts in one browser, a logout without an ID token asks which one, and the others stay.
func TestLogoutOfOneAccount(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		params func(alice string, tokens authztest.Tokens) url.Values
		choice func(alice string) url.Values
		left   int
		alice  bool // she is still signed in
	}{
		"the account in use":   {nil, nil, 1, true},
		"the other one":        {nil, func(alice string) url.Values { return url.Values{"account": {alice}} }, 1, false},
		"all":                  {nil, func(string) url.Values { return url.Values{"account": {"all"}} }, 0, false},
		"nobody's":             {nil, func(string) url.Values { return url.Values{"account": {"somebody"}} }, 2, true},
		"the hint preselects":  {func(string, authztest.Tokens) url.Values { return url.Values{"logout_hint": {"Alice"}} }, nil, 1, false},
		"the app can't choose": {func(alice string, _ authztest.Tokens) url.Values { return url.Values{"account": {alice}} }, nil, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := authztest.Start(t, authz.Config{Users: twoUsers}, nil)
			b := s.NewBrowser(t)
			tokens := b.SignIn(t, authztest.SPA, nil)
			alice := blackbox.Claims(t, tokens.IDToken)["sub"].(string)
			addAccount(t, b, "bob")
			params, choice := url.Values{}, url.Values{}
			if test.params != nil {
				params = test.params(alice, tokens)
			}
			if test.choice != nil {
				choice = test.choice(alice)
			}
			page := logOut(t, b, params)
			if !page.Has("logout-confirm") {
				t.Fatalf("no question: %.300s", page.Body)
			}
			b.Do(t, page.Submit(t, "logout-confirm", choice))
			left, hers := 0, false
			for entry, err := range storage.Sessions.All(t.Context(), s.Store, "") {
				if err != nil {
					t.Fatal(err)
				}
				left++
				hers = hers || entry.Value.UserID == alice
			}
			if left != test.left || hers != test.alice {
				t.Errorf("%d sessions left, hers: %v", left, hers)
			}
		})
	}
}

// An ID token of an account that is not in use ends its session without a question, and no other.
func TestLogoutByIDTokenOfOtherAccount(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: twoUsers}, withBack)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	addAccount(t, b, "bob")
	page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}})
	if page.Header.Get("Location") != back {
		t.Fatalf("%d %s %.300s", page.Status, page.Header.Get("Location"), page.Body)
	}
	for entry, err := range storage.Sessions.All(t.Context(), s.Store, "") {
		if err != nil || entry.Value.UserID == blackbox.Claims(t, tokens.IDToken)["sub"] {
			t.Errorf("alice is signed in, %v", err)
		}
	}
	if account := b.Get(t, s.URL+"/account"); account.Status != 200 {
		t.Errorf("bob is signed out: %d", account.Status)
	}
}
