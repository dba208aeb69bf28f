package logout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// listeners are relying parties by client id: the path tells whose logout token it is.
type listeners struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	tokens map[string][]string // by client id
}

func newListeners(t *testing.T) *listeners {
	l := &listeners{t: t, tokens: map[string][]string{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || len(r.PostForm) != 1 || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("%v with %v, %v", r.URL, r.PostForm, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		id := strings.TrimPrefix(r.URL.Path, "/")
		l.tokens[id] = append(l.tokens[id], r.PostForm.Get("logout_token"))
	}))
	t.Cleanup(l.Close)
	return l
}

// uri is the backchannel_logout_uri of a client.
func (l *listeners) uri(clientID string) string { return l.URL + "/" + clientID }

// hear gives every client with redirect URIs a backchannel_logout_uri.
func (l *listeners) hear(m *client.Metadata) {
	withBack(m)
	if len(m.RedirectURIs) > 0 {
		m.BackChannelURI = l.uri(m.ID)
	}
}

func (l *listeners) of(clientID string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tokens[clientID])
}

// wait returns the one logout token that a client has got.
func (l *listeners) wait(clientID string) string {
	l.t.Helper()
	blackbox.Until(l.t, clientID+" is told", func() bool { return len(l.of(clientID)) > 0 })
	if got := l.of(clientID); len(got) != 1 {
		l.t.Fatalf("%s got %d logout tokens", clientID, len(got))
	}
	return l.of(clientID)[0]
}

// nothingLeft waits until the outbox is empty, so that whoever was not told will not be.
func (l *listeners) nothingLeft(s *authztest.Server) {
	l.t.Helper()
	blackbox.Until(l.t, "the outbox is empty", func() bool {
		left, err := s.Store.Scan(context.Background(), storage.Deliveries.Table, "", "", 10)
		return err == nil && len(left) == 0
	})
}

// verified is a logout token as go-oidc, of a relying party, verifies it.
func verified(t *testing.T, s *authztest.Server, clientID, token string) *oidc.LogoutToken {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	logout, err := provider.Verifier(&oidc.Config{ClientID: clientID}).VerifyLogout(t.Context(), token)
	if err != nil {
		t.Fatalf("%s: go-oidc: %v", clientID, err)
	}
	return logout
}

// leave logs out by the button.
func leave(t *testing.T, b *authztest.Browser) {
	t.Helper()
	confirm(t, b, logOut(t, b, nil))
}

func TestBackChannelLogoutSection2_1_Discovery(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	document := blackbox.GetJSON(t, s, "/.well-known/openid-configuration", "")
	for _, name := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported"} {
		if document[name] != true {
			t.Errorf("%s is %v", name, document[name])
		}
	}
	if supported, _ := document["claims_supported"].([]any); !slices.Contains(supported, any("sid")) {
		t.Error("sid is not among the claims")
	}
}

// Section 2.3: exactly the clients are told that signed the user in during this session.
func TestBackChannelLogoutSection2_3_LoggedInParties(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, l.hear)
	b, other := s.NewBrowser(t), s.NewBrowser(t)
	b.SignIn(t, authztest.SPA, nil)
	b.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}}) // twice is once
	b.SignIn(t, authztest.ThirdParty, nil)
	other.SignIn(t, authztest.Web, nil)
	leave(t, b)
	l.wait(authztest.SPA)
	l.wait(authztest.ThirdParty)
	l.nothingLeft(s)
	if got := l.of(authztest.Web); len(got) != 0 {
		t.Errorf("a client of another session was told: %v", got)
	}
	leave(t, other)
	l.wait(authztest.Web)
}

// Section 2.4: every claim, by go-oidc and by hand.
func TestBackChannelLogoutSection2_4_LogoutToken(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, func(m *client.Metadata) {
		l.hear(m)
		switch m.ID {
		case authztest.Web:
			m.IDTokenAlg = "EdDSA"
		case authztest.ThirdParty:
			m.SubjectType = client.SubjectPairwise
		}
	})
	b := s.NewBrowser(t)
	signedIn := map[string]authztest.Tokens{}
	for _, id := range []string{authztest.SPA, authztest.ThirdParty, authztest.Web} {
		signedIn[id] = b.SignIn(t, id, nil)
	}
	leave(t, b)
	jtis := map[string]bool{}
	for id, tokens := range signedIn {
		token := l.wait(id)
		logout := verified(t, s, id, token)
		idToken, accessToken, claims := blackbox.Claims(t, tokens.IDToken), blackbox.Claims(t, tokens.AccessToken), blackbox.Claims(t, token)

		if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, []string{"aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"}) {
			t.Errorf("%s: claims %v", id, got)
		}
		if claims["aud"] != id || claims["iss"] != s.URL {
			t.Errorf("%s: aud %v, iss %v", id, claims["aud"], claims["iss"])
		}
		if events, err := json.Marshal(claims["events"]); err != nil || string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` {
			t.Errorf("%s: events %s", id, events)
		}
		for _, name := range []string{"sub", "sid"} {
			if claims[name] != idToken[name] || claims[name] != accessToken[name] || claims[name] == "" {
				t.Errorf("%s: %s is %v, in the ID token %v, in the access token %v", id, name, claims[name], idToken[name], accessToken[name])
			}
		}
		if life := logout.Expiry.Sub(logout.IssuedAt); life <= 0 || life > 2*time.Minute || time.Since(logout.IssuedAt) > time.Minute {
			t.Errorf("%s: issued %v, lives for %v", id, logout.IssuedAt, life)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		header := jws.Signatures[0].Header
		if alg := map[bool]string{true: "EdDSA", false: "ES256"}[id == authztest.Web]; header.Algorithm != alg || header.ExtraHeaders["typ"] != "logout+jwt" {
			t.Errorf("%s: header %+v", id, header)
		}
		if logout.TokenID == "" || jtis[logout.TokenID] {
			t.Errorf("%s: jti %q", id, logout.TokenID)
		}
		jtis[logout.TokenID] = true
	}
}

// Section 4.1: a logout token is no ID token, no access token and no hint.
func TestBackChannelLogoutSection4_1_CrossJWTConfusion(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, l.hear)
	b := s.NewBrowser(t)
	b.SignIn(t, authztest.SPA, nil)
	leave(t, b)
	token := l.wait(authztest.SPA)
	b.SignIn(t, authztest.SPA, nil)

	if status := blackbox.UserinfoStatus(t, s, token); status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", status)
	}
	if page := logOut(t, b, url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {back}}); !page.Has("logout-confirm") {
		t.Errorf("as a hint at the logout: %d %s", page.Status, page.Header.Get("Location"))
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"id_token_hint": {token}, "prompt": {"none"}}).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("as a hint at the authorization endpoint: %v", got)
	}
	_, answer := blackbox.PostAs(t, s, "/introspect", authztest.Web, url.Values{"token": {token}})
	if answer["active"] != false {
		t.Errorf("introspection: %v", answer)
	}
	provider, err := oidc.NewProvider(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: authztest.SPA}).Verify(t.Context(), token)
	if err == nil && idToken.Nonce != "" {
		t.Error("it has a nonce")
	}
}

// However a session ends, its clients are told.
func TestBackChannelLogoutSection2_5_EveryEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*authztest.Server, *authztest.Browser, authztest.Tokens){
		"by the app": func(_ *authztest.Server, b *authztest.Browser, tokens authztest.Tokens) {
			logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}})
		},
		"by the user": func(_ *authztest.Server, b *authztest.Browser, _ authztest.Tokens) { leave(t, b) },
		"by another browser": func(s *authztest.Server, _ *authztest.Browser, tokens authztest.Tokens) {
			elsewhere := s.SignedIn(t, nil)
			page := elsewhere.Get(t, s.URL+"/account")
			elsewhere.Do(t, page.Submit(t, "end-"+blackbox.Claims(t, tokens.IDToken)["sid"].(string), nil))
		},
		"by a sixth account": func(_ *authztest.Server, b *authztest.Browser, _ authztest.Tokens) {
			for _, name := range []string{"bob", "carol", "dave", "eve", "frank"} {
				addAccount(t, b, name)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListeners(t)
			s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Users: sixUsers}, l.hear)
			b := s.NewBrowser(t)
			tokens := b.SignIn(t, authztest.SPA, nil)
			l.nothingLeft(s)
			if got := l.of(authztest.SPA); len(got) != 0 {
				t.Fatalf("told before the end: %v", got)
			}
			end(s, b, tokens)
			if got, want := verified(t, s, authztest.SPA, l.wait(authztest.SPA)).SessionID, blackbox.Claims(t, tokens.IDToken)["sid"]; got != want {
				t.Errorf("sid %s, want %s", got, want)
			}
		})
	}
}

// The same user signing in again goes on with the session: nobody is told.
func TestBackChannelLogoutSection2_5_NotByAnotherLogin(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, l.hear)
	b := s.NewBrowser(t)
	before := b.SignIn(t, authztest.SPA, nil)
	after := b.SignIn(t, authztest.SPA, url.Values{"prompt": {"login"}})
	if blackbox.Claims(t, before.IDToken)["sid"] != blackbox.Claims(t, after.IDToken)["sid"] {
		t.Error("another session")
	}
	l.nothingLeft(s)
	if got := l.of(authztest.SPA); len(got) != 0 {
		t.Errorf("told: %v", got)
	}
	leave(t, b)
	l.wait(authztest.SPA)
}

// A session that ends by its idle limit ends for the clients too.
func TestBackChannelLogoutSection2_5_IdleLimit(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	limits := authz.Sessions{Idle: 3 * time.Second, Max: time.Hour}
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Sessions: limits}, l.hear)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	deadline := time.Now().Add(2 * time.Minute) // it is looked for every ten seconds
	for len(l.of(authztest.SPA)) == 0 && time.Now().Before(deadline) {
		<-time.After(50 * time.Millisecond)
	}
	if got, want := verified(t, s, authztest.SPA, l.wait(authztest.SPA)).SessionID, blackbox.Claims(t, tokens.IDToken)["sid"]; got != want {
		t.Errorf("sid %s, want %s", got, want)
	}
}

// Section 2.7: refresh tokens that were not granted offline access end, others don't, unless the
// operator wants it so and the user has really logged out.
func TestBackChannelLogoutSection2_7_RefreshTokens(t *testing.T) {
	t.Parallel()
	for _, endOffline := range []bool{false, true} {
		limits := authz.DefaultSessions
		limits.EndOffline = endOffline
		s := authztest.Start(t, authz.Config{Sessions: limits, Users: twoUsers}, withBack)
		b := s.NewBrowser(t)
		withSession := b.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
		offline := b.SignIn(t, authztest.SPA, nil)
		elsewhere := s.NewBrowser(t).SignIn(t, authztest.SPA, nil)
		leave(t, b)

		want := map[bool]string{false: "", true: "invalid_grant"}[endOffline]
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(offline.RefreshToken)); got.Error != want {
			t.Errorf("end_offline=%v: offline refresh: %+v", endOffline, got)
		}
		if status := blackbox.UserinfoStatus(t, s, offline.AccessToken); (status == 401) != endOffline {
			t.Errorf("end_offline=%v: userinfo offline: %d", endOffline, status)
		}
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(withSession.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("end_offline=%v: online refresh: %+v", endOffline, got)
		}
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(elsewhere.RefreshToken)); got.Status != 200 {
			t.Errorf("end_offline=%v: refresh of another session: %+v", endOffline, got)
		}
		again := b.SignIn(t, authztest.SPA, nil)
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(again.RefreshToken)); got.Status != 200 {
			t.Errorf("end_offline=%v: refresh after the next sign-in: %+v", endOffline, got)
		}
	}
}

// Of 64 logouts of one session at once, one tells each client.
func TestBackChannelLogoutRaces(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback()}, l.hear)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	b.SignIn(t, authztest.Web, nil)
	target := s.URL + "/logout?" + url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}}.Encode()
	var racers sync.WaitGroup
	start := make(chan struct{})
	for range 64 {
		racers.Go(func() {
			<-start
			response, err := b.HTTP.Get(target)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			if got := response.Header.Get("Location"); got != back {
				t.Errorf("%d %s", response.StatusCode, got)
			}
		})
	}
	close(start)
	racers.Wait()
	l.wait(authztest.SPA)
	l.wait(authztest.Web)
	l.nothingLeft(s)
	l.wait(authztest.SPA) // still one
	l.wait(authztest.Web)
}

// brokenOutbox is a store that can't take logout tokens.
type brokenOutbox struct{ storage.Store }

func (b brokenOutbox) Apply(ctx context.Context, writes ...storage.Write) error {
	for _, w := range writes {
		if w.Table == storage.Deliveries.Table {
			return storage.ErrUnavailable
		}
	}
	return b.Store.Apply(ctx, writes...)
}

// A session whose clients can't be told does not end.
func TestBackChannelLogoutIsAtomic(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Store: brokenOutbox{blackbox.OpenBolt(t)}}, l.hear)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	for name, params := range map[string]url.Values{
		"logout":     {"confirm": {"yes"}},
		"everywhere": {"sign-out-everywhere": {"yes"}},
	} {
		path := map[string]string{"logout": "/logout", "everywhere": "/account"}[name]
		request, err := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(params.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", s.URL)
		if page := b.Do(t, request); page.Status != http.StatusServiceUnavailable || len(page.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("%s: %d %v", name, page.Status, page.Header)
		}
	}
	if !isSignedIn(t, b) {
		t.Error("logged out, and nobody was told")
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != 200 {
		t.Errorf("refresh: %+v", got)
	}
}

// The next process finds the records that a session's end leaves in the store.
func TestBackChannelLogoutAfterARestart(t *testing.T) {
	t.Parallel()
	l := newListeners(t)
	store := blackbox.OpenBolt(t)
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Store: deadOutbox{store}}, l.hear)
	b := s.NewBrowser(t)
	tokens := b.SignIn(t, authztest.SPA, nil)
	leave(t, b)
	left, err := storage.Deliveries.Scan(t.Context(), store, "", "", 10)
	if err != nil || len(left) != 1 || left[0].Value.Attempts != 0 {
		t.Fatalf("in the outbox: %+v, %v", left, err)
	}
	next := authztest.Start(t, authz.Config{Issuer: s.URL, Outbound: blackbox.Loopback(), Store: store, Secret: s.Secret}, l.hear)
	token := l.wait(authztest.SPA)
	l.nothingLeft(next)
	if blackbox.Claims(t, token)["sid"] != blackbox.Claims(t, tokens.IDToken)["sid"] || blackbox.Claims(t, token)["iss"] != s.URL {
		t.Errorf("%v", blackbox.Claims(t, token))
	}
}

// deadOutbox is the store of a process that dies before it gets to deliver: it never sees what is due.
type deadOutbox struct{ storage.Store }

func (s deadOutbox) Scan(ctx context.Context, table storage.Table, prefix, after string, limit int) ([]storage.Record, error) {
	if table == storage.Deliveries.Table {
		return nil, nil
	}
	return s.Store.Scan(ctx, table, prefix, after, limit)
}

// A portal signs its user in to all its apps at once: none of them is refused, and all are told.
func TestBackChannelLogoutOfManyAppsAtOnce(t *testing.T) {
	t.Parallel()
	const apps = 64
	l := newListeners(t)
	var clients []*client.Client
	for i := range apps {
		c, err := client.New(client.Metadata{
			ID: fmt.Sprintf("app-%02d", i), AuthMethod: client.AuthNone, GrantTypes: []string{client.GrantAuthorizationCode},
			RedirectURIs: []string{authztest.RedirectURI}, Scopes: []string{"openid"}, FirstParty: true,
			BackChannelURI: l.uri(fmt.Sprintf("app-%02d", i)),
		})
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	registry, err := client.NewRegistry(clients...)
	if err != nil {
		t.Fatal(err)
	}
	s := authztest.Start(t, authz.Config{Outbound: blackbox.Loopback(), Clients: registry}, nil)
	b := s.NewBrowser(t)
	b.Code(t, "app-00", url.Values{"scope": {"openid"}})
	var racers sync.WaitGroup
	start := make(chan struct{})
	for _, c := range clients {
		_, challenge := authztest.PKCE()
		params := authztest.AuthorizationParams(c.ID, challenge)
		params.Set("scope", "openid")
		racers.Go(func() {
			<-start
			response, err := b.HTTP.Get(s.URL + "/authorize?" + params.Encode())
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			if location := response.Header.Get("Location"); !strings.Contains(location, "code=") {
				t.Errorf("%s: %d %s", c.ID, response.StatusCode, location)
			}
		})
	}
	close(start)
	racers.Wait()
	leave(t, b)
	for _, c := range clients {
		l.wait(c.ID)
	}
}
