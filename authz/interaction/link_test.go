package interaction_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/storage"
)

// linkPage goes to the upstream and back, up to the page that asks.
func linkPage(t *testing.T, f blackbox.Federation, b *authztest.Browser) *authztest.Page {
	t.Helper()
	page := b.Get(t, f.Arrive(t, f.Leave(t, b), false))
	if !strings.HasPrefix(page.Header.Get("Location"), f.URL+"/link?") {
		t.Fatalf("led to %q", page.Header.Get("Location"))
	}
	return b.Get(t, page.Header.Get("Location"))
}

// byPassword is linkPage where the address proves nothing.
func byPassword(t *testing.T, f blackbox.Federation, b *authztest.Browser) *authztest.Page {
	t.Helper()
	login := b.Get(t, f.SignInUpstream(t, b).Header.Get("Location"))
	on := b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {authztest.Username}, "password": {authztest.Password}}))
	return b.Get(t, on.Header.Get("Location"))
}

// TestLinkIsAsked: nothing is linked before the person has seen both accounts and said so, and each page
// takes one answer.
func TestLinkIsAsked(t *testing.T) {
	t.Parallel()
	for _, authoritative := range []bool{true, false} {
		f := blackbox.Federate(t, authoritative)
		reach := byPassword
		if authoritative {
			reach = linkPage
		}
		b := f.NewBrowser(t)
		page := reach(t, f, b)
		for _, want := range []string{"Corp", "Alice Upstream", "alice@example.com", "Alice Liddell", authztest.Username} {
			if !strings.Contains(page.Body, want) {
				t.Errorf("authoritative %v: the page does not name %q", authoritative, want)
			}
		}
		if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
			t.Fatalf("authoritative %v: linked unseen", authoritative)
		}
		on := b.Do(t, page.Submit(t, "link-cancel", nil))
		if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
			t.Fatalf("authoritative %v: linked against the person's will", authoritative)
		}
		next := b.Get(t, on.Header.Get("Location"))
		if authoritative != (next.Header.Get("Location") != "" && next.LedTo(t) == "/login") {
			t.Errorf("authoritative %v: cancelled, and led to %q", authoritative, next.Header.Get("Location"))
		}
		// A later visit to the page can't change that.
		b.Do(t, page.Submit(t, "link-confirm", nil))
		if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
			t.Fatalf("authoritative %v: linked by a page that was answered", authoritative)
		}
		page = reach(t, f, f.NewBrowser(t))
		stranger := f.NewBrowser(t)
		stranger.Do(t, page.Submit(t, "link-confirm", nil))
		if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 {
			t.Fatalf("authoritative %v: linked by another browser", authoritative)
		}
		b = f.NewBrowser(t)
		on = b.Do(t, reach(t, f, b).Submit(t, "link-confirm", nil))
		if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
			t.Errorf("authoritative %v: confirmed: %v", authoritative, got)
		}
		if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 1 {
			t.Errorf("authoritative %v: %d identities", authoritative, n)
		}
		wantEvent(t, f, "user.identity_linked")
		wantMail(t, f, "account_linked", "Corp")
	}
}

// TestLinkPageAfterSignOut: a person who finds the page in a browser's history does not get into an account.
func TestLinkPageAfterSignOut(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	page := linkPage(t, f, b)
	b.Do(t, page.Submit(t, "link-confirm", nil))
	account := b.Get(t, f.URL+"/account")
	b.Do(t, account.Submit(t, "sign-out-everywhere", nil))
	b.Do(t, page.Submit(t, "link-confirm", nil))
	if again := b.Get(t, f.URL+"/account"); again.LedTo(t) != "/login" {
		t.Errorf("signed in again by an old page: %d", again.Status)
	}
}

// TestRecycledAddressUpstream: a person who gets the former address of another is another user.
func TestRecycledAddressUpstream(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	first := f.NewBrowser(t)
	f.SignInUpstream(t, first)
	linked, err := storage.Identities.Scan(t.Context(), f.Store, "", "", 2)
	if err != nil || len(linked) != 1 {
		t.Fatal(len(linked), err)
	}
	// The upstream gives the subject to nobody again, and the address to somebody.
	delete := storage.Identities.Delete(linked[0].Key, storage.Any)
	other := storage.Identities.Put(linked[0].Key+"-who-left", linked[0].Value, storage.Absent, time.Time{})
	byUser := storage.UserIdentityPut(linked[0].Value.UserID, linked[0].Key+"-who-left", storage.Any)
	if err := f.Store.Apply(t.Context(), delete, other, byUser); err != nil {
		t.Fatal(err)
	}
	second := f.NewBrowser(t)
	f.SignInUpstream(t, second)
	if f.Subject(t, second) == f.Subject(t, first) {
		t.Error("the second one is signed in as the first")
	}
}

// TestUnlinkOnAccountPage: people see their identities and unlink them, and never lose the last way in,
// not even in two tabs at once.
func TestUnlinkOnAccountPage(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	f.SignInUpstream(t, b)
	page := b.Get(t, f.URL+"/account")
	linked, err := storage.UserIdentities.Scan(t.Context(), f.Store, "", "", 2)
	if err != nil || len(linked) != 1 {
		t.Fatal(len(linked), err)
	}
	userID, id, _ := strings.Cut(linked[0].Key, "/")
	if !page.Has("unlink-"+id) || !strings.Contains(page.Body, "was linked") {
		t.Fatalf("the page does not show the identity: %s", page.Body)
	}
	b.Do(t, page.Submit(t, "unlink-"+id, nil))
	page = b.Get(t, f.URL+"/account")
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 0 || !strings.Contains(page.Body, "was removed") {
		t.Errorf("%d identities are left; the page: %s", n, page.Body)
	}
	wantEvent(t, f, "user.identity_unlinked")
	wantMail(t, f, "account_unlinked", "Corp")

	// Two identities, and no password.
	user, version, err := storage.Users.Get(t.Context(), f.Store, userID)
	if err != nil {
		t.Fatal(err)
	}
	user.PasswordHash = ""
	writes := []storage.Write{storage.Users.Put(userID, user, storage.At(version), time.Time{})}
	for _, subject := range []string{"1", "2"} {
		key := f.Upstream.URL + " " + subject
		writes = append(writes, storage.Identities.Put(key, &storage.Identity{UserID: userID, Connector: "corp"}, storage.Absent, time.Time{}),
			storage.UserIdentityPut(userID, key, storage.Absent))
	}
	if err := f.Store.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	page = b.Get(t, f.URL+"/account")
	var tabs sync.WaitGroup
	statuses := make([]int, 2)
	for i, subject := range []string{"1", "2"} {
		button := "unlink-" + strings.TrimPrefix(storage.UserIdentityKey(userID, f.Upstream.URL+" "+subject), userID+"/")
		request := page.Submit(t, button, nil)
		tabs.Go(func() { statuses[i] = b.Do(t, request).Status })
	}
	tabs.Wait()
	if statuses[0]+statuses[1] != http.StatusSeeOther+http.StatusConflict {
		t.Errorf("at once: %v", statuses)
	}
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 1 {
		t.Errorf("%d identities are left", n)
	}
	if page = b.Get(t, f.URL+"/account"); strings.Contains(page.Body, `id="unlink-`) {
		t.Error("the last way in has a button")
	}
}

// TestUnlinkWantsAFreshSignIn: somebody who finds an open session can't take a way in away.
func TestUnlinkWantsAFreshSignIn(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	f.SignInUpstream(t, b)
	linked, err := storage.UserIdentities.Scan(t.Context(), f.Store, "", "", 2)
	if err != nil || len(linked) != 1 {
		t.Fatal(len(linked), err)
	}
	_, id, _ := strings.Cut(linked[0].Key, "/")
	page := b.Get(t, f.URL+"/account")
	blackbox.AgeLogins(t, f.Server, 10*time.Minute)
	for entry, err := range storage.Sessions.All(t.Context(), f.Store, "") {
		if err != nil {
			t.Fatal(err)
		}
		entry.Value.CreatedAt = entry.Value.CreatedAt.Add(-10 * time.Minute)
		if err := f.Store.Apply(t.Context(), storage.Sessions.Put(entry.Key, entry.Value, storage.At(entry.Version), time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if stale := b.Do(t, page.Submit(t, "unlink-"+id, nil)); stale.LedTo(t) != "/login" {
		t.Errorf("led to %q", stale.Header.Get("Location"))
	}
	if n := blackbox.Count(t, f.Store, storage.Identities.Table); n != 1 {
		t.Error("unlinked")
	}
	blackbox.Until(t, "an event of the refusal", func() bool {
		return slices.ContainsFunc(blackbox.AuditLines(t, f.Store), func(line string) bool { return strings.Contains(line, `"error":"stale_sign_in"`) })
	})
}

// wantEvent fails unless the store has an event of a type that waits to be sealed, or is.
func wantEvent(t *testing.T, f blackbox.Federation, what string) {
	t.Helper()
	for _, line := range blackbox.AuditLines(t, f.Store) {
		if strings.Contains(line, `"`+what+`"`) {
			return
		}
	}
	t.Errorf("the audit log has no %s", what)
}

// wantMail waits until Alice has got a mail that names something.
func wantMail(t *testing.T, f blackbox.Federation, message, names string) {
	t.Helper()
	blackbox.Until(t, "the mail "+message, func() bool {
		return slices.ContainsFunc(f.Mails.Mails(), func(m *mail.Mail) bool {
			return m.Message == message && m.To.Address == "alice@example.com" && strings.Contains(m.Text, names)
		})
	})
}
