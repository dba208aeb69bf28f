package authz_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/storage"
)

// hostile is a request that must be refused: with this status and error code, in the form of its
// endpoint, and without a trace in the store.
type hostile struct {
	name   string
	method string // POST if there is a body, else GET
	path   string
	query  string
	header http.Header
	body   string
	status int
	code   string // in JSON, in the redirect to the client, or on the error page
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	browser := s.NewBrowser(t)
	code, verifier := browser.Code(t, authztest.SPA, nil)
	other, _ := browser.Code(t, authztest.Web, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})

	var rows []hostile
	rows = append(rows, hostileAuthorizations()...)
	rows = append(rows, hostileTokenRequests(code, verifier, other, tokens)...)
	rows = append(rows, hostileBearers(t, s, tokens, app)...)
	rows = append(rows, hostileRevocations(tokens)...)
	rows = append(rows, hostilePages()...)
	attack(t, s, browser, rows, tokens.RefreshToken)
	// What was attacked still works.
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status != http.StatusOK {
		t.Errorf("the code no longer works: %+v", got)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != http.StatusOK {
		t.Errorf("the refresh token no longer works: %+v", got)
	}
}

// oddPunctuation is the end of a sentence that ended before, or of one that is empty.
var oddPunctuation = regexp.MustCompile(`"error_description":"[^"]*([?!.,:;]\.|:"|[^.?]")`)

// attack sends hostile requests: each has the answer that it must have, which shows none of the leaks
// nor anything of our code, and nothing in the store changes.
func attack(t *testing.T, s *authztest.Server, b *authztest.Browser, rows []hostile, leaks ...string) {
	t.Helper()
	t.Logf("%d hostile requests", len(rows))
	before := dump(t, s.Store)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			status, code, answer := row.send(t, b)
			if status != row.status || code != row.code {
				t.Errorf("got %d %q, want %d %q\n%.400s", status, code, row.status, row.code, answer)
			}
			if odd := oddPunctuation.FindString(answer); odd != "" {
				t.Errorf("the answer has %q: %.400s", odd, answer)
			}
			for _, leak := range append(leaks, "goroutine ", ".go:", "fosite", "go-jose") {
				if strings.Contains(answer, leak) {
					t.Errorf("the answer shows %.20q", leak)
				}
			}
		})
	}
	if after := dump(t, s.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
}

// hostileAuthorizations are requests to /authorize by a browser that is signed in.
func hostileAuthorizations() []hostile {
	_, challenge := authztest.PKCE()
	page := func(name string, status int, code string, change func(url.Values)) hostile {
		params := authztest.AuthorizationParams(authztest.SPA, challenge)
		change(params)
		return hostile{name: "authorize/" + name, path: "/authorize", query: params.Encode(), status: status, code: code}
	}
	sent := func(name, code string, change func(url.Values)) hostile { return page(name, 303, code, change) }
	set := func(name, value string) func(url.Values) { return func(v url.Values) { v.Set(name, value) } }
	del := func(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }
	raw := func(name string, status int, code, suffix string) hostile {
		h := page(name, status, code, func(url.Values) {})
		h.query += suffix
		return h
	}
	rows := []hostile{
		page("no parameters", 400, "invalid_client", func(v url.Values) { clear(v) }),
		page("unknown client", 400, "invalid_client", set("client_id", "nobody")),
		page("client id with NUL", 400, "invalid_request", set("client_id", "spa\x00")),
		page("client without redirect uris", 400, "redirect_uri_mismatch", set("client_id", authztest.Worker)),
		page("redirect uri missing for openid", 400, "invalid_request", del("redirect_uri")),
		raw("repeated client id", 400, "invalid_request", "&client_id=spa"),
		raw("repeated redirect uri", 400, "invalid_request", "&redirect_uri=https%3A%2F%2Fevil.example"),
		raw("repeated state", 303, "invalid_request", "&state=again"),
		raw("bad escape", 303, "invalid_request", "&x=%zz"),
		raw("semicolon", 303, "invalid_request", ";x=y"),
		raw("CRLF in a value", 303, "invalid_request", "&login_hint=a%0d%0aSet-Cookie:%20x=y"),
		raw("NUL in a value", 303, "invalid_request", "&login_hint=a%00b"),
		raw("invalid UTF-8", 303, "invalid_request", "&login_hint=%ff%fe"),
		raw("too long", 303, "invalid_request", "&login_hint="+strings.Repeat("a", 9000)),
		raw("far too long", 400, "invalid_request", "&x="+strings.Repeat("a", 17_000)),
		sent("response type missing", "invalid_request", del("response_type")),
		sent("implicit", "unsupported_response_type", set("response_type", "token")),
		sent("hybrid", "unsupported_response_type", set("response_type", "code id_token")),
		sent("response type none", "unsupported_response_type", set("response_type", "none")),
		sent("response mode unknown", "unsupported_response_mode", set("response_mode", "web_message")),
		sent("no PKCE", "invalid_request", func(v url.Values) { v.Del("code_challenge"); v.Del("code_challenge_method") }),
		sent("PKCE plain", "invalid_request", set("code_challenge_method", "plain")),
		sent("PKCE method missing", "invalid_request", del("code_challenge_method")),
		sent("PKCE challenge missing", "invalid_request", del("code_challenge")),
		sent("PKCE challenge too short", "invalid_request", set("code_challenge", "abc")),
		sent("PKCE challenge padded", "invalid_request", set("code_challenge", challenge+"=")),
		sent("scope not registered", "invalid_scope", set("scope", "admin")),
		sent("scope with a quote", "invalid_scope", set("scope", `openid "x"`)),
		sent("scope in capitals", "invalid_scope", set("scope", "OPENID")),
		sent("prompt none and login", "invalid_request", set("prompt", "none login")),
		sent("max_age negative", "invalid_request", set("max_age", "-1")),
		sent("max_age no number", "invalid_request", set("max_age", "soon")),
		sent("max_age too large", "invalid_request", set("max_age", "99999999999999999999")),
		sent("nonce too long", "invalid_request", set("nonce", strings.Repeat("n", 2000))),
		sent("claims no JSON", "invalid_request", set("claims", "{")),
		sent("claims an array", "invalid_request", set("claims", "[]")),
		sent("request object", "invalid_request_object", set("request", "e30.e30.")),
		sent("request object without openid", "invalid_request_object", func(v url.Values) { v.Set("request", "e30.e30."); v.Set("scope", "orders.read") }),
		sent("request uri", "invalid_request_uri", set("request_uri", "http://169.254.169.254/")),
		sent("registration", "registration_not_supported", set("registration", "{}")),
		sent("client secret", "invalid_request", set("client_secret", "hunter2")),
		sent("foreign resource", "invalid_target", set("resource", "https://other.example.com")),
		sent("relative resource", "invalid_target", set("resource", "/orders")),
		sent("resource with fragment", "invalid_target", set("resource", authztest.API+"#x")),
		sent("hint is garbage", "invalid_request", set("id_token_hint", "a.b.c")),
		page("forged flow", 400, "sign_in_expired", func(v url.Values) { v.Set("flow", "AAAA") }),
	}
	for _, uri := range []string{
		"https://evil.example/callback", "https://app.example.com/callback/", "https://app.example.com/callback?x=1",
		"https://app.example.com/Callback", "https://APP.example.com/callback", "https://app.example.com:443/callback",
		"http://app.example.com/callback", "https://app.example.com/callback#x", "https://app.example.com/callback%2f..",
		"https://app.example.com@evil.example/callback", "https://app.example.com.evil.example/callback",
		"https://app.example.com/../callback", "//app.example.com/callback", "javascript:alert(1)",
		"data:text/html,x", "https://app.example.com/callback ", `https://app.example.com\@evil.example/callback`,
	} {
		rows = append(rows, page("look-alike "+uri, 400, "redirect_uri_mismatch", set("redirect_uri", uri)))
	}
	return rows
}

func hostileTokenRequests(code, verifier, other string, tokens authztest.Tokens) []hostile {
	row := func(name string, status int, code string, form url.Values, change func(*hostile)) hostile {
		h := hostile{name: "token/" + name, path: "/token", body: form.Encode(), status: status, code: code, header: formHeader()}
		if change != nil {
			change(&h)
		}
		return h
	}
	with := func(form url.Values, pairs ...string) url.Values {
		copied := url.Values{"client_id": {authztest.SPA}}
		for name, values := range form {
			copied[name] = values
		}
		for i := 0; i < len(pairs); i += 2 {
			copied.Set(pairs[i], pairs[i+1])
			if pairs[i+1] == "" {
				copied.Del(pairs[i])
			}
		}
		return copied
	}
	codeForm := authztest.CodeForm(code, verifier)
	refresh := authztest.RefreshForm(tokens.RefreshToken)
	basic := func(id, secret string) func(*hostile) {
		return func(h *hostile) {
			h.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
		}
	}
	otherVerifier, _ := authztest.PKCE()
	return []hostile{
		row("no body", 400, "invalid_request", url.Values{}, nil),
		row("JSON body", 400, "invalid_request", codeForm, func(h *hostile) { h.header.Set("Content-Type", "application/json") }),
		row("multipart", 400, "invalid_request", codeForm, func(h *hostile) { h.header.Set("Content-Type", "multipart/form-data; boundary=x") }),
		row("no content type", 400, "invalid_request", codeForm, func(h *hostile) { h.header.Del("Content-Type") }),
		row("body too large", 400, "invalid_request", with(codeForm, "x", strings.Repeat("a", 70_000)), nil),
		row("value too long", 400, "invalid_request", with(codeForm, "client_assertion", strings.Repeat("a", 20_000)), nil),
		row("repeated parameter", 400, "invalid_request", with(codeForm), func(h *hostile) { h.body += "&code=again" }),
		row("bad escape", 400, "invalid_request", with(codeForm), func(h *hostile) { h.body += "&x=%zz" }),
		row("NUL", 400, "invalid_request", with(codeForm), func(h *hostile) { h.body += "&resource=%00" }),
		row("secret in the query", 400, "invalid_request", with(codeForm), func(h *hostile) { h.query = "client_secret=x" }),
		row("code in the query", 400, "invalid_request", with(codeForm), func(h *hostile) { h.query = "code=x" }),
		row("grant type missing", 400, "invalid_request", with(codeForm, "grant_type", ""), nil),
		row("grant type unknown", 400, "unsupported_grant_type", with(codeForm, "grant_type", "urn:x"), nil),
		row("password grant", 400, "unsupported_grant_type", with(codeForm, "grant_type", "password"), nil),
		row("two grant types", 400, "unsupported_grant_type", with(codeForm, "grant_type", "authorization_code refresh_token"), nil),
		row("client missing", 401, "invalid_client", with(codeForm, "client_id", ""), nil),
		row("client unknown", 401, "invalid_client", with(codeForm, "client_id", "nobody"), nil),
		row("public client with a secret", 401, "invalid_client", with(codeForm, "client_secret", "x"), nil),
		row("public client by Basic", 401, "invalid_client", with(codeForm), basic(authztest.SPA, "secret")),
		row("confidential without secret", 401, "invalid_client", with(codeForm, "client_id", authztest.Web), nil),
		row("wrong secret", 401, "invalid_client", with(codeForm, "client_id", ""), basic(authztest.Web, "wrong")),
		row("method not registered", 401, "invalid_client", with(codeForm, "client_id", authztest.Web, "client_secret", authztest.Secret), nil),
		row("two methods at once", 400, "invalid_request", with(codeForm, "client_secret", "x"), basic(authztest.Web, "x")),
		row("two client ids", 400, "invalid_request", with(codeForm), basic(authztest.Web, "x")),
		row("Basic is garbage", 401, "invalid_client", with(codeForm), func(h *hostile) { h.header.Set("Authorization", "Basic !!!") }),
		row("Basic with a bad escape", 401, "invalid_client", with(codeForm, "client_id", ""), basic("web%zz", "x")),
		row("assertion", 401, "invalid_client", with(codeForm, "client_assertion", "e30.e30.x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil),
		row("code missing", 400, "invalid_request", with(codeForm, "code", ""), nil),
		row("code unknown", 400, "invalid_grant", with(codeForm, "code", "azc_nothing"), nil),
		row("code with another last character", 400, "invalid_grant", with(codeForm, "code", changeLast(code)), nil),
		row("code with one more character", 400, "invalid_grant", with(codeForm, "code", code+"A"), nil),
		row("code of another client", 400, "invalid_grant", with(codeForm, "code", other), nil),
		row("verifier missing", 400, "invalid_grant", with(codeForm, "code_verifier", ""), nil),
		row("verifier wrong", 400, "invalid_grant", with(codeForm, "code_verifier", otherVerifier), nil),
		row("verifier missing after a wrong one", 400, "invalid_grant", with(codeForm, "code_verifier", ""), nil),
		row("verifier malformed", 400, "invalid_grant", with(codeForm, "code_verifier", "short"), nil),
		row("redirect uri differs", 400, "invalid_grant", with(codeForm, "redirect_uri", authztest.RedirectURI+"/"), nil),
		row("resource not granted", 400, "invalid_target", with(codeForm, "resource", "https://other.example.com"), nil),
		row("refresh token missing", 400, "invalid_request", with(refresh, "refresh_token", ""), nil),
		row("refresh token unknown", 400, "invalid_grant", with(refresh, "refresh_token", "azr_nothing"), nil),
		row("refresh token with another last character", 400, "invalid_grant", with(refresh, "refresh_token", changeLast(tokens.RefreshToken)), nil),
		row("refresh token of another client", 400, "invalid_grant", with(refresh, "client_id", authztest.ThirdParty), nil),
		row("code as refresh token", 400, "invalid_grant", with(refresh, "refresh_token", code), nil),
		row("wider scope", 400, "invalid_scope", with(refresh, "scope", "openid orders.write"), nil),
		row("other resource", 400, "invalid_target", with(refresh, "resource", "https://other.example.com"), nil),
		row("app token by a public client", 400, "unauthorized_client", with(url.Values{"grant_type": {"client_credentials"}}), nil),
		row("app token with a user's scope", 400, "invalid_scope", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}, basic(authztest.Worker, url.QueryEscape(authztest.Secret))),
		row("code by a service", 400, "unauthorized_client", codeForm, basic(authztest.Worker, url.QueryEscape(authztest.Secret))),
		row("GET", 405, "method_not_allowed", nil, func(h *hostile) { h.method = http.MethodGet; h.body = "" }),
		row("TRACE", 405, "method_not_allowed", nil, func(h *hostile) { h.method = http.MethodTrace; h.body = "" }),
	}
}

// hostileBearers are tokens that userinfo must not take.
func hostileBearers(t *testing.T, s *authztest.Server, tokens, app authztest.Tokens) []hostile {
	bearer := func(name, token string, status int, code string) hostile {
		return hostile{name: "userinfo/" + name, path: "/userinfo", header: http.Header{"Authorization": {"Bearer " + token}}, status: status, code: code}
	}
	parts := strings.Split(tokens.AccessToken, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []hostile{
		{name: "userinfo/no token", path: "/userinfo", status: 401, code: "token_required"},
		{name: "userinfo/Basic", path: "/userinfo", header: http.Header{"Authorization": {"Basic eDp5"}}, status: 401, code: "token_required"},
		{name: "userinfo/in the query", path: "/userinfo", query: "access_token=" + tokens.AccessToken, status: 400, code: "invalid_request"},
		{name: "userinfo/two headers", path: "/userinfo", header: http.Header{"Authorization": {"Bearer a", "Bearer b"}}, status: 400, code: "invalid_request"},
		{name: "userinfo/header and body", path: "/userinfo", body: "access_token=" + tokens.AccessToken, header: http.Header{"Authorization": {"Bearer " + tokens.AccessToken}, "Content-Type": {"application/x-www-form-urlencoded"}}, status: 400, code: "invalid_request"},
		bearer("empty", "", 400, "invalid_request"),
		bearer("garbage", "garbage", 401, "invalid_token"),
		bearer("alg none", none, 401, "invalid_token"),
		bearer("HS256 with the public key", signHS256(t, s, parts[1]), 401, "invalid_token"),
		bearer("foreign key under our kid", signES256(t, foreign, kidOf(t, tokens.AccessToken), parts[1]), 401, "invalid_token"),
		bearer("foreign kid", signES256(t, foreign, "mine", parts[1]), 401, "invalid_token"),
		bearer("ID token", tokens.IDToken, 401, "invalid_token"),
		bearer("refresh token", tokens.RefreshToken, 401, "invalid_token"),
		bearer("another last character", changeLast(tokens.AccessToken), 401, "invalid_token"),
		bearer("one more character", tokens.AccessToken+"A", 401, "invalid_token"),
		bearer("padded", tokens.AccessToken+"=", 401, "invalid_token"),
		bearer("another header", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`))+"."+parts[1]+"."+parts[2], 401, "invalid_token"),
		bearer("64 KiB", strings.Repeat("a", 40_000), 401, "invalid_token"),
		bearer("app token", app.AccessToken, 403, "insufficient_scope"),
	}
}

func hostileRevocations(tokens authztest.Tokens) []hostile {
	row := func(path, name string, status int, code string, form url.Values) hostile {
		return hostile{name: path[1:] + "/" + name, path: path, body: form.Encode(), header: formHeader(), status: status, code: code}
	}
	token := url.Values{"token": {tokens.AccessToken}}
	by := func(client string) url.Values { return url.Values{"token": token["token"], "client_id": {client}} }
	return []hostile{
		row("/revoke", "nobody", 401, "invalid_client", token),
		row("/revoke", "unknown client", 401, "invalid_client", by("nobody")),
		row("/revoke", "no token", 400, "invalid_request", url.Values{"client_id": {authztest.SPA}}),
		row("/revoke", "of another client", 200, "", by(authztest.ThirdParty)),
		row("/revoke", "unknown token", 200, "", url.Values{"client_id": {authztest.SPA}, "token": {"garbage"}}),
		row("/revoke", "ID token", 200, "", url.Values{"client_id": {authztest.SPA}, "token": {tokens.IDToken}}),
		row("/introspect", "nobody", 401, "invalid_client", token),
		row("/introspect", "public client", 401, "invalid_client", by(authztest.SPA)),
		row("/introspect", "with the token itself", 401, "invalid_client", by(tokens.AccessToken)),
	}
}

func hostilePages() []hostile {
	evil := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://evil.example"}}
	return []hostile{
		{name: "login/from another site", path: "/login", body: "username=alice&password=x", header: evil, status: 403, code: "cross_site_request"},
		{name: "consent/from another site", path: "/consent", body: "decision=allow", header: evil, status: 403, code: "cross_site_request"},
		{name: "account/from another site", path: "/account", body: "revoke=spa", header: evil, status: 403, code: "cross_site_request"},
		{name: "login/password in the query", path: "/login", query: "password=x", body: "username=alice", header: formHeader(), status: 400, code: "invalid_request"},
		{name: "login/forged flow", path: "/login", query: "flow=AAAA", status: 400, code: "sign_in_expired"},
		{name: "login/PUT", method: http.MethodPut, path: "/login", status: 405, code: "method_not_allowed"},
		{name: "callback/unknown connector", path: "/callback/nothing", query: "code=x&state=y", status: 404, code: "not_found"},
		{name: "nowhere", path: "/../../etc/passwd", status: 404, code: "not_found"},
		{name: "session/from another origin", path: "/session", header: http.Header{"Origin": {"https://evil.example"}}, status: 401, code: "token_required"},
		{name: "session/activity from another origin", path: "/session/activity", body: "x", header: evil, status: 401, code: "token_required"},
	}
}

func formHeader() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}

// send returns the status and the error code of the answer, wherever it stands.
func (h hostile) send(t *testing.T, b *authztest.Browser) (status int, code, answer string) {
	t.Helper()
	method := h.method
	if method == "" {
		method = http.MethodGet
		if h.body != "" || (h.header.Get("Content-Type") != "" && h.path != "/userinfo") {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, b.Server.URL, strings.NewReader(h.body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Path, request.URL.RawQuery = h.path, h.query
	for name, values := range h.header {
		request.Header[name] = values
	}
	response, err := b.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer = string(body)
	if location := response.Header.Get("Location"); location != "" {
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if fragment, _ := url.ParseQuery(u.Fragment); fragment.Has("error") {
			return response.StatusCode, fragment.Get("error"), location
		}
		if !strings.HasPrefix(location, authztest.RedirectURI) {
			t.Errorf("redirected to %s", location)
		}
		return response.StatusCode, u.Query().Get("error"), location
	}
	var document struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &document) == nil {
		if strings.HasPrefix(h.path, "/token") && response.Header.Get("Cache-Control") != "no-store" {
			t.Error("the answer may be cached")
		}
		return response.StatusCode, document.Error, answer
	}
	if _, after, ok := strings.Cut(answer, fmt.Sprintf(`id="error-code">%d `, response.StatusCode)); ok {
		code, _, _ = strings.Cut(after, "<")
	}
	return response.StatusCode, code, answer
}

// dump is every record of the store by key and version, but for those that the server writes by itself: the
// leases of its work, and the audit log.
func dump(t testing.TB, store storage.Store) string {
	t.Helper()
	var b strings.Builder
	for _, table := range storage.Tables {
		if table == storage.Leases.Table || strings.HasPrefix(string(table), "audit_") {
			continue
		}
		records, err := store.Scan(context.Background(), table, "", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Key == storage.KeptHeadKey { // of the audit log
				continue
			}
			fmt.Fprintf(&b, "%s/%s@%d ", table, r.Key, r.Version)
		}
	}
	return b.String()
}

// changeLast changes the last character to one that base64 may decode to the same bytes.
func changeLast(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last^1])
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

func signES256(t *testing.T, key *ecdsa.PrivateKey, kid, payload string) string {
	t.Helper()
	return sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, payload)
}

// signHS256 signs with the server's public key, as its JWKS shows it, for a secret.
func signHS256(t *testing.T, s *authztest.Server, payload string) string {
	t.Helper()
	response, err := http.Get(s.URL + "/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: []byte(set.Keys[0])}, payload)
}

// sign makes an access token of a payload in base64url.
func sign(t *testing.T, key jose.SigningKey, payload string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return signWith(t, key, map[jose.HeaderKey]any{"typ": "at+jwt"}, string(raw))
}

// signWith signs a payload as it stands.
func signWith(t testing.TB, key jose.SigningKey, header map[jose.HeaderKey]any, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
