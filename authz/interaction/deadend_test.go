package interaction_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// linkOf is where a link on a page leads.
func linkOf(page *authztest.Page, id string) string {
	found := regexp.MustCompile(`<a [^>]*id="` + id + `" href="([^"]*)"`).FindStringSubmatch(page.Body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// A callback that comes again, by a reload or because the browser restored its tabs, goes on with what
// the first one has led to.
func TestCallbackAgain(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	f.SignInUpstream(t, f.NewBrowser(t)) // is linked from then on
	for _, change := range []url.Values{nil, {"prompt": {"login"}}, {"max_age": {"0"}}} {
		b := f.NewBrowser(t)
		callback := f.Arrive(t, f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, change)), false)
		var codes []string
		for range 3 {
			got := b.Get(t, b.Get(t, callback).Header.Get("Location")).Redirect(t)
			codes = append(codes, got.Get("code"))
		}
		if codes[0] == "" || codes[1] == "" || codes[2] == "" || codes[0] == codes[1] {
			t.Errorf("%v: codes %v", change, codes)
		}
		if page := f.NewBrowser(t).Get(t, callback); page.Status != http.StatusBadRequest || page.Header.Get("Location") != "" {
			t.Errorf("%v: in another browser: %d", change, page.Status)
		}
	}
}

// One that brought a refusal leads to the sign-in page again; one that waits for a link waits on.
func TestCallbackAgainWithoutSuccess(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	b := f.NewBrowser(t)
	callback := f.Arrive(t, f.Leave(t, b), true)
	if got := b.Get(t, callback).Redirect(t); got.Get("error") != "access_denied" {
		t.Fatalf("%v", got)
	}
	if login := b.Get(t, b.Get(t, b.Get(t, callback).Header.Get("Location")).Header.Get("Location")); !login.Has("login-submit") {
		t.Errorf("after a refusal: %d %.300s", login.Status, login.Body)
	}

	linking := blackbox.Federate(t, false)
	b = linking.NewBrowser(t)
	callback = linking.Arrive(t, linking.Leave(t, b), false)
	first, second := b.Get(t, callback), b.Get(t, callback)
	if first.LedTo(t) != second.LedTo(t) || first.LedTo(t) == "/authorize" {
		t.Errorf("what waits for a link: led to %s, then to %s", first.LedTo(t), second.LedTo(t))
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("a callback that came twice signs in without the link: %v", got)
	}

	f.SignInUpstream(t, f.NewBrowser(t)) // is linked from then on
	b = f.NewBrowser(t)                  // without an app
	callback = f.Arrive(t, b.Get(t, f.URL+"/login/corp").Header.Get("Location"), false)
	for range 2 {
		if got := b.Get(t, callback).LedTo(t); got != "/account" {
			t.Errorf("without an app: led to %s", got)
		}
	}
}

// A sign-in page that is reloaded after another tab has signed in goes on, unless its request demands a
// fresh sign-in, or the person wants another account.
func TestSignInPageAfterAnotherTab(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for name, c := range map[string]struct {
		client string
		change url.Values
		led    string // "": a form again
	}{
		"an app":                  {authztest.SPA, nil, "/authorize"},
		"one that needs consent":  {authztest.ThirdParty, nil, "/authorize"},
		"select_account":          {authztest.SPA, url.Values{"prompt": {"select_account"}}, "/authorize"},
		"one that wants it fresh": {authztest.SPA, url.Values{"prompt": {"login"}}, ""},
		"max_age":                 {authztest.SPA, url.Values{"max_age": {"0"}}, ""},
	} {
		b := s.NewBrowser(t)
		login := b.Ask(t, c.client, c.change).Header.Get("Location")
		failed := b.Get(t, login)
		failed = b.Do(t, failed.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {"wrong"}}))
		b.Code(t, authztest.SPA, nil) // in another tab
		for _, tab := range []string{login, failed.Header.Get("Location")} {
			page := b.Get(t, tab)
			if got := page.LedTo(t); got != c.led || (c.led == "" && !page.Has("login-submit")) {
				t.Errorf("%s: %d, led to %q", name, page.Status, got)
			}
		}
		if page := b.Get(t, login+"&other=1"); !page.Has("login-submit") {
			t.Errorf("%s: another account: %d", name, page.Status)
		}
	}
	b := s.SignedIn(t, nil)
	page := b.Get(t, s.URL+"/login") // nothing waits: it says who is signed in, and all the ways on
	if page.Status != http.StatusOK || page.Has("username") || !strings.Contains(page.Body, "You’re signed in as <strong><bdi>"+b.Username) {
		t.Errorf("a plain sign-in: %d %.2000s", page.Status, page.Body)
	}
	if got := page.Link("account"); got != s.URL+"/account" {
		t.Errorf("the account is at %q", got)
	}
	if other := b.Get(t, page.Link("account-other")); !other.Has("login-submit") || other.Has("other-account") {
		t.Errorf("another account: %d", other.Status)
	}
	if out := b.Do(t, page.Submit(t, "logout", nil)); !strings.Contains(out.Body, "You’re signed out") {
		t.Errorf("signed out: %d %.300s", out.Status, out.Body)
	}
	if page := b.Get(t, s.URL+"/login"); !page.Has("login-submit") || strings.Contains(page.Body, "Alice") {
		t.Errorf("after that, /login has no form, or names somebody: %d", page.Status)
	}
}

// An expired or foreign sign-in leads back: to its own beginning, and to its app if that is the operator's.
func TestLostSignInLeadsBack(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty {
			m.ClientURI = "https://partner.example/start"
		}
	})
	for id, home := range map[string]string{authztest.SPA: "https://app.example.com/", authztest.ThirdParty: "https://partner.example/start"} {
		flow := s.NewBrowser(t).Ask(t, id, url.Values{"state": {"a & b"}}).Header.Get("Location")
		elsewhere := s.NewBrowser(t)
		page := elsewhere.Get(t, flow)
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "sign_in_expired") {
			t.Fatalf("%s: %d %.300s", id, page.Status, page.Body)
		}
		if got := linkOf(page, "back"); got != home {
			t.Errorf("%s: back to %q, want %q", id, got, home)
		}
		again := linkOf(page, "again")
		if !strings.HasPrefix(again, s.URL+"/authorize?") {
			t.Fatalf("%s: again at %q", id, again)
		}
		if got := elsewhere.Walk(t, again).Params; got.Get("code") == "" || got.Get("state") != "a & b" {
			t.Errorf("%s: the sign-in that begins again: %v", id, got)
		}
	}
	if page := s.NewBrowser(t).Get(t, s.URL+"/login?flow=AAAA"); linkOf(page, "again") != "" || linkOf(page, "back") != "" {
		t.Errorf("a forged flow leads somewhere: %.300s", page.Body)
	}
}

// A callback that comes after the time for it leads back as well: the browser still has what tells which app
// waits. One that comes again goes on even then.
func TestLateCallback(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	f.SignInUpstream(t, f.NewBrowser(t)) // is linked from then on
	b, tab := f.NewBrowser(t), f.NewBrowser(t)
	callback, restored := f.Arrive(t, f.Leave(t, b), false), f.Arrive(t, f.Leave(t, tab), false)
	tab.Get(t, tab.Get(t, restored).Header.Get("Location"))
	late := time.Now().Add(15 * time.Minute)
	b.HTTP.Transport, tab.HTTP.Transport = oneHost{f.Server}, oneHost{f.Server}
	var page, last *authztest.Page
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(late)) // the browsers drop cookies by this clock
		page = b.Get(t, callback)
		last = tab.Get(t, restored)
	})
	if got := last.LedTo(t); got != "/authorize" {
		t.Errorf("a tab that was restored: led to %q", got)
	}
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "sign_in_expired") {
		t.Fatalf("%d %.300s", page.Status, page.Body)
	}
	if back, again := linkOf(page, "back"), linkOf(page, "again"); back != "https://app.example.com/" || !strings.HasPrefix(again, f.URL+"/authorize?") {
		t.Errorf("back to %q, again at %q", back, again)
	}
}

// A pushed request is answered once. A consent that is posted again, and a page that is reloaded, say so and
// lead back to the app; of a request that was not pushed each gets its answer.
func TestConsentTwice(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	consent := b.Get(t, b.Ask(t, authztest.ThirdParty, nil).Header.Get("Location"))
	for range 2 {
		on := b.Do(t, consent.Submit(t, "consent-allow", nil))
		if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
			t.Errorf("%v", got)
		}
	}

	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.ThirdParty, challenge)
	params.Set("prompt", "consent")
	pushed := blackbox.RequestURI(t, s.PostForm(t, "/par", params, nil))
	page := b.Ask(t, authztest.ThirdParty, nil) // agreed already: not a page
	begun := b.Get(t, s.URL+"/authorize?"+url.Values{"client_id": {authztest.ThirdParty}, "request_uri": {pushed}}.Encode()).Header.Get("Location")
	consent = b.Get(t, begun)
	on := b.Do(t, consent.Submit(t, "consent-allow", nil)).Header.Get("Location")
	if got := b.Get(t, on).Redirect(t); got.Get("code") == "" || page.Redirect(t).Get("code") == "" {
		t.Fatalf("%v", got)
	}
	for name, page := range map[string]*authztest.Page{
		"the form again":          b.Do(t, consent.Submit(t, "consent-allow", nil)),
		"the page again":          b.Get(t, begun),
		"what came after it":      b.Get(t, on),
		"the sign-in page":        b.Get(t, strings.Replace(begun, "/consent", "/login", 1)),
		"where the request began": b.Get(t, strings.Replace(begun, "/consent", "/authorize", 1)),
	} {
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "invalid_request_uri") ||
			linkOf(page, "back") != "https://app.example.com/" || linkOf(page, "again") != "" {
			t.Errorf("%s: %d %.500s", name, page.Status, page.Body)
		}
	}
}
