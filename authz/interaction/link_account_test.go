package interaction_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// A person links an upstream account to the account in which they are signed in. They see both first, and a mail tells
// them.
func TestLinkFromAccountPage(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, false)
	b := f.SignedIn(t, nil)
	account := b.Get(t, f.URL+"/account")
	if !account.Has("link-corp") {
		t.Fatalf("nothing to link: %.300s", account.Body)
	}
	begin := func(b *authztest.Browser) string { return b.Get(t, f.URL+"/account/link/corp").Header.Get("Location") }

	denied := b.Get(t, f.Arrive(t, begin(b), true))
	if got := denied.Header.Get("Location"); got != f.URL+"/account" || b.Get(t, got).Status != http.StatusOK {
		t.Errorf("refused at the upstream: led to %q", got)
	}
	callback := f.Arrive(t, begin(b), false)
	asked := b.Get(t, callback)
	if !strings.HasPrefix(asked.Header.Get("Location"), f.URL+"/link?") {
		t.Fatalf("led to %q: %.300s", asked.Header.Get("Location"), asked.Body)
	}
	page := b.Get(t, asked.Header.Get("Location"))
	for _, want := range []string{"Corp", "Alice Upstream", "Alice Liddell"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page does not name %q", want)
		}
	}
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
		t.Fatal("linked unseen")
	}
	done := b.Do(t, page.Submit(t, "link-confirm", nil))
	if done.Header.Get("Location") != f.URL+"/account" || blackbox.Count(t, f.Store, storage.Identities.Table) != 1 {
		t.Fatalf("led to %q: %.300s", done.Header.Get("Location"), done.Body)
	}
	if account = b.Get(t, f.URL+"/account"); account.Has("link-corp") || !strings.Contains(account.Body, "alice@example.com") {
		t.Error("the account page does not show it")
	}
	if again := b.Get(t, f.Arrive(t, begin(b), false)); again.Header.Get("Location") != f.URL+"/account" {
		t.Errorf("linked twice: led to %q", again.Header.Get("Location"))
	}
}

// Another site, a browser in which nobody or somebody else is signed in by now, and a stale sign-in link nothing.
func TestLinkFromAccountPageRefused(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, false)
	b := f.SignedIn(t, nil)
	foreign, err := http.NewRequest(http.MethodGet, f.URL+"/account/link/corp", nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if page := b.Do(t, foreign); page.Header.Get("Location") != f.URL+"/account" {
		t.Errorf("another site began a link: %q", page.Header.Get("Location"))
	}
	if page := f.NewBrowser(t).Get(t, f.URL+"/account/link/corp"); page.LedTo(t) != "/login" {
		t.Errorf("nobody is signed in: led to %q", page.Header.Get("Location"))
	}
	if page := b.Get(t, f.URL+"/account/link/nowhere"); page.Status != http.StatusNotFound {
		t.Errorf("an unknown connector: %d", page.Status)
	}

	callback := f.Arrive(t, b.Get(t, f.URL+"/account/link/corp").Header.Get("Location"), false)
	out := b.Get(t, f.URL+"/logout")
	b.Do(t, out.Submit(t, "logout-confirm", nil))
	if page := b.Get(t, callback); page.Header.Get("Location") != f.URL+"/account" {
		t.Errorf("signed out meanwhile: led to %q", page.Header.Get("Location"))
	}
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
		t.Error("linked")
	}
}
