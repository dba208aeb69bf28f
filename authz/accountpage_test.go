package authz_test

import (
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

// TestAccountPagesOfSessions: the account page shows twenty sessions, this one first, and leads to the others.
func TestAccountPagesOfSessions(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	const others = 23
	for range others {
		s.NewBrowser(t).Code(t, authztest.SPA, nil)
	}
	b := s.NewBrowser(t)
	b.Code(t, authztest.SPA, nil)
	first := b.Get(t, s.URL+"/account")
	if n := strings.Count(first.Body, `name="end"`); n != 19 || !first.Has("more-sessions") || !strings.Contains(first.Body, "this browser") {
		t.Errorf("first page: %d others\n%s", n, first.Body)
	}
	if want := `href="` + s.URL + `/account?sessions=20#sessions-heading"`; !strings.Contains(first.Body, want) {
		t.Errorf("no link %s", want)
	}
	last := b.Get(t, s.URL+"/account?sessions=20")
	if n := strings.Count(last.Body, `name="end"`); n != others-19 || last.Has("more-sessions") || strings.Contains(last.Body, "this browser") {
		t.Errorf("last page: %d others", n)
	}
	for _, from := range []string{"-1", "x", "99999999999999999999", "24", "1000"} {
		if page := b.Get(t, s.URL+"/account?sessions="+from); page.Status != 200 || strings.Count(page.Body, `name="end"`) != 19 {
			t.Errorf("from %s: %d", from, page.Status)
		}
	}
}
