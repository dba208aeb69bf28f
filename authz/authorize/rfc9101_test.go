package authorize_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// byValue is what a browser is sent with (RFC 9101 section 5.1), and no more than it must.
func byValue(object string) url.Values {
	return url.Values{"client_id": {authztest.Web}, "request": {object}}
}

func TestRFC9101Section5_1_ByValue(t *testing.T) {
	t.Parallel()
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		key := blackbox.NewSigningKey(t, alg)
		s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
		b := s.SignedIn(t, nil)
		verifier, challenge := authztest.PKCE()
		claims := blackbox.RequestObject(s.URL, map[string]any{"code_challenge": challenge, "scope": "openid", "state": "signed"})
		answer := b.Open(t, byValue(key.Sign(t, map[string]any{"typ": "oauth-authz-req+jwt"}, claims))).Redirect(t)
		if answer.Get("state") != "signed" || answer.Get("iss") != s.URL {
			t.Fatalf("%s: %v", alg, answer)
		}
		tokens := s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(answer.Get("code"), verifier))
		if tokens.Scope != "openid" || blackbox.Claims(t, tokens.IDToken)["nonce"] != "nonce of the app" {
			t.Errorf("%s: %+v", alg, tokens)
		}
	}
}

// OpenID Connect Core section 6.1 asks for no exp, no nbf and no iss, and for response_type, scope and
// redirect_uri in the query too.
func TestOpenIDCoreSection6_1_RequestObject(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.RS256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	plain := map[string]any{"exp": nil, "nbf": nil, "iat": nil, "jti": nil, "iss": nil}
	brought := byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, plain)))
	maps.Copy(brought, url.Values{"response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {authztest.RedirectURI}})
	if answer := s.NewBrowser(t).Authorize(t, brought); answer.Params.Get("code") == "" || answer.Params.Get("state") == "" {
		t.Errorf("answer %s", answer)
	}
}

// A login takes longer than a request object lives, and its client may change its keys meanwhile.
func TestRFC9101Section5_1_LoginAfterwards(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	b := s.NewBrowser(t)
	login := b.Open(t, byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"exp": time.Now().Unix()}))))
	if login.LedTo(t) != "/login" || len(login.Header.Get("Location")) > 1000 {
		t.Fatalf("led to %s", login.Header.Get("Location"))
	}
	rotated := authztest.Start(t, authz.Config{Issuer: s.URL, Store: s.Store, Secret: s.Secret}, blackbox.WithKeys(t, blackbox.NewSigningKey(t, jose.EdDSA)))
	b.Get(t, login.Header.Get("Location"))
	request := httptest.NewRequest(http.MethodGet, strings.TrimPrefix(login.Header.Get("Location"), s.URL), nil)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.HTTP.Jar.Cookies(u) {
		request.AddCookie(c)
	}
	recorder := httptest.NewRecorder()
	rotated.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		t.Errorf("after the keys have changed: %d", recorder.Code)
	}
	if answer := b.Walk(t, login.Header.Get("Location")); answer.Params.Get("code") == "" {
		t.Errorf("answer %s", answer)
	}
}

// Another browser may begin again what was signed, while it may begin at all.
func TestRFC9101Section5_1_BeginsAgainInAnotherBrowser(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		blackbox.WithKeys(t, key)(m)
		m.RequireSigned = m.ID == authztest.Web
	})
	b, other := s.NewBrowser(t), s.SignedIn(t, nil)
	login := b.Open(t, byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, nil))))
	again := other.Get(t, login.Header.Get("Location"))
	if got := other.Get(t, again.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Errorf("answer %v", got)
	}
	login = b.Open(t, byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"exp": time.Now().Unix() - 1}))))
	blackbox.WantErrorPage(t, "an expired one", other.Get(t, login.Header.Get("Location")), "sign_in_expired")
}

// Nobody can bring what a client has signed again and again, for as long as the server lives: its key
// may have been stolen, and replaced since.
func TestRFC9101Section5_1_DoesNotBeginAgainForEver(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	for name, exp := range map[string]any{"no exp": nil, "exp in a year": time.Now().AddDate(1, 0, 0).Unix()} {
		b := s.NewBrowser(t)
		login := b.Open(t, byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"exp": exp}))))
		aged := ageFlow(t, s, login.Header.Get("Location"), 61*time.Minute)
		blackbox.WantErrorPage(t, name, b.Get(t, aged), "sign_in_expired")
	}
}

// ageFlow is the URL of a page as it was sent a while ago.
func ageFlow(t *testing.T, s *authztest.Server, page string, by time.Duration) string {
	t.Helper()
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	sealer, query := s.Secret.Sealer("pending authorization"), u.Query()
	sealed, err := base64.RawURLEncoding.DecodeString(query.Get("flow"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := sealer.Open(sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var flow map[string]any
	if err := json.NewDecoder(flate.NewReader(bytes.NewReader(packed))).Decode(&flow); err != nil {
		t.Fatal(err)
	}
	flow["t"] = time.Now().Add(-by)
	if until, ok := flow["e"].(float64); ok {
		flow["e"] = int64(until) - int64(by.Seconds())
	}
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.NewEncoder(z).Encode(flow), z.Close()); err != nil {
		t.Fatal(err)
	}
	query.Set("flow", base64.RawURLEncoding.EncodeToString(sealer.Seal(b.Bytes(), nil)))
	u.RawQuery = query.Encode()
	return u.String()
}

func TestRFC9101Section5_2_ByReference(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.RS256)
	var object atomic.Value
	var fetched atomic.Int32
	base, config := blackbox.ServeTLS(t, func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		switch r.URL.Path {
		case "/object":
			w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
			w.Write([]byte(object.Load().(string) + "\n"))
		case "/large":
			w.Write([]byte(strings.Repeat("a", 1<<20)))
		case "/redirect":
			http.Redirect(w, r, base(r)+"/object", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	s := authztest.Start(t, authz.Config{Outbound: config}, func(m *client.Metadata) {
		blackbox.WithKeys(t, key)(m)
		m.RequestURIs = []string{base + "/object", base + "/large", base + "/redirect", base + "/nothing", "https://127.0.0.1:1/closed"}
	})
	object.Store(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"state": "signed"})))
	b := s.NewBrowser(t)
	from := func(uri string) url.Values {
		return url.Values{"client_id": {authztest.Web}, "request_uri": {uri}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {authztest.RedirectURI}, "state": {"front"}}
	}
	if answer := b.Authorize(t, from(base+"/object")); answer.Params.Get("state") != "signed" || answer.Params.Get("code") == "" {
		t.Fatalf("answer %s", answer)
	}
	if n := fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	for _, fragment := range []string{"#" + strings.Repeat("A", 43), "#v2", "#"} { // the client's own matter
		if got := b.Open(t, from(base+"/object"+fragment)).Redirect(t); got.Get("code") == "" {
			t.Errorf("with %s: %v", fragment, got)
		}
	}
	for _, uri := range []string{
		base + "/large", base + "/redirect", base + "/nothing", "https://127.0.0.1:1/closed",
		base + "/object?x", base + "/object/", base + "/Object", base + "/other", strings.Replace(base, "https", "http", 1) + "/object", "urn:example:x", "file:///etc/passwd", "x",
	} {
		if got := b.Open(t, from(uri)).Redirect(t); got.Get("error") != "invalid_request_uri" || got.Get("state") != "front" {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

// base is where a request came to.
func base(r *http.Request) string { return "https://" + r.Host }

// Clients, registered or not, can't reach the server's network.
func TestRFC9101Section10_4_1_ServerSideRequestForgery(t *testing.T) {
	t.Parallel()
	private := []string{"https://127.0.0.1/object", "https://[::1]/object", "https://169.254.169.254/latest", "https://10.0.0.1/x", "https://localhost/x"}
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) { m.RequestURIs = private })
	b := s.NewBrowser(t)
	for _, uri := range private {
		if got := b.Ask(t, authztest.Web, url.Values{"request_uri": {uri}}).Redirect(t); got.Get("error") != "invalid_request_uri" || strings.Contains(got.Get("error_description"), "127") {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

// Section 6.3: only what the object says counts.
func TestRFC9101Section6_3_NothingElseCounts(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	b := s.SignedIn(t, nil)
	claims := blackbox.RequestObject(s.URL, map[string]any{"state": nil, "scope": "openid", "prompt": nil})
	brought := byValue(key.Sign(t, nil, claims))
	for name, value := range map[string]string{
		"state": "front", "scope": "openid orders.write", "redirect_uri": "https://evil.example", "prompt": "login", "response_mode": "fragment", "max_age": "0",
	} {
		brought.Set(name, value)
	}
	answer := b.Open(t, brought).Redirect(t)
	if answer.Has("state") || answer.Get("code") == "" {
		t.Errorf("answer %v", answer)
	}
	for name, change := range map[string]url.Values{
		"another response type": {"response_type": {"none"}},
		"both":                  {"request_uri": {"https://app.example.com/object"}},
		"and a pushed one":      {"request_uri": {blackbox.PushedPrefix + "x"}},
	} {
		params := byValue(key.Sign(t, nil, claims))
		params.Set("redirect_uri", authztest.RedirectURI)
		maps.Copy(params, change)
		page := b.Open(t, params)
		if name == "and a pushed one" {
			blackbox.WantErrorPage(t, name, page, "invalid_request")
		} else if got := page.Redirect(t); got.Get("error") != "invalid_request" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Section 4: strings are strings, numbers are JSON numbers.
func TestRFC9101Section4_ValuesThatAreNoStrings(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	b := s.SignedIn(t, nil)
	send := func(change map[string]any) *authztest.Page {
		t.Helper()
		return b.Open(t, byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, change))))
	}
	code := func(what string, change map[string]any) {
		t.Helper()
		if got := send(change).Redirect(t); got.Get("code") == "" {
			t.Errorf("%s: %v", what, got)
		}
	}
	refused := func(what, code string, change map[string]any) {
		t.Helper()
		page := send(change)
		if page.Status == http.StatusSeeOther {
			if got := page.Redirect(t); got.Get("error") != code {
				t.Errorf("%s: %v", what, got)
			}
			return
		}
		blackbox.WantErrorPage(t, what, page, code)
	}
	code("max_age", map[string]any{"max_age": 10000})
	if got := send(map[string]any{"max_age": 0}).LedTo(t); got != "/login" {
		t.Errorf("max_age 0 led to %s", got)
	}
	code("claims", map[string]any{"claims": map[string]any{"id_token": map[string]any{"email": map[string]any{"essential": true}}}})
	code("claims as a string", map[string]any{"claims": `{"userinfo":{"email":null}}`})
	code("a resource", map[string]any{"resource": authztest.API})
	code("resources", map[string]any{"resource": []string{authztest.API, authztest.API}})
	code("unknown number", map[string]any{"x": 1e300})
	code("null", map[string]any{"login_hint": json.RawMessage("null")})
	code("several audiences", map[string]any{"aud": []string{"https://other.example.com", s.URL}})
	refused("max_age with an exponent", "invalid_request", map[string]any{"max_age": json.RawMessage("1e3")})
	refused("max_age with a fraction", "invalid_request", map[string]any{"max_age": 1.5})
	refused("negative max_age", "invalid_request", map[string]any{"max_age": -1})
	refused("max_age true", "invalid_request", map[string]any{"max_age": true})
	refused("another resource", "invalid_target", map[string]any{"resource": []string{authztest.API, "https://other.example.com"}})
	refused("scopes in a list", "invalid_request_object", map[string]any{"scope": []string{"openid", "profile"}})
	refused("a redirect_uri in a list", "invalid_request_object", map[string]any{"redirect_uri": []string{authztest.RedirectURI}})
	refused("state an object", "invalid_request_object", map[string]any{"state": map[string]any{}})
	refused("resource an object", "invalid_request_object", map[string]any{"resource": map[string]any{}})
	refused("numbers for resources", "invalid_request_object", map[string]any{"resource": []int{1}})
	refused("a foreign redirect_uri", "redirect_uri_mismatch", map[string]any{"redirect_uri": "https://evil.example"})
	refused("registration", "registration_not_supported", map[string]any{"registration": map[string]any{}})
	refused("a client_secret", "invalid_request", map[string]any{"client_secret": "hunter2"})
}

// Errors go to a client only at an address of its own, be it from the query or from the object.
func TestRFC9101Section7_WhereErrorsGo(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	b := s.SignedIn(t, nil)
	broken := byValue("e30.e30.e30")
	blackbox.WantErrorPage(t, "no redirect_uri in the query", b.Open(t, broken), "invalid_request_object")
	broken.Set("redirect_uri", "https://evil.example")
	blackbox.WantErrorPage(t, "a foreign one", b.Open(t, broken), "invalid_request_object")
	broken.Set("redirect_uri", authztest.RedirectURI)
	broken.Set("state", "front")
	if got := b.Open(t, broken).Redirect(t); got.Get("error") != "invalid_request_object" || got.Get("state") != "front" {
		t.Errorf("its own: %v", got)
	}
	valid := byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"scope": "admin", "state": "signed"})))
	valid.Set("state", "front")
	if got := b.Open(t, valid).Redirect(t); got.Get("error") != "invalid_scope" || got.Get("state") != "signed" {
		t.Errorf("what was signed is wrong: %v", got)
	}
	inside := byValue(key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"redirect_uri": "https://evil.example"})))
	blackbox.WantErrorPage(t, "a foreign one was signed", b.Open(t, inside), "redirect_uri_mismatch")
}

func TestRFC9101Section10_5_RequiredSignature(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.ES256)
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		blackbox.WithKeys(t, key)(m)
		m.RequireSigned = m.ID == authztest.Web
	})
	b := s.SignedIn(t, nil)
	if got := b.Ask(t, authztest.Web, nil).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("in the query: %v", got)
	}
	if got := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, authztest.Request(authztest.Web, nil)); got.Code != 400 || !strings.Contains(got.Body.String(), `"invalid_request"`) {
		t.Errorf("pushed unsigned: %d %s", got.Code, got.Body)
	}
	object := key.Sign(t, nil, blackbox.RequestObject(s.URL, nil))
	if got := b.Open(t, byValue(object)).Redirect(t); got.Get("code") == "" {
		t.Errorf("signed: %v", got)
	}
	if got := b.Open(t, pushObject(t, s, object)).Redirect(t); got.Get("code") == "" {
		t.Errorf("signed and pushed: %v", got)
	}
}

// pushObject pushes a request object, with parameters beside it that don't count.
func pushObject(t *testing.T, s http.Handler, object string) url.Values {
	t.Helper()
	form := url.Values{"request": {object}, "state": {"beside"}, "scope": {"openid orders.write"}, "redirect_uri": {"https://evil.example"}}
	response := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, form)
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := json.Unmarshal(response.Body.Bytes(), &pushed); err != nil || response.Code != http.StatusCreated {
		t.Fatalf("push: %d %s", response.Code, response.Body)
	}
	return url.Values{"client_id": {authztest.Web}, "request_uri": {pushed.RequestURI}}
}

// RFC 9126 section 3.
func TestRFC9126Section3_PushedRequestObject(t *testing.T) {
	t.Parallel()
	key := blackbox.NewSigningKey(t, jose.PS256)
	s := authztest.Start(t, authz.Config{}, blackbox.WithKeys(t, key))
	b := s.SignedIn(t, nil)
	state := strings.Repeat("s", 12_000) // with its signature and base64 more than one value may have elsewhere
	brought := pushObject(t, s, key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"state": state})))
	if got := b.Open(t, brought).Redirect(t); got.Get("code") == "" || got.Get("state") != state {
		t.Errorf("answer %.200v", got)
	}
	for name, object := range map[string]string{
		"a request_uri inside": key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"request_uri": "https://app.example.com/object"})),
		"of another key":       blackbox.NewSigningKey(t, jose.PS256).Sign(t, nil, blackbox.RequestObject(s.URL, nil)),
	} {
		got := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, url.Values{"request": {object}})
		if got.Code != 400 || !strings.Contains(got.Body.String(), "invalid_request_object") {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	without := key.Sign(t, nil, blackbox.RequestObject(s.URL, map[string]any{"redirect_uri": nil}))
	if got := blackbox.PostTo(s, "/par", authztest.Web, authztest.Secret, url.Values{"request": {without}, "redirect_uri": {authztest.RedirectURI}}); got.Code != 400 {
		t.Errorf("redirect_uri beside the object: %d %s", got.Code, got.Body)
	}
}

// FAPI 2.0 Message Signing section 5.3.1.
func TestFAPI2MessageSigningSection5_3_1_RequestObjects(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.FAPI {
			m.Profile = client.ProfileFAPI2MessageSigning
		}
	})
	app, now := s.NewApp(t), time.Now().Unix()
	push := func(header, change map[string]any) authztest.Response {
		t.Helper()
		claims := map[string]any{"iss": app.ClientID, "aud": s.URL, "nbf": now, "exp": now + 300, "response_mode": "jwt"}
		for name, values := range authztest.Request(app.ClientID, nil) {
			claims[name] = values[0]
		}
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
		return s.PostForm(t, "/par", app.Authenticate(t, url.Values{"request": {app.Key.Sign(t, header, claims)}}), nil)
	}
	for name, change := range map[string]map[string]any{
		"plain": nil, "nbf 8 seconds ahead": {"nbf": now + 8}, "an hour": {"exp": now + 3600}, "two audiences": {"aud": []string{"https://other.example.com", s.URL}},
	} {
		if got := push(map[string]any{"typ": "oauth-authz-req+jwt"}, change); got.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	for name, change := range map[string]map[string]any{
		"no exp": {"exp": nil}, "no nbf": {"nbf": nil}, "expired": {"exp": now - 60, "nbf": now - 120}, "valid for too long": {"exp": now + 3700},
		"nbf long ago": {"nbf": now - 3700, "exp": now - 120 + 180}, "nbf ahead": {"nbf": now + 60}, "no iss": {"iss": nil}, "no aud": {"aud": nil}, "another aud": {"aud": s.URL + "/"},
	} {
		if got := push(nil, change); got.Status != 400 || !strings.Contains(got.Body, "invalid_request_object") {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if got := s.PostForm(t, "/par", app.Authenticate(t, authztest.Request(app.ClientID, url.Values{"response_mode": {"jwt"}})), nil); got.Status != 400 || !strings.Contains(got.Body, `"invalid_request"`) {
		t.Errorf("unsigned: %d %s", got.Status, got.Body)
	}
}

func TestRFC9101Section10_5_Metadata(t *testing.T) {
	t.Parallel()
	metadata := blackbox.Discovery(t, authztest.Start(t, authz.Config{}, nil))
	algs, _ := metadata["request_object_signing_alg_values_supported"].([]any)
	for _, name := range []string{"request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration"} {
		if metadata[name] != true {
			t.Errorf("%s is %v", name, metadata[name])
		}
	}
	if !slices.Contains(algs, any("RS256")) || !slices.Contains(algs, any("PS256")) || slices.Contains(algs, any("none")) || slices.Contains(algs, any("HS256")) {
		t.Errorf("algorithms %v", algs)
	}
}

// FAPI 2.0 Message Signing sections 5.3 and 5.4: signed there and back.
func TestFAPI2MessageSigningSection5_4_SignedBothWays(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.FAPI {
			m.Profile = client.ProfileFAPI2MessageSigning
		}
	})
	app, now := s.NewApp(t), time.Now().Unix()
	claims := map[string]any{"iss": app.ClientID, "aud": s.URL, "nbf": now, "exp": now + 300, "response_mode": "jwt"}
	for name, values := range authztest.Request(app.ClientID, nil) {
		claims[name] = values[0]
	}
	uri := app.Push(t, url.Values{"request": {app.Key.Sign(t, nil, claims)}})
	answer := s.NewBrowser(t).Authorize(t, url.Values{"client_id": {app.ClientID}, "request_uri": {uri}})
	response, alg := blackbox.OpenResponse(t, s, blackbox.SignedResponse(t, answer.Params))
	if code, _ := response["code"].(string); !strings.HasPrefix(code, "azc_") || response["state"] != "state of the app" || alg != "ES256" {
		t.Errorf("%s %v", alg, response)
	}
	if got := s.NewBrowser(t).Open(t, authztest.Request(app.ClientID, nil)).Redirect(t); len(got) != 1 || got.Get("response") == "" {
		t.Errorf("neither pushed nor signed: %v", got)
	}
}
