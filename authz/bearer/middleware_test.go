package bearer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// hello tells whom it let in.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	p, ok := FromContext(r.Context())
	if !ok {
		panic("no principal")
	}
	_, _ = w.Write([]byte("hello " + p.Subject))
})

func get(target string, authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// want checks a refusal: its status, the challenge after its realm (there is none with
// a 5xx), the error in the body.
func want(t *testing.T, name string, w *httptest.ResponseRecorder, status int, challenge, code string) {
	t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("%s: body %q: %v", name, w.Body, err)
	}
	if body.Error != code || body.Description == "" {
		t.Errorf("%s: body %q, want error %q", name, w.Body, code)
	}
	got := w.Header().Get("WWW-Authenticate")
	if status < 500 {
		challenge = `Bearer realm="` + testAudience + `"` + challenge
	}
	if w.Code != status || got != challenge {
		t.Errorf("%s: %d %s\nwant %d %s", name, w.Code, got, status, challenge)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s: header %v", name, w.Header())
	}
}

const (
	requestError = `, error="invalid_request", error_description="`
	tokenError   = `, error="invalid_token", error_description="`
	scopeError   = `, error="insufficient_scope", error_description="`
)

func TestProtect(t *testing.T) {
	h := newIssuer().verifier(t).Protect(hello)
	good := goodToken()
	for _, header := range []string{"Bearer " + good, "bearer " + good, "BEARER   " + good} {
		if w := serve(h, get("/?q=%61", header)); w.Code != 200 || w.Body.String() != "hello alice" {
			t.Errorf("%.10s…: %d %s", header, w.Code, w.Body)
		}
	}

	const (
		inQuery  = requestError + `a token in the query string is not accepted: use the Authorization header"`
		several  = requestError + `more than one Authorization header"`
		oneToken = requestError + `the Authorization header must hold one token and nothing else"`
		noToken  = requestError + `the Authorization header holds no token"`
		notJWT   = tokenError + `the token is not a signed JWT"`
	)
	tests := []struct {
		name      string
		request   *http.Request
		status    int
		challenge string
		code      string
	}{
		{"nothing", get("/"), 401, "", "unauthorized"},
		{"Basic", get("/", "Basic YTpi"), 401, "", "unauthorized"},
		{"MAC", get("/", "MAC "+good), 401, "", "unauthorized"},
		{"token without scheme", get("/", good), 401, "", "unauthorized"},
		{"scheme with a tab", get("/", "Bearer\t"+good), 401, "", "unauthorized"},
		{"scheme as a prefix", get("/", "Bearer2 "+good), 401, "", "unauthorized"},
		{"empty header", get("/", ""), 400, requestError + `the Authorization header is empty"`, "invalid_request"},
		{"space first", get("/", " Bearer "+good), 400, requestError + `the Authorization header is empty"`, "invalid_request"},
		{"scheme alone", get("/", "Bearer"), 400, noToken, "invalid_request"},
		{"scheme and spaces", get("/", "Bearer   "), 400, noToken, "invalid_request"},
		{"two tokens", get("/", "Bearer "+good+" "+good), 400, oneToken, "invalid_request"},
		{"two tokens with a comma", get("/", "Bearer "+good+","+good), 400, oneToken, "invalid_request"},
		{"two credentials in one", get("/", "Bearer "+good+", Bearer "+good), 400, oneToken, "invalid_request"},
		{"space after", get("/", "Bearer "+good+" "), 400, oneToken, "invalid_request"},
		{"parameter", get("/", `Bearer token="`+good+`"`), 400, oneToken, "invalid_request"},
		{"padding alone", get("/", "Bearer =="), 400, oneToken, "invalid_request"},
		{"padding inside", get("/", "Bearer a=b"), 400, oneToken, "invalid_request"},
		{"NUL", get("/", "Bearer "+good+"\x00"), 400, oneToken, "invalid_request"},
		{"not ASCII", get("/", "Bearer é"), 400, oneToken, "invalid_request"},
		{"two headers", get("/", "Bearer "+good, "Bearer "+good), 400, several, "invalid_request"},
		{"two headers, one Basic", get("/", "Basic YTpi", "Bearer "+good), 400, several, "invalid_request"},
		{"two headers, one empty", get("/", "", "Bearer "+good), 400, several, "invalid_request"},
		{"query", get("/?access_token=" + good), 400, inQuery, "invalid_request"},
		{"query, empty", get("/?access_token="), 400, inQuery, "invalid_request"},
		{"query, escaped", get("/?a=1&%61ccess%5Ftoken=" + good), 400, inQuery, "invalid_request"},
		{"query and header", get("/?access_token="+good, "Bearer "+good), 400, inQuery, "invalid_request"},
		{"form body", formRequest(good), 401, "", "unauthorized"},
		{"opaque token", get("/", "Bearer azr_123"), 401, notJWT, "invalid_token"},
		{"base64 token", get("/", "Bearer YTpi/+~=="), 401, notJWT, "invalid_token"},
		{"expired", get("/", "Bearer "+token(header(), goodClaims().with("exp", time.Now().Unix()-60))), 401, tokenError + `the token has expired"`, "invalid_token"},
		{"for another API", get("/", "Bearer "+token(header(), goodClaims().with("aud", "x"))), 401, tokenError + `the token is for another audience"`, "invalid_token"},
	}
	for _, test := range tests {
		want(t, test.name, serve(h, test.request), test.status, test.challenge, test.code)
	}
}

func formRequest(token string) *http.Request {
	body := strings.NewReader(url.Values{"access_token": {token}}.Encode())
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestProtectWhileTheIssuerIsAway(t *testing.T) {
	is := newIssuer()
	is.down = true
	w := serve(is.verifier(t).Protect(hello), get("/", "Bearer "+goodToken()))
	want(t, "away", w, 503, "", "temporarily_unavailable")
	if after := w.Header().Get("Retry-After"); after != "1" {
		t.Errorf("Retry-After %q", after)
	}
	if strings.Contains(w.Body.String(), "refused") {
		t.Errorf("the cause is told: %s", w.Body)
	}
}

func TestRequire(t *testing.T) {
	v := newIssuer().verifier(t)
	const lacksRole = scopeError + `the user lacks a role that this needs"`
	lacksScope := func(scope string) string {
		return scopeError + `the token lacks a scope that this needs", scope="` + scope + `"`
	}
	for _, test := range []struct {
		name      string
		require   func(http.Handler) http.Handler
		challenge string // empty: let through
	}{
		{"one scope", RequireScope("orders.read"), ""},
		{"two scopes", RequireScope("orders.read", "orders.write"), ""},
		{"scope lacking", RequireScope("admin"), lacksScope("admin")},
		{"one of two lacking", RequireScope("orders.read", "admin"), lacksScope("orders.read admin")},
		{"part of a scope", RequireScope("orders"), lacksScope("orders")},
		{"scope in another case", RequireScope("Orders.read"), lacksScope("Orders.read")},
		{"two scopes as one", RequireScope("orders.read orders.write"), lacksScope("orders.read orders.write")},
		{"scope that splits headers", RequireScope("a\"\r\nX: y"), lacksScope(`a\"??X: y`)},
		{"role", RequireRole("admin"), ""},
		{"one of two roles", RequireRole("owner", "admin"), ""},
		{"role lacking", RequireRole("owner"), lacksRole},
		{"no role will do", RequireRole(), lacksRole},
		{"a group is no role", RequireRole("staff"), lacksRole},
		{"a scope is no role", RequireRole("orders.read"), lacksRole},
	} {
		w := serve(v.Protect(test.require(hello)), get("/", "Bearer "+goodToken()))
		if test.challenge != "" {
			want(t, test.name, w, 403, test.challenge, "insufficient_scope")
		} else if w.Code != 200 {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
	}

	want(t, "outside of Protect", serve(RequireScope("x")(hello), get("/", "Bearer "+goodToken())), 500, "", "server_error")
	want(t, "around Protect", serve(RequireRole("admin")(v.Protect(hello)), get("/", "Bearer "+goodToken())), 500, "", "server_error")
}

func TestFromContextWithoutProtect(t *testing.T) {
	if p, ok := FromContext(t.Context()); ok || p != nil {
		t.Errorf("principal %v", p)
	}
}

func TestEither(t *testing.T) {
	csrf := http.NewCrossOriginProtection()
	cookie := func(r *http.Request) (*Principal, bool) {
		c, err := r.Cookie("sid")
		if err != nil || c.Value != "old" || csrf.Check(r) != nil {
			return nil, false
		}
		return &Principal{Subject: "bob", Roles: []string{"clerk"}}, true
	}
	v := newIssuer().verifier(t)
	h := v.Either(cookie, hello)
	with := func(r *http.Request, value string) *http.Request {
		r.AddCookie(&http.Cookie{Name: "sid", Value: value})
		return r
	}
	post := func(site string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		return r
	}

	for name, test := range map[string]struct {
		request *http.Request
		status  int
		user    string
	}{
		"cookie":                   {with(get("/"), "old"), 200, "hello bob"},
		"cookie, wrong":            {with(get("/"), "x"), 401, ""},
		"neither":                  {get("/"), 401, ""},
		"token":                    {get("/", "Bearer "+goodToken()), 200, "hello alice"},
		"both: the token counts":   {with(get("/", "Bearer "+goodToken()), "old"), 200, "hello alice"},
		"bad token, cookie":        {with(get("/", "Bearer x"), "old"), 401, ""},
		"no token, cookie":         {with(get("/", "Bearer"), "old"), 400, ""},
		"empty header, cookie":     {with(get("/", ""), "old"), 400, ""},
		"Basic, cookie":            {with(get("/", "Basic YTpi"), "old"), 401, ""},
		"token in query, cookie":   {with(get("/?access_token=x"), "old"), 400, ""},
		"two headers, cookie":      {with(get("/", "Bearer x", "Bearer x"), "old"), 400, ""},
		"cookie, same-origin":      {with(post("same-origin"), "old"), 200, "hello bob"},
		"cookie, forged by a site": {with(post("cross-site"), "old"), 401, ""},
	} {
		w := serve(h, test.request)
		if w.Code != test.status || test.user != "" && w.Body.String() != test.user {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}

	if w := serve(v.Either(cookie, RequireRole("clerk")(hello)), with(get("/"), "old")); w.Code != 200 {
		t.Errorf("role of a cookie's user: %d", w.Code)
	}
	if w := serve(v.Either(cookie, RequireScope("orders.read")(hello)), with(get("/"), "old")); w.Code != 403 {
		t.Errorf("scope of a cookie's user: %d", w.Code)
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		`api`:                `"api"`,
		`say "hi" \ bye`:     `"say \"hi\" \\ bye"`,
		"a\r\nSet-Cookie: x": `"a??Set-Cookie: x"`,
		"é\x00\x7f":          `"???"`,
		"":                   `""`,
	} {
		if got := quote(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"b\\c\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		q := quote(s)
		inner := strings.NewReplacer(`\\`, "", `\"`, "").Replace(q[1 : len(q)-1])
		if strings.ContainsAny(inner, "\"\\\r\n") || strings.ContainsFunc(inner, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q: %s", s, q)
		}
	})
}

// The result for any header is one b64token of the header, or a refusal.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"", "Bearer", "Bearer x", "bearer  a.b.c==", "Bearer a, Bearer b", "Basic YTpi", "Bearer\tx", "dpop x", "DPoP x, y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		presented, refused := parseAuthorization(header)
		if (presented.token == "") == (refused == nil) {
			t.Fatalf("token %q, refusal %v", presented.token, refused)
		}
		if refused != nil {
			return
		}
		scheme, _, _ := strings.Cut(header, " ")
		known := presented.scheme == "Bearer" || presented.scheme == "DPoP"
		if !known || !strings.EqualFold(scheme, presented.scheme) || !strings.HasSuffix(header, " "+presented.token) || strings.ContainsAny(presented.token, " ,;\"\r\n\x00") {
			t.Errorf("%+v of %q", presented, header)
		}
	})
}

func FuzzQueryToken(f *testing.F) {
	for _, s := range []string{"access_token=x", "a=b&%61ccess_token=x", "access_token", "a=%zz&access_token=1", "a=1;access_token=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if found := (&url.URL{RawQuery: query}).Query().Has("access_token"); found != hasQueryToken(query) {
			t.Errorf("%q: net/url finds one: %v", query, found)
		}
	})
}
