package logout_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/users"
)

// twoUsers may share a browser.
var twoUsers = []users.User{
	{Username: authztest.Username, Password: authztest.Password, Name: "Alice Liddell"},
	{Username: "bob", Password: authztest.Password, Name: "Bob"},
}

// back is the post_logout_redirect_uri of every client in these tests.
const back = "https://app.example.com/bye"

func withBack(m *client.Metadata) { m.PostLogoutRedirectURIs = []string{back} }

// sixUsers are one more than a browser holds.
var sixUsers = slices.Concat(twoUsers, []users.User{
	{Username: "carol", Password: authztest.Password}, {Username: "dave", Password: authztest.Password},
	{Username: "eve", Password: authztest.Password}, {Username: "frank", Password: authztest.Password},
})

// addAccount signs another user in in a browser, beside those who are signed in.
func addAccount(t *testing.T, b *authztest.Browser, name string) {
	t.Helper()
	login := b.Get(t, b.Server.URL+"/login?other=1")
	b.Do(t, login.Submit(t, "login-submit", url.Values{"username": {name}, "password": {authztest.Password}}))
}

// logOut opens the logout endpoint.
func logOut(t *testing.T, b *authztest.Browser, params url.Values) *authztest.Page {
	t.Helper()
	return b.Get(t, b.Server.URL+"/logout?"+params.Encode())
}

// confirm answers the question whether to log out.
func confirm(t *testing.T, b *authztest.Browser, page *authztest.Page) *authztest.Page {
	t.Helper()
	if !page.Has("logout-confirm") {
		t.Fatalf("no question: %d %s %.300s", page.Status, page.Header.Get("Location"), page.Body)
	}
	return b.Do(t, page.Submit(t, "logout-confirm", nil))
}

// isSignedIn asks as an app does: by prompt=none.
func isSignedIn(t *testing.T, b *authztest.Browser) bool {
	t.Helper()
	answer := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t)
	if answer.Get("code") == "" && answer.Get("error") != "login_required" {
		t.Fatalf("neither signed in nor out: %v", answer)
	}
	return answer.Get("code") != ""
}

// Section 2: an OP must take GET and POST. A form of another site carries no cookie of ours, and yet
// its user is logged out.
func TestRPInitiatedLogoutSection2_Methods(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withBack)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b, tokens := blackbox.SignInOnline(t, s)
		params := url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}, "state": {"s&t"}}
		var page *authztest.Page
		if method == http.MethodGet {
			page = logOut(t, b, params)
		} else {
			request, err := http.NewRequest(method, s.URL+"/logout", strings.NewReader(params.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("Origin", "https://app.example.com")
			stranger := s.NewBrowser(t).Do(t, request) // without the cookies
			page = b.Get(t, stranger.Header.Get("Location"))
		}
		if page.Status != http.StatusSeeOther || page.Header.Get("Location") != back+"?state=s%26t" {
			t.Errorf("%s: %d %s", method, page.Status, page.Header.Get("Location"))
		}
		if isSignedIn(t, b) {
			t.Errorf("%s: still signed in", method)
		}
	}
}

// Section 2: what depends on the session ends with it.
func TestRPInitiatedLogoutSection2_EndsOnlineTokens(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, tokens := blackbox.SignInOnline(t, s)
	code, verifier := b.Code(t, authztest.SPA, nil)
	offline := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))

	if page := confirm(t, b, b.Get(t, s.URL+"/logout")); !blackbox.IsLoggedOut(page) {
		t.Fatalf("%d %.300s", page.Status, page.Body)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("online refresh after logout: %+v", got)
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
		t.Errorf("userinfo with an online token after logout: %d", status)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(offline.RefreshToken)); got.Status != 200 {
		t.Errorf("offline refresh after logout: %+v", got)
	}
	if isSignedIn(t, b) {
		t.Error("still signed in")
	}
}

// A code from before the logout signs nobody in after it, offline access or not.
func TestRPInitiatedLogoutSection2_EndsCodes(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, scope := range []string{blackbox.OnlineScope, "openid offline_access orders.read"} {
		b := s.NewBrowser(t)
		code, verifier := b.Code(t, authztest.SPA, url.Values{"scope": {scope}})
		confirm(t, b, b.Get(t, s.URL+"/logout"))
		if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Error != "invalid_grant" {
			t.Errorf("code for %s: %+v", scope, got)
		}
	}
}

// Section 2: the user must be asked unless the ID token is of this very session, and may say no.
func TestRPInitiatedLogoutSection2_Asks(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Users: twoUsers}, withBack)
	b, own := blackbox.SignInOnline(t, s)
	_, ofAnotherSession := blackbox.SignInOnline(t, s)
	bob := s.NewBrowser(t)
	bob.Username = "bob"
	code, verifier := bob.Code(t, authztest.SPA, url.Values{"scope": {blackbox.OnlineScope}})
	ofAnotherUser := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))

	hint := func(token string) url.Values {
		return url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {back}, "state": {"x"}}
	}
	for name, row := range map[string]struct {
		params url.Values
		after  string // where a yes leads; empty: the logged-out page
	}{
		"no parameters":              {url.Values{}, ""},
		"only a state":               {url.Values{"state": {"x"}}, ""},
		"a client_id":                {url.Values{"client_id": {authztest.SPA}}, ""},
		"a client_id and a URI":      {url.Values{"client_id": {authztest.SPA}, "post_logout_redirect_uri": {back}}, ""},
		"a logout_hint":              {url.Values{"logout_hint": {authztest.Username}}, ""},
		"a hint of another session":  {hint(ofAnotherSession.IDToken), back + "?state=x"},
		"a hint of another user":     {hint(ofAnotherUser.IDToken), back + "?state=x"},
		"a hint and another's id":    {url.Values{"id_token_hint": {own.IDToken}, "client_id": {authztest.Web}, "post_logout_redirect_uri": {back}}, ""},
		"a hint and an unknown id":   {url.Values{"id_token_hint": {own.IDToken}, "client_id": {"nobody"}, "post_logout_redirect_uri": {back}}, ""},
		"a hint and an unknown URI":  {url.Values{"id_token_hint": {own.IDToken}, "post_logout_redirect_uri": {back + "/"}}, ""},
		"an unknown client":          {url.Values{"client_id": {"nobody"}, "post_logout_redirect_uri": {back}}, ""},
		"a URI of nobody":            {url.Values{"post_logout_redirect_uri": {back}}, ""},
		"a hint that is none":        {hint("garbage"), ""},
		"a logout_hint and no token": {url.Values{"logout_hint": {own.IDToken}, "post_logout_redirect_uri": {back}}, ""},
	} {
		page := logOut(t, b, row.params)
		if page.Status != http.StatusOK || page.Header.Get("Location") != "" || !page.Has("logout-confirm") || !page.Has("logout-cancel") {
			t.Errorf("%s: %d %s", name, page.Status, page.Header.Get("Location"))
			continue
		}
		if !isSignedIn(t, b) {
			t.Fatalf("%s: logged out without a question", name)
		}
		leaving := s.NewBrowser(t)
		leaving.Code(t, authztest.SPA, nil)
		after := confirm(t, leaving, logOut(t, leaving, row.params))
		if row.after == "" && !blackbox.IsLoggedOut(after) || row.after != after.Header.Get("Location") {
			t.Errorf("%s, confirmed: %d %s", name, after.Status, after.Header.Get("Location"))
		}
		if isSignedIn(t, leaving) {
			t.Errorf("%s, confirmed: still signed in", name)
		}
	}
}

// Section 2: a hint counts after it has expired.
func TestRPInitiatedLogoutSection2_ExpiredHint(t *testing.T) {
	t.Parallel()
	lifetimes := authz.DefaultLifetimes
	lifetimes.IDToken = time.Millisecond
	s := authztest.Start(t, authz.Config{Lifetimes: lifetimes}, withBack)
	b, tokens := blackbox.SignInOnline(t, s)
	blackbox.Until(t, "the ID token expires", func() bool { return float64(time.Now().Unix()) > blackbox.Claims(t, tokens.IDToken)["exp"].(float64) })
	page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}})
	if page.Header.Get("Location") != back || isSignedIn(t, b) {
		t.Errorf("%d %s", page.Status, page.Header.Get("Location"))
	}
}

// Section 2: a hint counts after the key that signed it was rotated.
func TestRPInitiatedLogoutSection2_HintOfARotatedKey(t *testing.T) {
	t.Parallel()
	signing := authz.Signing{Alg: "ES256", RotateEvery: 200 * time.Millisecond, Announce: 100 * time.Millisecond}
	s := authztest.Start(t, authz.Config{Signing: signing}, withBack)
	b, tokens := blackbox.SignInOnline(t, s)
	blackbox.Until(t, "another key signs", func() bool {
		return blackbox.KeyID(t, s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)).IDToken) != blackbox.KeyID(t, tokens.IDToken)
	})
	page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}})
	if page.Header.Get("Location") != back || isSignedIn(t, b) {
		t.Errorf("%d %s", page.Status, page.Header.Get("Location"))
	}
}

// Section 2: a client_id that belongs to the hint changes nothing, and one alone says who asks.
func TestRPInitiatedLogoutSection2_ClientID(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		withBack(m)
		m.Name = "Orders"
	})
	b, tokens := blackbox.SignInOnline(t, s)
	page := logOut(t, b, url.Values{"client_id": {authztest.SPA}, "post_logout_redirect_uri": {back}, "state": {"x"}})
	if !strings.Contains(page.Body, "Orders") {
		t.Errorf("the page does not say who asks: %.500s", page.Body)
	}
	page = confirm(t, b, page)
	if !blackbox.IsLoggedOut(page) || !strings.Contains(page.Body, `href="`+back+`?state=x"`) {
		t.Errorf("no link back: %d %s %.900s", page.Status, page.Header.Get("Location"), page.Body)
	}
	b, tokens = blackbox.SignInOnline(t, s)
	page = logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "client_id": {authztest.SPA}, "post_logout_redirect_uri": {back}})
	if page.Header.Get("Location") != back || isSignedIn(t, b) {
		t.Errorf("%d %s", page.Status, page.Header.Get("Location"))
	}
}

// Section 2: ui_locales, on the question and on what follows it.
func TestRPInitiatedLogoutSection2_UILocales(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	page := logOut(t, b, url.Values{"ui_locales": {"tlh de"}})
	if page.Header.Get("Content-Language") != "de" {
		t.Errorf("the question is in %s", page.Header.Get("Content-Language"))
	}
	if page = confirm(t, b, page); page.Header.Get("Content-Language") != "de" {
		t.Errorf("the end is in %s", page.Header.Get("Content-Language"))
	}
}

// Section 2.1.
func TestRPInitiatedLogoutSection2_1_Discovery(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	if got := blackbox.GetJSON(t, s, "/.well-known/openid-configuration", "")["end_session_endpoint"]; got != s.URL+"/logout" {
		t.Errorf("end_session_endpoint is %v", got)
	}
}

// Section 3: the registered URI keeps its query, byte for byte, and the state comes back as it was sent.
func TestRPInitiatedLogoutSection3_Redirection(t *testing.T) {
	t.Parallel()
	const withQuery = "https://app.example.com/bye?a=%2f&b"
	const ofAnApp = "com.example.app:/bye"
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		m.PostLogoutRedirectURIs = []string{back, withQuery, ofAnApp}
	})
	state := strings.Repeat(`s+/"=& ü`, 16)
	for _, row := range []struct{ uri, state, want string }{
		{back, "", back},
		{back, state, back + "?state=" + url.QueryEscape(state)},
		{withQuery, "x", withQuery + "&state=x"},
		{ofAnApp, "x", ofAnApp + "?state=x"},
	} {
		b, tokens := blackbox.SignInOnline(t, s)
		page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {row.uri}, "state": {row.state}})
		if page.Status != http.StatusSeeOther || page.Header.Get("Location") != row.want {
			t.Errorf("to %s: %d %s", row.uri, page.Status, page.Header.Get("Location"))
		}
		if page.Header.Get("Cache-Control") != "no-store" {
			t.Error("the redirect may be cached")
		}
	}
}

// Section 3: an OP must not redirect to anything that is not registered character by character.
func TestRPInitiatedLogoutSection3_NeverElsewhere(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withBack)
	b, tokens := blackbox.SignInOnline(t, s)
	for _, uri := range []string{
		back + "/", back + "?x=y", back + "?", back + "#", back + "#x", back + "%2f..", strings.ToUpper(back),
		"https://APP.example.com/bye", "https://app.example.com:443/bye", "https://app.example.com./bye", "http://app.example.com/bye",
		"https://evil.example/bye", "https://app.example.com@evil.example/bye", "https://app.example.com.evil.example/bye",
		"//app.example.com/bye", "/bye", "bye", "javascript:alert(1)", "data:text/html,x", " " + back, back + " ",
		`https://app.example.com\@evil.example/bye`, authztest.RedirectURI,
	} {
		page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {uri}})
		if page.Status != http.StatusOK || page.Header.Get("Location") != "" || !page.Has("logout-confirm") {
			t.Errorf("to %s: %d %s", uri, page.Status, page.Header.Get("Location"))
		}
		if !strings.Contains(uri, "evil") && !strings.Contains(uri, "alert") {
			continue
		}
		leaving, hint := blackbox.SignInOnline(t, s)
		page = confirm(t, leaving, logOut(t, leaving, url.Values{"id_token_hint": {hint.IDToken}, "post_logout_redirect_uri": {uri}, "state": {"x"}}))
		if !blackbox.IsLoggedOut(page) || strings.Contains(page.Body, "evil") || strings.Contains(page.Body, "alert(1)") {
			t.Errorf("to %s, confirmed: %d %s %.600s", uri, page.Status, page.Header.Get("Location"), page.Body)
		}
	}
	if !isSignedIn(t, b) {
		t.Error("logged out without a question")
	}
}

// Section 3: who is not signed in is returned to the app all the same.
func TestRPInitiatedLogoutSection3_NobodySignedIn(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withBack)
	b, tokens := blackbox.SignInOnline(t, s)
	for range 2 { // the second finds nobody
		page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back}, "state": {"x"}})
		if page.Status != http.StatusSeeOther || page.Header.Get("Location") != back+"?state=x" {
			t.Errorf("%d %s", page.Status, page.Header.Get("Location"))
		}
	}
	for name, params := range map[string]url.Values{
		"nothing":       {},
		"no hint":       {"post_logout_redirect_uri": {back}, "client_id": {authztest.SPA}},
		"a wrong URI":   {"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"a forged hint": {"id_token_hint": {blackbox.ChangeLast(tokens.IDToken)}, "post_logout_redirect_uri": {back}},
	} {
		if page := logOut(t, s.NewBrowser(t), params); !blackbox.IsLoggedOut(page) {
			t.Errorf("%s: %d %s", name, page.Status, page.Header.Get("Location"))
		}
	}
}

// Section 4: a hint that this server did not sign as an ID token is none.
func TestRPInitiatedLogoutSection4_HintsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withBack)
	other := authztest.Start(t, authz.Config{Store: s.Store, Secret: s.Secret}, withBack) // the same keys, another issuer
	b, tokens := blackbox.SignInOnline(t, s)
	_, foreign := blackbox.SignInOnline(t, other)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(tokens.IDToken, ".")
	altered := strings.Split(foreign.IDToken, ".")[1]
	for name, hint := range map[string]string{
		"unsigned":                    parts[0] + "." + parts[1] + ".",
		"alg none":                    "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"signed by another key":       blackbox.SignES256(t, key, blackbox.KeyID(t, tokens.IDToken), parts[1]),
		"HS256 with the public key":   blackbox.SignHS256(t, s, parts[1]),
		"altered payload":             parts[0] + "." + altered + "." + parts[2],
		"another last character":      blackbox.ChangeLast(tokens.IDToken),
		"one character more":          tokens.IDToken + "A",
		"of another issuer":           foreign.IDToken,
		"an access token":             tokens.AccessToken,
		"a refresh token":             tokens.RefreshToken,
		"a JWE of five parts":         strings.Repeat("e30.", 4) + "e30",
		"JSON":                        `{"iss":"` + s.URL + `","aud":"spa"}`,
		"an ID token and white space": tokens.IDToken + " ",
	} {
		page := logOut(t, b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {back}})
		if page.Status != http.StatusOK || page.Header.Get("Location") != "" || !page.Has("logout-confirm") {
			t.Errorf("%s: %d %s", name, page.Status, page.Header.Get("Location"))
		}
		if page := logOut(t, s.NewBrowser(t), url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {back}}); !blackbox.IsLoggedOut(page) {
			t.Errorf("%s, nobody signed in: %d %s", name, page.Status, page.Header.Get("Location"))
		}
	}
	if !isSignedIn(t, b) {
		t.Error("logged out without a question")
	}
}

// Section 4: a developer is told what is wrong, a user in production is not.
func TestRPInitiatedLogoutSection4_Explains(t *testing.T) {
	t.Parallel()
	for _, dev := range []bool{true, false} {
		s := authztest.Start(t, authz.Config{Dev: dev}, withBack)
		b, tokens := blackbox.SignInOnline(t, s)
		page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {back + "e"}})
		explained := strings.Contains(page.Body, "not registered for this client") && strings.Contains(page.Body, "post_logout_redirect_uris: [") &&
			page.Has("nearest")
		if explained != dev {
			t.Errorf("dev=%v: %.1500s", dev, page.Body)
		}
	}
}

// Section 6: no other site logs anybody out without a question.
func TestRPInitiatedLogoutSection6_OtherSites(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for name, header := range map[string]http.Header{
		"Origin":         {"Origin": {"https://evil.example"}},
		"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"same site":      {"Sec-Fetch-Site": {"same-site"}},
	} {
		request, err := http.NewRequest(http.MethodPost, s.URL+"/logout", strings.NewReader("confirm=yes"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if page := b.Get(t, b.Do(t, request).Header.Get("Location")); !page.Has("logout-confirm") {
			t.Errorf("%s: %d %.300s", name, page.Status, page.Body)
		}
	}
	if page := logOut(t, b, url.Values{"confirm": {"yes"}}); !page.Has("logout-confirm") {
		t.Errorf("confirmed by a link: %d", page.Status)
	}
	if !isSignedIn(t, b) {
		t.Error("logged out")
	}
}

// A GET with an ID token that names a session ends it, though it comes without the cookie: from the server of
// an app, or a proxy in front of it.
func TestLogoutByHintWithoutTheCookie(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, withBack)
	b, tokens := blackbox.SignInOnline(t, s)
	other, others := blackbox.SignInOnline(t, s)
	alive := func(tokens *authztest.Tokens) bool {
		got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
		if got.Status == http.StatusOK {
			*tokens = got
		}
		return got.Status == http.StatusOK
	}
	for name, params := range map[string]url.Values{
		"a forged hint":       {"id_token_hint": {blackbox.ChangeLast(tokens.IDToken)}},
		"an access token":     {"id_token_hint": {tokens.AccessToken}},
		"another client's id": {"id_token_hint": {tokens.IDToken}, "client_id": {authztest.Web}},
		"a wrong URI":         {"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"no hint":             {"client_id": {authztest.SPA}},
	} {
		logOut(t, s.NewBrowser(t), params)
		if kept := tokens; !alive(&kept) {
			t.Fatalf("%s has ended the session", name)
		} else {
			kept.IDToken = tokens.IDToken
			tokens = kept
		}
	}
	// A browser with another session is asked, and the named session goes on.
	if page := logOut(t, other, url.Values{"id_token_hint": {tokens.IDToken}}); !page.Has("logout-confirm") {
		t.Errorf("%d %.300s", page.Status, page.Body)
	}
	if !alive(&tokens) {
		t.Error("another browser has ended the session")
	}
	first := tokens.IDToken
	answer, err := http.Get(s.URL + "/logout?id_token_hint=" + first)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%d", answer.StatusCode)
	}
	if alive(&tokens) || isSignedIn(t, b) {
		t.Error("the session lives on")
	}
	if !alive(&others) || !isSignedIn(t, other) {
		t.Error("another session of the user has ended too")
	}
}

// RFC 8252 section 7.3: an app that listens on a port that is free listens there after a logout, too.
func TestLogoutToALoopbackPort(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.PostLogoutRedirectURIs = []string{"http://127.0.0.1/bye"} })
	for uri, want := range map[string]bool{"http://127.0.0.1:51234/bye": true, "http://127.0.0.1/bye": true, "http://127.0.0.1:51234/other": false, "http://localhost:51234/bye": false} {
		b, tokens := blackbox.SignInOnline(t, s)
		page := logOut(t, b, url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {uri}})
		if got := page.Header.Get("Location") == uri; got != want {
			t.Errorf("%s: %d %s", uri, page.Status, page.Header.Get("Location"))
		}
	}
}

// The hint's sub is the one that the client knows.
func TestOpenIDCoreSection8_PairwiseLogoutHint(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, blackbox.Pairwise)
	b := s.NewBrowser(t)
	code, verifier := b.Code(t, authztest.SPA, nil)
	tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	b.Get(t, s.URL+"/logout?"+url.Values{"id_token_hint": {tokens.IDToken}}.Encode())
	if got := b.Ask(t, authztest.SPA, nil).LedTo(t); got != "/login" {
		t.Errorf("still signed in: led to %s", got)
	}
}
