package templates

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

var (
	someClient = Client{
		Name:        "Orders",
		RedirectURI: "https://app.example.com/callback?x=y",
		LogoURI:     "https://cdn.example.com/logo.png",
		PolicyURI:   "https://app.example.com/privacy",
		TosURI:      "https://app.example.com/terms",
	}
	alice       = User{Name: "Alice Liddell", Username: "alice"}
	someHidden  = map[string]string{"flow": "f1"}
	someScopes  = []Scope{{Name: "openid"}, {Name: "offline_access"}, {Name: "orders.read", Resource: "Orders API"}}
	someDetails = []AuthorizationDetail{
		{Type: "Payment", Resource: "Bank API", Fields: []DetailField{{"Amount", "EUR 123.50"}, {"Creditor", "Merchant A\nBerlin"}, {"Note", strings.Repeat("ab", 300)}}},
		{Type: "account_information"},
	}
	unknownClient = Client{Name: "Orders", RedirectURI: "http://127.0.0.1/cb", LogoURI: "https://cdn.example.com/logo.png", Unknown: true, PublishedBy: "apps.example.org"}
	stranger      = Client{Name: "Orders", RedirectURI: "https://app.example.net/cb", Unknown: true}
	someTime      = time.Date(2026, time.March, 4, 15, 4, 5, 0, time.UTC)
)

// everyPage has each page with all that it can show.
func everyPage() map[string]Page {
	connectors := []Connector{
		{ID: "google", Type: "google", Name: "Google", URL: "/login/google"},
		{ID: "corp", Type: "oidc", Name: "Corp", URL: "/login/corp"},
	}
	return map[string]Page{
		"sign in": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true, Connectors: connectors},
		"sign in, failed": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			Username: "alice", Remember: true, Connectors: connectors, Problem: BadCredentials},
		"sign in again": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true, RememberMe: true,
			User: &alice, OtherAccountURL: "/login?other"},
		"sign in, unknown client": SignIn{Client: &unknownClient, Action: "/login", Hidden: someHidden, Password: true},
		"sign in upstream":        SignIn{Connectors: connectors, Problem: UpstreamFailed},
		"link": Link{Client: &someClient, Action: "/link", Hidden: someHidden, User: alice,
			Identity: Identity{Connector: "Corp", Name: "Alice at Corp", Username: "alice.l", Email: "alice@example.com"}},
		"link, nameless": Link{Action: "/link", Hidden: someHidden, User: alice, Identity: Identity{Connector: "Corp"}},
		"select account": SelectAccount{Client: &someClient, Action: "/select", Hidden: someHidden, User: alice},
		"consent": Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Scopes: someScopes},
		"consent, details": Consent{Client: someClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Details: someDetails},
		"consent, unknown client": Consent{Client: unknownClient, Action: "/consent", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", Scopes: someScopes},
		"device code":         DeviceCode{Action: "/device", Hidden: someHidden},
		"device code, failed": DeviceCode{Action: "/device", Hidden: someHidden, UserCode: "wdjb mjht", Problem: UnknownCode},
		"device": DeviceConfirm{Client: someClient, Action: "/device", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", UserCode: "WDJB-MJHT", Scopes: someScopes, Details: someDetails},
		"device, unknown client": DeviceConfirm{Client: unknownClient, Action: "/device", Hidden: someHidden, User: alice,
			OtherAccountURL: "/login?other", UserCode: "WDJB-MJHT", Scopes: someScopes},
		"device, allowed": DeviceDone{Client: someClient, Allowed: true},
		"device, denied":  DeviceDone{Client: someClient},
		"sign in, step up": SignIn{Client: &someClient, Action: "/login", Hidden: someHidden, Password: true,
			User: &alice, OtherAccountURL: "/login?other", Reason: StrongLogin},
		"logout":                 LogoutConfirm{Client: &someClient, Action: "/logout", Hidden: someHidden, User: alice, CancelURL: "/account"},
		"logout, unknown client": LogoutConfirm{Client: &stranger, Action: "/logout", Hidden: someHidden, User: alice},
		"logout, explained": LogoutConfirm{Client: &someClient, Action: "/logout", Hidden: someHidden, User: alice, CancelURL: "/account",
			Detail: &ErrorDetail{Explanation: "It is not registered.", Parameter: "post_logout_redirect_uri", Received: "https://app.example.com/by",
				Registered: []string{"https://app.example.com/bye"}, Nearest: "https://app.example.com/bye", Fix: "clients:"}},
		"logged out": LoggedOut{Client: &someClient, BackURL: "com.example.app:/signed-out"},
		"logged out, frames": LoggedOut{Client: &someClient, BackURL: "https://app.example.com/bye?state=s&x=y", Return: true,
			Frames: []string{"https://app.example.com/out?iss=i&sid=s", "https://shop.example.org/out", "http://localhost:4200/out", "https://app.example.com/two"}},
		"account": Account{User: alice, Claims: []Claim{{Name: "email", Value: "alice@example.com", Verified: true}, {Name: "shoe_size", Value: "37"}},
			Identities:      []LinkedIdentity{{ID: "i-1_a", Connector: "Google", Email: "alice@example.com", LinkedAt: someTime}, {ID: "i-2", Connector: "Corp", LinkedAt: someTime, LastWayIn: true}},
			IdentityChanges: []IdentityChange{{Connector: "Google", At: someTime, Linked: true}, {Connector: "Old", At: someTime, ByOperator: true}},
			Connector:       "Google", SignedInAt: someTime, Action: "/account", LogoutAction: "/logout", Hidden: someHidden,
			Sessions: []Session{{StartedAt: someTime, LastActiveAt: someTime.Add(time.Hour), Current: true}, {ID: "a-sid_1", StartedAt: someTime, LastActiveAt: someTime}},
			Apps: []App{{ClientID: "spa", Name: "Orders", Scopes: someScopes, GrantedAt: someTime, OpenURL: "https://app.example.com/login?iss=i"},
				{ClientID: "cli", Name: "Tool", GrantedAt: someTime, OpenURL: "javascript:alert(1)"},
				{ClientID: "portal", Name: "Portal", OpenURL: "https://portal.example.com/login?iss=i"}}},
		"error":                   Error{Code: "redirect_uri_mismatch", Client: &someClient, BackURL: "https://app.example.com/"},
		"error, and how to go on": Error{Code: "sign_in_expired", AgainURL: "https://id.example.com/authorize?client_id=a&state=b"},
		"error, explained": Error{Code: "redirect_uri_mismatch", Detail: &ErrorDetail{
			Explanation: "It is not registered.", Parameter: "redirect_uri", Received: "https://app.example.com/calback",
			Registered: []string{"https://app.example.com/callback", "http://localhost/"}, Nearest: "https://app.example.com/callback",
			Fix: "authzd client update spa"}},
		"error, unknown client": Error{Code: "invalid_scope", Client: &stranger, Answer: &Answer{URL: "https://app.example.net/cb?error=invalid_scope&state=s"}},
		"error, to be posted": Error{Code: "invalid_scope", Client: &stranger,
			Answer: &Answer{URL: "com.example.app:/cb", Fields: map[string]string{"error": "invalid_scope", "state": "s"}}},
		"error, no redirect_uri":     Error{Code: "invalid_request", Reason: "redirect_uri_missing"},
		"logged out, unknown client": LoggedOut{Client: &stranger, BackURL: "https://app.example.net/bye"},
		"form post":                  FormPost{Client: &someClient, Action: "com.example.app:/cb", Params: map[string]string{"code": "azc_1", "state": "s"}},
		"home":                       Home{Issuer: "https://id.example.com", SignInURL: "/login", PlaygroundURL: "/playground", DiscoveryURL: "/.well-known/openid-configuration"},
		"home, signed in":            Home{Issuer: "https://id.example.com", User: &alice, AccountURL: "/account"},
	}
}

func newRenderer(t testing.TB, brand Branding) *Renderer {
	t.Helper()
	r, err := New("", brand)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// draw renders a page and parses it.
func draw(t testing.TB, r *Renderer, lang string, page Page) document {
	t.Helper()
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "r-1")
	if err := r.Render(w, req, 400, page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return document{t, root, w.Body.String(), w.Header().Get("Content-Security-Policy")}
}

// document is a page as a browser sees it.
type document struct {
	t      testing.TB
	root   *html.Node
	source string
	policy string
}

// all returns the elements with one of these names, or every element.
func (d document) all(names ...string) []*html.Node {
	var found []*html.Node
	for n := range d.root.Descendants() {
		if n.Type == html.ElementNode && (len(names) == 0 || slices.Contains(names, n.Data)) {
			found = append(found, n)
		}
	}
	return found
}

// id returns the element with this id, or fails.
func (d document) id(id string) *html.Node {
	d.t.Helper()
	for _, n := range d.all() {
		if attr(n, "id") == id {
			return n
		}
	}
	d.t.Fatalf("no element has the id %q in\n%s", id, d.source)
	return nil
}

func (d document) has(id string) bool {
	return slices.ContainsFunc(d.all(), func(n *html.Node) bool { return attr(n, "id") == id })
}

// heading is the text of the only h1.
func (d document) heading() string {
	d.t.Helper()
	headings := d.all("h1")
	if len(headings) != 1 {
		d.t.Fatalf("%d h1 elements, want one", len(headings))
	}
	return text(headings[0])
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// text is what a reader sees of an element, with single blanks.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" && d.Parent.Data != "style" {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// element checks an element's text and some of its attributes, given as pairs.
func element(t *testing.T, n *html.Node, wantText string, pairs ...string) {
	t.Helper()
	if got := text(n); got != wantText {
		t.Errorf("%s#%s reads %q, want %q", n.Data, attr(n, "id"), got, wantText)
	}
	for i := 0; i < len(pairs); i += 2 {
		if got := attr(n, pairs[i]); got != pairs[i+1] {
			t.Errorf("%s#%s has %s=%q, want %q", n.Data, attr(n, "id"), pairs[i], got, pairs[i+1])
		}
	}
}
