package authztest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser is a person before a browser without scripts: it follows redirects within the server,
// fills in the forms that it meets, and stops when it is sent to an application. It follows the link to an
// application that nobody vouches for.
type Browser struct {
	Server *Server
	HTTP   *http.Client // keeps the cookies and follows no redirect

	Username, Password string // for the sign-in page
	Deny               bool   // at the consent page
}

// NewBrowser returns a browser of Alice's that is not signed in.
func (s *Server) NewBrowser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{
		Server: s, Username: Username, Password: Password,
		HTTP: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Answer is where an authorization ended.
type Answer struct {
	Params url.Values // of the redirect or the link to the application; nil if there was none
	Page   *Page      // the last page, if there was no redirect
}

// maxPages bounds a walk through pages.
const maxPages = 12

// Authorize opens the authorization endpoint and does what the pages ask for.
func (b *Browser) Authorize(t testing.TB, params url.Values) Answer {
	t.Helper()
	return b.Walk(t, b.Server.URL+"/authorize?"+params.Encode())
}

// Walk opens a URL of the server and does what the pages ask for.
func (b *Browser) Walk(t testing.TB, target string) Answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range maxPages {
		page := b.Do(t, request)
		if location := page.Header.Get("Location"); location != "" {
			next, err := request.URL.Parse(location)
			if err != nil {
				t.Fatalf("redirect to %q: %v", location, err)
			}
			if !strings.HasPrefix(next.String(), b.Server.URL) {
				return Answer{Params: answerParams(next)}
			}
			if request, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if page.Has("leads-to") { // a client that nobody vouches for is answered by a click
			if next, err := url.Parse(page.Link("back")); err == nil && page.Link("back") != "" {
				return Answer{Params: answerParams(next)}
			}
		}
		if request = b.fill(t, page); request == nil {
			return Answer{Page: page}
		}
	}
	t.Fatalf("no end after %d pages", maxPages)
	return Answer{}
}

// answerParams reads the query, or the fragment.
func answerParams(u *url.URL) url.Values {
	if u.Fragment == "" {
		return u.Query()
	}
	params, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		return nil
	}
	return params
}

// fill answers the forms that it knows, and returns nil for others and for errors.
func (b *Browser) fill(t testing.TB, page *Page) *http.Request {
	t.Helper()
	switch {
	case page.Has("error") || page.Status != http.StatusOK:
		return nil
	case page.Has("login-submit"):
		return page.Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}})
	case page.Has("consent-deny") && b.Deny:
		return page.Submit(t, "consent-deny", nil)
	case page.Has("consent-allow"):
		return page.Submit(t, "consent-allow", nil)
	}
	return nil
}

// Get opens a URL of the server.
func (b *Browser) Get(t testing.TB, target string) *Page {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.Do(t, request)
}

// Open opens the authorization endpoint, and does nothing on the page that comes back.
func (b *Browser) Open(t testing.TB, params url.Values) *Page {
	t.Helper()
	return b.Get(t, b.Server.URL+"/authorize?"+params.Encode())
}

// Ask opens the authorization endpoint with the parameters of Request, and does nothing on the page that comes back.
func (b *Browser) Ask(t testing.TB, clientID string, change url.Values) *Page {
	t.Helper()
	return b.Open(t, Request(clientID, change))
}

// Follow sends a request, follows the redirects, and reads the last page.
func (b *Browser) Follow(t testing.TB, request *http.Request) *Page {
	t.Helper()
	page := b.Do(t, request)
	for page.Header.Get("Location") != "" {
		page = b.Get(t, page.Header.Get("Location"))
	}
	return page
}

// Do sends a request and reads the page that comes back.
func (b *Browser) Do(t testing.TB, request *http.Request) *Page {
	t.Helper()
	response, err := b.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := &Page{URL: request.URL, Status: response.StatusCode, Header: response.Header, Body: string(body), ids: map[string]*html.Node{}}
	if root, err := html.Parse(strings.NewReader(page.Body)); err == nil {
		page.index(root)
	}
	return page
}

// PKCE returns a verifier and its S256 challenge (RFC 7636 section 4).
func PKCE() (verifier, challenge string) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	verifier = base64.RawURLEncoding.EncodeToString(b[:])
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// Tokens is an answer of the token endpoint.
type Tokens struct {
	Status       int         `json:"-"`
	Header       http.Header `json:"-"`
	AccessToken  string      `json:"access_token"`
	RefreshToken string      `json:"refresh_token"`
	IDToken      string      `json:"id_token"`
	TokenType    string      `json:"token_type"`
	Scope        string      `json:"scope"`
	ExpiresIn    int         `json:"expires_in"` // seconds
	Error        string      `json:"error"`
	Description  string      `json:"error_description"`
}

// Token posts to the token endpoint. A secret makes it authenticate by client_secret_basic.
func (s *Server) Token(t testing.TB, clientID, secret string, form url.Values) Tokens {
	t.Helper()
	form = maps.Clone(form)
	if secret == "" {
		form.Set("client_id", clientID)
	}
	request, err := http.NewRequest(http.MethodPost, s.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		request.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var tokens Tokens
	if err := json.NewDecoder(response.Body).Decode(&tokens); err != nil {
		t.Fatalf("token endpoint answered %d without JSON: %v", response.StatusCode, err)
	}
	tokens.Status, tokens.Header = response.StatusCode, response.Header
	return tokens
}

// SignIn signs Alice in to a client and returns its tokens. extra replaces parameters of the
// authorization request.
func (s *Server) SignIn(t testing.TB, clientID, secret string, extra url.Values) Tokens {
	t.Helper()
	code, verifier := s.NewBrowser(t).Code(t, clientID, extra)
	tokens := s.Token(t, clientID, secret, CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("code exchange: %d %s: %s", tokens.Status, tokens.Error, tokens.Description)
	}
	return tokens
}

// SignedIn returns a browser in which Alice is signed in. extra replaces parameters of the authorization request.
func (s *Server) SignedIn(t testing.TB, extra url.Values) *Browser {
	t.Helper()
	b := s.NewBrowser(t)
	b.Code(t, SPA, extra)
	return b
}

// SignIn signs in to a client in this browser and returns its tokens. extra replaces parameters of the
// authorization request.
func (b *Browser) SignIn(t testing.TB, clientID string, extra url.Values) Tokens {
	t.Helper()
	secret := ""
	if clientID == Web {
		secret = Secret
	}
	code, verifier := b.Code(t, clientID, extra)
	tokens := b.Server.Token(t, clientID, secret, CodeForm(code, verifier))
	if tokens.Status != http.StatusOK {
		t.Fatalf("code exchange: %d %s: %s", tokens.Status, tokens.Error, tokens.Description)
	}
	return tokens
}

// Code gets an authorization code and the verifier that belongs to it.
func (b *Browser) Code(t testing.TB, clientID string, extra url.Values) (code, verifier string) {
	t.Helper()
	verifier, challenge := PKCE()
	params := AuthorizationParams(clientID, challenge)
	maps.Copy(params, extra)
	answer := b.Authorize(t, params)
	if code = answer.Params.Get("code"); code == "" {
		t.Fatalf("no code: %s", answer)
	}
	return code, verifier
}

// AuthorizationParams are those of a plain request with PKCE.
func AuthorizationParams(clientID, challenge string) url.Values {
	return url.Values{
		"client_id": {clientID}, "redirect_uri": {RedirectURI}, "response_type": {"code"},
		"scope": {"openid offline_access orders.read"}, "state": {"state of the app"}, "nonce": {"nonce of the app"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
}

// Request returns the parameters of an authorization request with PKCE. change replaces some of them.
func Request(clientID string, change url.Values) url.Values {
	_, challenge := PKCE()
	params := AuthorizationParams(clientID, challenge)
	maps.Copy(params, change)
	return params
}

// CodeForm is the token request for a code.
func CodeForm(code, verifier string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {RedirectURI}, "code_verifier": {verifier},
	}
}

// RefreshForm is the token request for a refresh.
func RefreshForm(refreshToken string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}
}

func (a Answer) String() string {
	if a.Params != nil {
		return fmt.Sprintf("redirected with %v", a.Params)
	}
	return fmt.Sprintf("page %d: %.300s", a.Page.Status, a.Page.Body)
}
