package interaction_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// A removal on the account page is final, also for an app that needs no consent, and if the app is declared
// first-party later.
func TestWithdrawnGrantsStayDead(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	dead := map[string]string{}
	for _, id := range []string{authztest.SPA, authztest.ThirdParty} {
		code, verifier := b.Code(t, id, url.Values{"prompt": {"consent"}})
		tokens := s.Token(t, id, "", authztest.CodeForm(code, verifier))
		page := b.Get(t, s.URL+"/account")
		if !page.Has("revoke-" + id) {
			t.Fatalf("%s is not on the account page: %.500s", id, page.Body)
		}
		b.Do(t, page.Submit(t, "revoke-"+id, nil))
		if page := b.Get(t, s.URL+"/account"); page.Has("revoke-" + id) {
			t.Errorf("%s is still on the account page", id)
		}
		if got := s.Token(t, id, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("refresh by %s: %+v", id, got)
		}
		dead[id] = tokens.RefreshToken
	}
	trusting := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret}, func(m *client.Metadata) { m.FirstParty = true })
	for id, token := range dead {
		if got := blackbox.Redeem(t, trusting, id, "", authztest.RefreshForm(token)); got.Error != "invalid_grant" {
			t.Errorf("refresh by %s as a first-party app: %+v", id, got)
		}
	}
	if got := b.Ask(t, authztest.ThirdParty, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "consent_required" {
		t.Errorf("silent sign-in after the withdrawal: %v", got)
	}
	for _, id := range []string{authztest.SPA, authztest.ThirdParty} {
		code, verifier := b.Code(t, id, nil)
		tokens := s.Token(t, id, "", authztest.CodeForm(code, verifier))
		if got := s.Token(t, id, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != http.StatusOK {
			t.Errorf("a new sign-in to %s: %+v", id, got)
		}
	}
}

// A replica whose clock is ahead has kept a consent and made a grant of the future: both end when the
// user withdraws, and the next consent counts at once.
func TestWithdrawalTrustsNoClock(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.ThirdParty, nil)
	ahead := time.Now().Add(time.Minute)
	grants, err := storage.Grants.Scan(t.Context(), s.Store, "", "", 10)
	if err != nil || len(grants) != 1 {
		t.Fatal(len(grants), err)
	}
	consents, err := storage.Consents.Scan(t.Context(), s.Store, "", "", 10)
	if err != nil || len(consents) != 1 {
		t.Fatal(len(consents), err)
	}
	grant, consent := grants[0].Value, consents[0].Value
	grant.CreatedAt, consent.GrantedAt = ahead, ahead
	if err := s.Store.Apply(t.Context(), storage.Grants.Put(grants[0].Key, grant, storage.Any, grant.ExpiresAt),
		storage.Consents.Put(consents[0].Key, consent, storage.Any, time.Time{})); err != nil {
		t.Fatal(err)
	}
	b.Do(t, b.Get(t, s.URL+"/account").Submit(t, "revoke-"+authztest.ThirdParty, nil))
	if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("refresh: %+v", got)
	}
	if page := b.Get(t, s.URL+"/account"); page.Has("revoke-" + authztest.ThirdParty) {
		t.Error("the app still has access")
	}
	again := b.SignIn(t, authztest.ThirdParty, nil)
	if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(again.RefreshToken)); got.Status != http.StatusOK {
		t.Errorf("refresh after the next consent: %+v", got)
	}
	if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("the old grant came back: %+v", got)
	}
}

// Of two resources with one name for a scope, the page names the one that is asked for.
func TestConsentNamesTheResource(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Name: "Orders", Scopes: []string{"orders.read", "orders.write"}},
		{URI: "https://archive.example.com", Name: "Archive", Scopes: []string{"orders.read"}},
	}}, func(m *client.Metadata) { m.Resources = append(m.Resources, "https://archive.example.com") })
	b := s.SignedIn(t, url.Values{"scope": {"openid"}})
	page := b.Get(t, b.Ask(t, authztest.ThirdParty, url.Values{"resource": {authztest.API}}).Header.Get("Location"))
	if !page.Has("consent-allow") || !strings.Contains(page.Body, "Orders") || strings.Contains(page.Body, "Archive") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

func TestWithdrawNothing(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	before := blackbox.Dump(t, s.Store)
	for _, id := range []string{"nobody", authztest.SPA, strings.Repeat("a", 5000)} {
		request, err := http.NewRequest(http.MethodPost, s.URL+"/account", strings.NewReader(url.Values{"revoke": {id}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = blackbox.FormHeader()
		if page := b.Do(t, request); page.Status != http.StatusSeeOther {
			t.Errorf("%.20s: %d", id, page.Status)
		}
	}
	if after := blackbox.Dump(t, s.Store); after != before {
		t.Errorf("the store has changed from\n%s to\n%s", before, after)
	}
}

// Only the user whom a page names can answer it. If another user has signed in meanwhile, in another tab, a consent is
// not theirs: the person chooses the account first. A choice of the account is as good as before.
func TestAnswersOfAnotherUser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: []users.User{
		{Username: authztest.Username, Password: authztest.Password}, {Username: "dinah", Password: authztest.Password},
	}}, nil)
	for prompt, test := range map[string]struct{ button, leadsTo string }{
		"consent": {"consent-allow", "/select-account"}, "select_account": {"account-continue", "/callback"},
	} {
		b := s.SignedIn(t, nil)
		page := b.Get(t, b.Ask(t, authztest.SPA, url.Values{"prompt": {prompt}}).Header.Get("Location"))
		login := b.Get(t, s.URL+"/login?other=1")
		b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {"dinah"}, "password": {authztest.Password}}))
		on := b.Do(t, page.Submit(t, test.button, nil))
		if got := b.Get(t, on.Header.Get("Location")).LedTo(t); got != test.leadsTo {
			t.Errorf("%s: led to %s, want %s", prompt, got, test.leadsTo)
		}
	}
	if n := blackbox.Count(t, s.Store, storage.Consents.Table); n != 0 {
		t.Errorf("%d consents", n)
	}
}

// A consent for one resource does not count for another, even if the scope has the same name. The account page shows
// both.
func TestConsentIsForTheResourceThatWasShown(t *testing.T) {
	t.Parallel()
	const archive = "https://archive.example.com"
	s := authztest.Start(t, authz.Config{Resources: []resource.Resource{
		{URI: authztest.API, Name: "Orders", Scopes: []string{"orders.read", "orders.write"}},
		{URI: archive, Name: "Archive", Scopes: []string{"orders.read"}},
	}}, func(m *client.Metadata) { m.Resources = append(m.Resources, archive) })
	b := s.NewBrowser(t)
	at := func(resources ...string) url.Values {
		return url.Values{"resource": resources, "scope": {"openid orders.read"}}
	}
	b.Code(t, authztest.ThirdParty, at(authztest.API))
	if got := b.Ask(t, authztest.ThirdParty, at(authztest.API)).Redirect(t); got.Get("code") == "" {
		t.Errorf("the same again: %v", got)
	}
	for _, change := range []url.Values{at(archive), at(authztest.API, archive)} {
		if got := b.Ask(t, authztest.ThirdParty, change).LedTo(t); got != "/consent" {
			t.Errorf("%v led to %s", change, got)
		}
	}
	if page := b.Get(t, s.URL+"/account"); !strings.Contains(page.Body, "Orders") || strings.Contains(page.Body, "Archive") {
		t.Errorf("the account page before: %s", page.Body)
	}
	b.Code(t, authztest.ThirdParty, at(archive))
	for _, change := range []url.Values{at(archive), at(authztest.API), at(authztest.API, archive)} {
		if got := b.Ask(t, authztest.ThirdParty, change).Redirect(t); got.Get("code") == "" {
			t.Errorf("%v: %v", change, got)
		}
	}
	if page := b.Get(t, s.URL+"/account"); !strings.Contains(page.Body, "Orders, Archive") {
		t.Errorf("the account page afterwards: %s", page.Body)
	}
}

// A consent that counts for one request counts for one code, however often the browser comes back, and
// however many times at once.
func TestConsentCountsOnce(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	page := b.Get(t, b.Ask(t, authztest.ThirdParty, url.Values{"prompt": {"consent"}}).Header.Get("Location"))
	flow := b.Do(t, page.Submit(t, "consent-allow", nil)).Header.Get("Location")
	const racers = 64
	var codes, asked atomic.Int32
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			switch location := b.Get(t, flow).Header.Get("Location"); {
			case strings.Contains(location, "code=azc_"):
				codes.Add(1)
			case strings.HasPrefix(location, s.URL+"/consent?"):
				asked.Add(1)
			default:
				t.Errorf("led to %s", location)
			}
		})
	}
	wg.Wait()
	if codes.Load() != 1 || asked.Load() != racers-1 {
		t.Errorf("%d codes, asked again %d times", codes.Load(), asked.Load())
	}
	again := b.Do(t, b.Get(t, b.Get(t, flow).Header.Get("Location")).Submit(t, "consent-allow", nil))
	if got := b.Get(t, again.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("allowed again: %v", got)
	}
}

// A client that registers itself chooses its redirect URIs, and can change them later. The page names the host that
// the answer goes to. Another host gets no answer without a question.
func TestConsentIsToTheHost(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	b := s.SignedIn(t, nil)
	created := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"redirect_uris": []string{authztest.RedirectURI, "https://evil.example/cb"}}))
	id := created.Text("client_id")
	elsewhere := func() *authztest.Page { return b.Ask(t, id, url.Values{"redirect_uri": {"https://evil.example/cb"}}) }
	if page := b.Ask(t, id, nil); page.LedTo(t) != "/consent" {
		t.Fatalf("%d %v", page.Status, page.Header)
	}
	b.Code(t, id, nil)
	if page := b.Ask(t, id, nil); page.Redirect(t).Get("code") == "" {
		t.Error("what was allowed is asked for again")
	}
	page := elsewhere()
	if page.LedTo(t) != "/consent" {
		t.Fatalf("another host gets an answer: %d %v", page.Status, page.Header)
	}
	if page := b.Get(t, page.Header.Get("Location")); !strings.Contains(page.Body, "evil.example") {
		t.Error("the page does not name the host")
	}
	if answer := b.Ask(t, id, url.Values{"redirect_uri": {"https://evil.example/cb"}, "prompt": {"none"}}).Header.Get("Location"); !strings.Contains(answer, "error=consent_required") {
		t.Errorf("silently: %s", answer)
	}
	// As little if the host comes later.
	moved := blackbox.CallJSON(t, http.MethodPut, created.Text("registration_client_uri"), created.Text("registration_access_token"),
		blackbox.WebClient(map[string]any{"client_id": id, "redirect_uris": []string{"https://evil.example/cb"}}))
	if moved.Status != http.StatusOK {
		t.Fatalf("%d %s", moved.Status, moved.Body)
	}
	if elsewhere().LedTo(t) != "/consent" {
		t.Error("another host gets an answer after an update")
	}
}

// Anybody can register a redirect URI at anybody's host: that is no word for the app.
func TestConsentNobodyVouchesForARegisteredClient(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	b := s.SignedIn(t, nil)
	id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"client_name": "Example Bank", "client_uri": "https://evil.example/"})).Text("client_id")
	page := b.Get(t, b.Ask(t, id, nil).Header.Get("Location"))
	if !page.Has("unknown-client") || !strings.Contains(page.Body, "Nobody has checked that") || strings.Contains(page.Body, "published by") || !strings.Contains(page.Body, "app.example.com") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if page := b.Ask(t, id, url.Values{"redirect_uri": {"https://other.example/"}}); page.Status != http.StatusBadRequest || strings.Contains(page.Body, "evil.example") {
		t.Errorf("the error page leads to whom nobody knows: %d %s", page.Status, page.Body)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	b.Deny = true
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.ThirdParty, challenge)
	if got := b.Authorize(t, params); got.Params.Get("error") != "access_denied" || got.Params.Get("state") == "" {
		t.Errorf("denied: %s", got)
	}
	b.Deny = false
	b.Code(t, authztest.ThirdParty, nil)
	if got := b.Ask(t, authztest.ThirdParty, nil).Redirect(t); got.Get("code") == "" {
		t.Errorf("consent is not remembered: %v", got)
	}
	more := url.Values{"scope": {"openid orders.read orders.write"}}
	if got := b.Ask(t, authztest.ThirdParty, more).LedTo(t); got != "/consent" {
		t.Errorf("a new scope led to %s", got)
	}
	claims := url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"email":{"essential":true}}}`}}
	if got := b.Ask(t, authztest.ThirdParty, claims).LedTo(t); got != "/consent" {
		t.Errorf("a single claim led to %s", got)
	}
}

// A withdrawn consent ends what was granted under it, and a new one does not bring it back.
func TestWithdrawConsent(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.ThirdParty, nil)
	tokens := s.Token(t, authztest.ThirdParty, "", authztest.CodeForm(code, verifier))
	page := b.Get(t, s.URL+"/account")
	if !page.Has("revoke-" + authztest.ThirdParty) {
		t.Fatalf("account page: %.500s", page.Body)
	}
	b.Do(t, page.Submit(t, "revoke-"+authztest.ThirdParty, nil))
	check := func(when string) {
		t.Helper()
		if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("refresh %s: %+v", when, got)
		}
		if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
			t.Errorf("userinfo %s: %d", when, status)
		}
	}
	check("after the withdrawal")
	b.Code(t, authztest.ThirdParty, nil)
	check("after a new consent")
}
