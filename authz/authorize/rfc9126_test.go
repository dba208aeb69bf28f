package authorize_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func TestRFC9126Section2_1_WhatIsRefusedIsNotStored(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	set := func(name, value string) url.Values { return url.Values{name: {value}} }
	for name, row := range map[string]struct {
		code   string
		change url.Values
	}{
		"request_uri":               {"invalid_request", set("request_uri", "https://app.example.com/request.jwt")},
		"a pushed request_uri":      {"invalid_request", set("request_uri", blackbox.PushedPrefix+"x")},
		"no redirect_uri":           {"invalid_request", url.Values{"redirect_uri": nil}},
		"no redirect_uri or openid": {"invalid_request", url.Values{"redirect_uri": nil, "scope": {"orders.read"}}},
		"foreign redirect_uri":      {"invalid_request", set("redirect_uri", "https://evil.example")},
		"no response_type":          {"invalid_request", url.Values{"response_type": nil}},
		"implicit":                  {"unsupported_response_type", set("response_type", "token")},
		"unknown response_mode":     {"unsupported_response_mode", set("response_mode", "web_message")},
		"no PKCE":                   {"invalid_request", url.Values{"code_challenge": nil, "code_challenge_method": nil}},
		"plain PKCE":                {"invalid_request", set("code_challenge_method", "plain")},
		"foreign scope":             {"invalid_scope", set("scope", "admin")},
		"foreign resource":          {"invalid_target", set("resource", "https://other.example.com")},
		"claims without JSON":       {"invalid_request", set("claims", "{")},
		"prompt none and login":     {"invalid_request", set("prompt", "none login")},
		"garbage as hint":           {"invalid_request", set("id_token_hint", "a.b.c")},
		"two ways to authenticate":  {"invalid_request", set("client_secret", authztest.Secret)},
		"another client_id":         {"invalid_request", set("client_id", authztest.SPA)},
		"value too long":            {"invalid_request", set("state", strings.Repeat("a", 17_000))},
	} {
		response := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, row.change))
		var answer struct{ Error string }
		if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil || response.Code != 400 || answer.Error != row.code {
			t.Errorf("%s: %d %s", name, response.Code, response.Body)
		}
	}
	if n := blackbox.Count(t, s.Store, storage.PushedRequests.Table); n != 0 {
		t.Errorf("%d requests are stored", n)
	}
}

func TestRFC9126Section2_1_ClientAuthentication(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.ThirdParty { // confidential, by client_secret_post
			m.AuthMethod, m.Secret = client.AuthPost, authztest.Secret
		}
	})
	for name, row := range map[string]struct {
		id, secret string
		form       url.Values
		status     int
	}{
		"public":            {authztest.SPA, "", authztest.Request(authztest.SPA, nil), 201},
		"basic":             {authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil), 201},
		"basic, no id":      {authztest.Web, authztest.Secret, authztest.Request(authztest.Web, url.Values{"client_id": nil}), 201},
		"post":              {authztest.ThirdParty, "", authztest.Request(authztest.ThirdParty, url.Values{"client_secret": {authztest.Secret}}), 201},
		"wrong secret":      {authztest.Web, "wrong", authztest.Request(authztest.Web, nil), 401},
		"no secret":         {authztest.Web, "", authztest.Request(authztest.Web, nil), 401},
		"unknown client":    {"nobody", "", authztest.Request("nobody", nil), 401},
		"other method":      {authztest.Web, "", authztest.Request(authztest.Web, url.Values{"client_secret": {authztest.Secret}}), 401},
		"public and secret": {authztest.SPA, "", authztest.Request(authztest.SPA, url.Values{"client_secret": {"x"}}), 401},
	} {
		response := blackbox.PostTo(s, "/par", row.id, row.secret, row.form)
		if response.Code != row.status || (row.status == 401) != strings.Contains(response.Body.String(), "invalid_client") {
			t.Errorf("%s: %d %s", name, response.Code, response.Body)
		}
	}
	entries, err := storage.PushedRequests.Scan(t.Context(), s.Store, "", "", 10)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d requests, %v", len(entries), err)
	}
	for _, e := range entries {
		if strings.Contains(e.Value.Params, "secret") || !strings.Contains(e.Value.Params, "client_id="+e.Value.ClientID) {
			t.Errorf("stored: %s", e.Value.Params)
		}
	}
}

func TestRFC9126Section2_2_Response(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	response := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil))
	var answer map[string]any
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil || response.Code != 201 || len(answer) != 2 || answer["expires_in"] != 90.0 {
		t.Errorf("%d %s", response.Code, response.Body)
	}
	uri, _ := answer["request_uri"].(string)
	if reference, ok := strings.CutPrefix(uri, blackbox.PushedPrefix); !ok || len(reference) != 43 { // 256 bits
		t.Errorf("request_uri %q", uri)
	}
	if h := response.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", h)
	}
	for _, table := range storage.Tables {
		records, err := s.Store.Scan(t.Context(), table, "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if strings.Contains(r.Key+string(r.Value), uri[len(blackbox.PushedPrefix):]) {
				t.Errorf("table %s holds the request_uri", table)
			}
		}
	}
}

func TestRFC9126Section2_3_OtherMethods(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodTrace} {
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, httptest.NewRequest(method, "/par", nil))
		if recorder.Code != http.StatusMethodNotAllowed || recorder.Header().Get("Allow") != http.MethodPost {
			t.Errorf("%s: %d, allowed %q", method, recorder.Code, recorder.Header().Get("Allow"))
		}
	}
}

func TestRFC9126Section2_3_TooLarge(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for name, response := range map[string]*httptest.ResponseRecorder{
		"for the server":          blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, url.Values{"x": {strings.Repeat("a", 70_000)}})),
		"for a public client":     blackbox.PostTo(s, "/par", authztest.SPA, "", authztest.Request(authztest.SPA, url.Values{"login_hint": {strings.Repeat("a", 9_000)}})),
		"for a public client too": blackbox.PostTo(s, "/par", authztest.SPA, "", authztest.Request(authztest.SPA, url.Values{"x": {strings.Repeat("a", 70_000)}})),
	} {
		if response.Code != http.StatusRequestEntityTooLarge || !strings.Contains(response.Body.String(), `"error":"invalid_request"`) {
			t.Errorf("%s: %d %s", name, response.Code, response.Body)
		}
	}
	if n := blackbox.Count(t, s.Store, storage.PushedRequests.Table); n != 0 {
		t.Errorf("%d requests are stored", n)
	}
}

// Anybody can push in the name of a public client, and can't fill the store by it.
func TestRFC9126Section2_3_TooMany(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	public, kept := authztest.Request(authztest.SPA, nil), 0
	response := blackbox.PostTo(s, "/par", authztest.SPA, "", public)
	for ; response.Code == http.StatusCreated && kept < 1000; kept++ {
		response = blackbox.PostTo(s, "/par", authztest.SPA, "", public)
	}
	if response.Code != http.StatusTooManyRequests || !blackbox.SaysWhen(response.Header(), 10) || !strings.Contains(response.Body.String(), "temporarily_unavailable") {
		t.Errorf("after %d: %d %s", kept, response.Code, response.Body)
	}
	if n := blackbox.Count(t, s.Store, storage.PushedRequests.Table); n != kept {
		t.Errorf("%d requests are stored, %d were answered", n, kept)
	}
	if response := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil)); response.Code != http.StatusCreated {
		t.Errorf("a client that proves who it is: %d %s", response.Code, response.Body)
	}
}

func TestRFC9126Section4_NothingElseCounts(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	verifier, challenge := authztest.PKCE()
	brought := blackbox.Push(t, s, url.Values{"scope": {"openid"}, "state": {"pushed"}, "code_challenge": {challenge}})
	for name, value := range map[string]string{
		"state": "front", "scope": "openid orders.write", "redirect_uri": "https://evil.example", "response_mode": "fragment",
		"prompt": "none", "nonce": "front", "code_challenge": "x", "resource": "https://other.example.com", "claims": "{",
	} {
		brought.Set(name, value)
	}
	answer := b.Open(t, brought).Redirect(t)
	if answer.Get("state") != "pushed" || answer.Get("iss") != s.URL {
		t.Fatalf("answer %v", answer)
	}
	tokens := s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(answer.Get("code"), verifier))
	if tokens.Scope != "openid" || blackbox.Claims(t, tokens.IDToken)["nonce"] != "nonce of the app" {
		t.Errorf("tokens %+v", tokens)
	}

	without := blackbox.Push(t, s, url.Values{"state": nil})
	without.Set("state", "front")
	if answer := b.Open(t, without).Redirect(t); answer.Has("state") || answer.Get("code") == "" {
		t.Errorf("a state that was not pushed: %v", answer)
	}
}

func TestRFC9126Section4_SharesNoSecretWithOtherClients(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	brought := blackbox.Push(t, s, nil)
	for _, id := range []string{authztest.SPA, "", "nobody"} {
		forged := maps.Clone(brought)
		forged.Set("client_id", id)
		forged.Set("redirect_uri", authztest.RedirectURI)
		code := "invalid_request_uri"
		if id != authztest.SPA {
			code = "invalid_client"
		}
		blackbox.WantErrorPage(t, "client "+id, b.Open(t, forged), code)
	}
	if answer := b.Open(t, brought).Redirect(t); answer.Get("code") == "" {
		t.Errorf("its own client: %v", answer)
	}
}

func TestRFC9126Section4_LoginAndReload(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	brought := blackbox.Push(t, s, nil)
	first, second := s.NewBrowser(t), s.NewBrowser(t)
	login := first.Open(t, brought)
	for range 3 { // people reload
		if page := first.Open(t, brought); page.LedTo(t) != "/login" {
			t.Fatalf("reloaded: %s", page.Header.Get("Location"))
		}
		first.Get(t, login.Header.Get("Location"))
	}
	second.Open(t, brought)     // another browser may be shown the page too
	blackbox.ExpirePushed(t, s) // who has begun in time can take their time
	if answer := first.Walk(t, login.Header.Get("Location")); answer.Params.Get("code") == "" {
		t.Fatalf("after the login: %s", answer)
	}
	back := first.Get(t, login.Header.Get("Location"))
	blackbox.WantErrorPage(t, "the login page of the answered request", back, "invalid_request_uri")
	if !strings.Contains(back.Body, "Go back to the app") {
		t.Errorf("the page does not say what to do: %s", back.Body)
	}
	blackbox.WantErrorPage(t, "again from the start", first.Open(t, brought), "invalid_request_uri")
}

func TestRFC9126Section4_Expired(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	brought := blackbox.Push(t, s, nil)
	blackbox.ExpirePushed(t, s)
	brought.Set("redirect_uri", authztest.RedirectURI)
	blackbox.WantErrorPage(t, "expired", b.Open(t, brought), "invalid_request_uri")
	for _, guessed := range []string{blackbox.PushedPrefix, blackbox.PushedPrefix + "x", blackbox.PushedPrefix + strings.Repeat("A", 43), blackbox.ChangeLast(brought.Get("request_uri")), brought.Get("request_uri") + "A"} {
		blackbox.WantErrorPage(t, guessed, b.Open(t, url.Values{"client_id": {authztest.Web}, "request_uri": {guessed}}), "invalid_request_uri")
	}
}

// The redirect of a browser whose cookies have changed leads back to the pushed request.
func TestRFC9126Section4_BeginsAgainInAnotherBrowser(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, other := s.NewBrowser(t), s.SignedIn(t, nil)
	brought := blackbox.Push(t, s, nil)
	login := b.Open(t, brought).Header.Get("Location")
	again := other.Get(t, login).Header.Get("Location")
	if again != s.URL+"/authorize?"+brought.Encode() {
		t.Fatalf("led to %s", again)
	}
	if answer := other.Get(t, again).Redirect(t); answer.Get("code") == "" {
		t.Errorf("answer %v", answer)
	}
	if page := b.Get(t, login); page.Status != 400 {
		t.Errorf("the first browser goes on: %d", page.Status)
	}
}

// A request that fits in no URL stays in the store while its user signs in.
func TestRFC9126Section4_LongRequest(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	long := url.Values{"state": {strings.Repeat("s", 12_000)}, "x": {strings.Repeat("x", 16_000)}, "y": {strings.Repeat("y", 16_000)}}
	brought := blackbox.Push(t, s, long)
	b := s.NewBrowser(t)
	login := b.Open(t, brought)
	blackbox.ExpirePushed(t, s)
	if n := len(login.Header.Get("Location")); n > 1000 {
		t.Errorf("the flow has %d bytes", n)
	}
	answer := b.Walk(t, login.Header.Get("Location"))
	if answer.Params.Get("code") == "" || answer.Params.Get("state") != long.Get("state") {
		t.Errorf("answer %.200s", answer)
	}
	blackbox.WantErrorPage(t, "again", b.Open(t, brought), "invalid_request_uri")
	if n := blackbox.Count(t, s.Store, storage.PushedRequests.Table); n != 0 {
		t.Errorf("%d requests are left", n)
	}
	if got := blackbox.PostTo(s, "/par", authztest.SPA, "", authztest.Request(authztest.SPA, long)); got.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a public client pushes as much: %d", got.Code)
	}
}

func TestRFC9126Section5_Metadata(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	metadata := blackbox.Discovery(t, s)
	if metadata["pushed_authorization_request_endpoint"] != s.URL+"/par" || metadata["require_pushed_authorization_requests"] != false {
		t.Errorf("%v, %v", metadata["pushed_authorization_request_endpoint"], metadata["require_pushed_authorization_requests"])
	}
}

func TestRFC9126Section6_ClientThatMustPush(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.RequirePAR = m.ID == authztest.Web })
	b := s.SignedIn(t, nil)
	if got := b.Ask(t, authztest.Web, nil).Redirect(t); got.Get("error") != "invalid_request" || got.Get("state") != "state of the app" {
		t.Errorf("without a push: %v", got)
	}
	if got := b.Open(t, blackbox.Push(t, s, nil)).Redirect(t); got.Get("code") == "" {
		t.Errorf("pushed: %v", got)
	}
	if page := b.Ask(t, authztest.Web, url.Values{"redirect_uri": {"https://evil.example"}}); page.Header.Get("Location") != "" {
		t.Errorf("an error went to %s", page.Header.Get("Location"))
	}
}

// Section 7.3: one answer, be it an error.
func TestRFC9126Section7_3_OneAnswer(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.FirstParty = false
		}
	})
	b := s.NewBrowser(t)
	silent := blackbox.Push(t, s, url.Values{"prompt": {"none"}})
	if got := b.Open(t, silent).Redirect(t); got.Get("error") != "login_required" || got.Get("state") == "" {
		t.Errorf("silent: %v", got)
	}
	blackbox.WantErrorPage(t, "silent again", b.Open(t, silent), "invalid_request_uri")

	b.Deny = true
	denied := blackbox.Push(t, s, nil)
	if got := b.Walk(t, s.URL+"/authorize?"+denied.Encode()); got.Params.Get("error") != "access_denied" {
		t.Errorf("denied: %s", got)
	}
	blackbox.WantErrorPage(t, "denied again", b.Open(t, denied), "invalid_request_uri")
	if n := blackbox.Count(t, s.Store, storage.PushedRequests.Table); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// Of two pages with the same question only one is answered.
func TestRFC9126Section7_3_TwoPages(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.FirstParty = m.ID == authztest.SPA })
	b := s.SignedIn(t, nil)
	page := b.Get(t, b.Open(t, blackbox.Push(t, s, nil)).Header.Get("Location"))
	deny, allow := page.Submit(t, "consent-deny", nil), page.Submit(t, "consent-allow", nil)
	if got := b.Do(t, deny).Redirect(t); got.Get("error") != "access_denied" {
		t.Fatalf("denied: %v", got)
	}
	blackbox.WantErrorPage(t, "allowed in the other tab", b.Do(t, allow), "invalid_request_uri")
}

func TestRFC9126Section7_3_Race(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for name, change := range map[string]url.Values{"fits a URL": nil, "long": {"x": {strings.Repeat("x", 10_000)}}} {
		target := s.URL + "/authorize?" + blackbox.Push(t, s, change).Encode()
		codes, pages := 0, 0
		var mu sync.Mutex
		var racers sync.WaitGroup
		for range 64 {
			racers.Go(func() {
				response, err := b.HTTP.Get(target)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case strings.Contains(response.Header.Get("Location"), "code=azc_"):
					codes++
				case response.StatusCode == http.StatusBadRequest:
					pages++
				default:
					t.Errorf("%d %s", response.StatusCode, response.Header.Get("Location"))
				}
			})
		}
		racers.Wait()
		if codes != 1 || pages != 63 {
			t.Errorf("%s: %d codes and %d error pages", name, codes, pages)
		}
	}
}

// A store that can't remember the answer gives none that could be given twice.
func TestRFC9126Section7_3_StorageFailure(t *testing.T) {
	t.Parallel()
	engine, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	store := &blackbox.FailingStore{Store: engine}
	s := authztest.Start(t, authz.Config{Store: store}, nil)
	b := s.SignedIn(t, nil)
	brought, silent := blackbox.Push(t, s, nil), blackbox.Push(t, s, url.Values{"prompt": {"none"}})
	store.Broken.Store(true)
	if got := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil)); got.Code != 503 {
		t.Errorf("push: %d %s", got.Code, got.Body)
	}
	if got := b.Open(t, brought).Redirect(t); got.Get("error") != "temporarily_unavailable" {
		t.Errorf("with a session: %v", got)
	}
	if got := s.NewBrowser(t).Open(t, silent).Redirect(t); got.Get("error") != "temporarily_unavailable" {
		t.Errorf("silent: %v", got)
	}
	store.Broken.Store(false)
	if got := b.Open(t, brought).Redirect(t); got.Get("code") == "" {
		t.Errorf("afterwards: %v", got)
	}
}

func TestRFC9126Section7_4_ClientChangesMeanwhile(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	brought := blackbox.Push(t, s, nil)
	narrowed := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret}, func(m *client.Metadata) {
		m.RedirectURIs = []string{"https://new.example.com/callback"}
	})
	request := httptest.NewRequest(http.MethodGet, "/authorize?"+brought.Encode(), nil)
	recorder := httptest.NewRecorder()
	narrowed.ServeHTTP(recorder, request)
	if recorder.Code != 400 || recorder.Header().Get("Location") != "" {
		t.Errorf("%d %s", recorder.Code, recorder.Header().Get("Location"))
	}
}

// An assertion is spent by the push that it came with, whatever becomes of the request.
func TestRFC9126Section2_1_AssertionsAreSpent(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := s.NewApp(t)
	refused := app.Authenticate(t, authztest.Request(app.ClientID, url.Values{"scope": {"admin"}}))
	if got := s.PostForm(t, "/par", refused, nil); !strings.Contains(got.Body, "invalid_scope") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	refused.Set("scope", "openid")
	if got := s.PostForm(t, "/par", refused, nil); got.Status != http.StatusUnauthorized {
		t.Errorf("the assertion of a refused push works again: %d %s", got.Status, got.Body)
	}
	form := app.Authenticate(t, authztest.Request(app.ClientID, nil))
	var created, unauthorized atomic.Int32
	var racers sync.WaitGroup
	for range 64 {
		racers.Go(func() {
			switch got := blackbox.PostTo(s, "/par", "", "", form); got.Code {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusUnauthorized:
				unauthorized.Add(1)
			default:
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	racers.Wait()
	if created.Load() != 1 || unauthorized.Load() != 63 {
		t.Errorf("%d pushed, %d refused", created.Load(), unauthorized.Load())
	}
}
