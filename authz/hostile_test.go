package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	browser := s.NewBrowser(t)
	code, verifier := browser.Code(t, authztest.SPA, nil)
	other, _ := browser.Code(t, authztest.Web, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})

	var rows []blackbox.Hostile
	rows = append(rows, hostileAuthorizations()...)
	rows = append(rows, hostileTokenRequests(code, verifier, other, tokens)...)
	rows = append(rows, hostileBearers(t, s, tokens, app)...)
	rows = append(rows, hostileRevocations(tokens)...)
	rows = append(rows, hostilePages()...)
	blackbox.Attack(t, s, browser, rows, tokens.RefreshToken)
	// The attacked parts still work.
	if got := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier)); got.Status != http.StatusOK {
		t.Errorf("the code no longer works: %+v", got)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Status != http.StatusOK {
		t.Errorf("the refresh token no longer works: %+v", got)
	}
}

// hostileAuthorizations are requests to /authorize by a browser that is signed in.
func hostileAuthorizations() []blackbox.Hostile {
	_, challenge := authztest.PKCE()
	page := func(name string, status int, code string, change func(url.Values)) blackbox.Hostile {
		params := authztest.AuthorizationParams(authztest.SPA, challenge)
		change(params)
		return blackbox.Hostile{Name: "authorize/" + name, Path: "/authorize", Query: params.Encode(), Status: status, Code: code}
	}
	sent := func(name, code string, change func(url.Values)) blackbox.Hostile {
		return page(name, 303, code, change)
	}
	set := func(name, value string) func(url.Values) { return func(v url.Values) { v.Set(name, value) } }
	del := func(name string) func(url.Values) { return func(v url.Values) { v.Del(name) } }
	raw := func(name string, status int, code, suffix string) blackbox.Hostile {
		h := page(name, status, code, func(url.Values) {})
		h.Query += suffix
		return h
	}
	rows := []blackbox.Hostile{
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

func hostileTokenRequests(code, verifier, other string, tokens authztest.Tokens) []blackbox.Hostile {
	row := func(name string, status int, code string, form url.Values, change func(*blackbox.Hostile)) blackbox.Hostile {
		h := blackbox.Hostile{Name: "token/" + name, Path: "/token", Body: form.Encode(), Status: status, Code: code, Header: blackbox.FormHeader()}
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
	basic := func(id, secret string) func(*blackbox.Hostile) {
		return func(h *blackbox.Hostile) {
			h.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
		}
	}
	otherVerifier, _ := authztest.PKCE()
	return []blackbox.Hostile{
		row("no body", 400, "invalid_request", url.Values{}, nil),
		row("JSON body", 400, "invalid_request", codeForm, func(h *blackbox.Hostile) { h.Header.Set("Content-Type", "application/json") }),
		row("multipart", 400, "invalid_request", codeForm, func(h *blackbox.Hostile) { h.Header.Set("Content-Type", "multipart/form-data; boundary=x") }),
		row("no content type", 400, "invalid_request", codeForm, func(h *blackbox.Hostile) { h.Header.Del("Content-Type") }),
		row("body too large", 400, "invalid_request", with(codeForm, "x", strings.Repeat("a", 70_000)), nil),
		row("value too long", 400, "invalid_request", with(codeForm, "client_assertion", strings.Repeat("a", 20_000)), nil),
		row("repeated parameter", 400, "invalid_request", with(codeForm), func(h *blackbox.Hostile) { h.Body += "&code=again" }),
		row("bad escape", 400, "invalid_request", with(codeForm), func(h *blackbox.Hostile) { h.Body += "&x=%zz" }),
		row("NUL", 400, "invalid_request", with(codeForm), func(h *blackbox.Hostile) { h.Body += "&resource=%00" }),
		row("secret in the query", 400, "invalid_request", with(codeForm), func(h *blackbox.Hostile) { h.Query = "client_secret=x" }),
		row("code in the query", 400, "invalid_request", with(codeForm), func(h *blackbox.Hostile) { h.Query = "code=x" }),
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
		row("Basic is garbage", 401, "invalid_client", with(codeForm), func(h *blackbox.Hostile) { h.Header.Set("Authorization", "Basic !!!") }),
		row("Basic with a bad escape", 401, "invalid_client", with(codeForm, "client_id", ""), basic("web%zz", "x")),
		row("assertion", 401, "invalid_client", with(codeForm, "client_assertion", "e30.e30.x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil),
		row("code missing", 400, "invalid_request", with(codeForm, "code", ""), nil),
		row("code unknown", 400, "invalid_grant", with(codeForm, "code", "azc_nothing"), nil),
		row("code with another last character", 400, "invalid_grant", with(codeForm, "code", blackbox.ChangeLast(code)), nil),
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
		row("refresh token with another last character", 400, "invalid_grant", with(refresh, "refresh_token", blackbox.ChangeLast(tokens.RefreshToken)), nil),
		row("refresh token of another client", 400, "invalid_grant", with(refresh, "client_id", authztest.ThirdParty), nil),
		row("code as refresh token", 400, "invalid_grant", with(refresh, "refresh_token", code), nil),
		row("wider scope", 400, "invalid_scope", with(refresh, "scope", "openid orders.write"), nil),
		row("other resource", 400, "invalid_target", with(refresh, "resource", "https://other.example.com"), nil),
		row("app token by a public client", 400, "unauthorized_client", with(url.Values{"grant_type": {"client_credentials"}}), nil),
		row("app token with a user's scope", 400, "invalid_scope", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}, basic(authztest.Worker, url.QueryEscape(authztest.Secret))),
		row("code by a service", 400, "unauthorized_client", codeForm, basic(authztest.Worker, url.QueryEscape(authztest.Secret))),
		row("GET", 405, "method_not_allowed", nil, func(h *blackbox.Hostile) { h.Method = http.MethodGet; h.Body = "" }),
		row("TRACE", 405, "method_not_allowed", nil, func(h *blackbox.Hostile) { h.Method = http.MethodTrace; h.Body = "" }),
	}
}

// hostileBearers are tokens that userinfo must not take.
func hostileBearers(t *testing.T, s *authztest.Server, tokens, app authztest.Tokens) []blackbox.Hostile {
	bearer := func(name, token string, status int, code string) blackbox.Hostile {
		return blackbox.Hostile{Name: "userinfo/" + name, Path: "/userinfo", Header: http.Header{"Authorization": {"Bearer " + token}}, Status: status, Code: code}
	}
	parts := strings.Split(tokens.AccessToken, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []blackbox.Hostile{
		{Name: "userinfo/no token", Path: "/userinfo", Status: 401, Code: "token_required"},
		{Name: "userinfo/Basic", Path: "/userinfo", Header: http.Header{"Authorization": {"Basic eDp5"}}, Status: 401, Code: "token_required"},
		{Name: "userinfo/in the query", Path: "/userinfo", Query: "access_token=" + tokens.AccessToken, Status: 400, Code: "invalid_request"},
		{Name: "userinfo/two headers", Path: "/userinfo", Header: http.Header{"Authorization": {"Bearer a", "Bearer b"}}, Status: 400, Code: "invalid_request"},
		{Name: "userinfo/header and body", Path: "/userinfo", Body: "access_token=" + tokens.AccessToken, Header: http.Header{"Authorization": {"Bearer " + tokens.AccessToken}, "Content-Type": {"application/x-www-form-urlencoded"}}, Status: 400, Code: "invalid_request"},
		bearer("empty", "", 400, "invalid_request"),
		bearer("garbage", "garbage", 401, "invalid_token"),
		bearer("alg none", none, 401, "invalid_token"),
		bearer("HS256 with the public key", blackbox.SignHS256(t, s, parts[1]), 401, "invalid_token"),
		bearer("foreign key under our kid", blackbox.SignES256(t, foreign, blackbox.KeyID(t, tokens.AccessToken), parts[1]), 401, "invalid_token"),
		bearer("foreign kid", blackbox.SignES256(t, foreign, "mine", parts[1]), 401, "invalid_token"),
		bearer("ID token", tokens.IDToken, 401, "invalid_token"),
		bearer("refresh token", tokens.RefreshToken, 401, "invalid_token"),
		bearer("another last character", blackbox.ChangeLast(tokens.AccessToken), 401, "invalid_token"),
		bearer("one more character", tokens.AccessToken+"A", 401, "invalid_token"),
		bearer("padded", tokens.AccessToken+"=", 401, "invalid_token"),
		bearer("another header", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`))+"."+parts[1]+"."+parts[2], 401, "invalid_token"),
		bearer("64 KiB", strings.Repeat("a", 40_000), 401, "invalid_token"),
		bearer("app token", app.AccessToken, 403, "insufficient_scope"),
	}
}

func hostileRevocations(tokens authztest.Tokens) []blackbox.Hostile {
	row := func(path, name string, status int, code string, form url.Values) blackbox.Hostile {
		return blackbox.Hostile{Name: path[1:] + "/" + name, Path: path, Body: form.Encode(), Header: blackbox.FormHeader(), Status: status, Code: code}
	}
	token := url.Values{"token": {tokens.AccessToken}}
	by := func(client string) url.Values { return url.Values{"token": token["token"], "client_id": {client}} }
	return []blackbox.Hostile{
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

func hostilePages() []blackbox.Hostile {
	evil := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://evil.example"}}
	return []blackbox.Hostile{
		{Name: "login/from another site", Path: "/login", Body: "username=alice&password=x", Header: evil, Status: 403, Code: "cross_site_request"},
		{Name: "consent/from another site", Path: "/consent", Body: "decision=allow", Header: evil, Status: 403, Code: "cross_site_request"},
		{Name: "account/from another site", Path: "/account", Body: "revoke=spa", Header: evil, Status: 403, Code: "cross_site_request"},
		{Name: "login/password in the query", Path: "/login", Query: "password=x", Body: "username=alice", Header: blackbox.FormHeader(), Status: 400, Code: "invalid_request"},
		{Name: "login/forged flow", Path: "/login", Query: "flow=AAAA", Status: 400, Code: "sign_in_expired"},
		{Name: "login/PUT", Method: http.MethodPut, Path: "/login", Status: 405, Code: "method_not_allowed"},
		{Name: "callback/unknown connector", Path: "/callback/nothing", Query: "code=x&state=y", Status: 404, Code: "not_found"},
		{Name: "nowhere", Path: "/../../etc/passwd", Status: 404, Code: "not_found"},
		{Name: "session/from another origin", Path: "/session", Header: http.Header{"Origin": {"https://evil.example"}}, Status: 401, Code: "token_required"},
		{Name: "session/activity from another origin", Path: "/session/activity", Body: "x", Header: evil, Status: 401, Code: "token_required"},
	}
}
