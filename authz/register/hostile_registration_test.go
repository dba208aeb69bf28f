package register_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/register"
)

func TestHostileRegistrations(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	browser := s.NewBrowser(t)
	client := blackbox.Register(t, s, blackbox.WebClient(nil))
	rows := hostileRegistrations(t)
	for _, row := range rows { // whatever can't be registered can't be put in place of a registration either
		if row.Path == "/register" && row.Method == "" && row.Header.Get("Content-Type") == "application/json" && strings.HasPrefix(row.Body, `{"`) {
			row.Name, row.Method, row.Path = "update/"+row.Name, http.MethodPut, strings.TrimPrefix(client.Text("registration_client_uri"), s.URL)
			row.Header = row.Header.Clone()
			row.Header.Set("Authorization", "Bearer "+client.Text("registration_access_token"))
			row.Body = fmt.Sprintf(`{"client_id": %q, `, client.Text("client_id")) + row.Body[1:]
			rows = append(rows, row)
		}
	}
	blackbox.Attack(t, s, browser, rows, "azg_", "json:", "a:b", "<script") // where a redirect URI leads is repeated, and what it carries is not
}

func hostileRegistrations(t *testing.T) []blackbox.Hostile {
	const redirect, metadata = "invalid_redirect_uri", "invalid_client_metadata"
	asJSON := http.Header{"Content-Type": {"application/json"}}
	row := func(name, code, body string) blackbox.Hostile {
		return blackbox.Hostile{Name: "register/" + name, Path: "/register", Header: asJSON, Body: body, Status: 400, Code: code}
	}
	with := func(name, code string, change map[string]any) blackbox.Hostile {
		body, err := json.Marshal(blackbox.WebClient(change))
		if err != nil {
			t.Fatal(err)
		}
		return row(name, code, string(body))
	}
	typed := func(contentType string) blackbox.Hostile {
		h := with("as "+contentType, metadata, nil)
		h.Header = http.Header{"Content-Type": {contentType}}
		return h
	}
	const uris = `"redirect_uris": ["https://evil.example/cb"]`
	rows := []blackbox.Hostile{
		row("nothing", metadata, " "), row("no JSON", metadata, "redirect_uris=https%3A%2F%2Fevil.example"), row("a list", metadata, "[]"), row("a string", metadata, `"x"`),
		row("null", metadata, "null"), row("a number", metadata, "1e999"), row("half", metadata, "{"+uris), row("two objects", metadata, "{"+uris+"} {}"), row("a comma more", metadata, "{"+uris+",}"),
		row("a comment", metadata, "{"+uris+"/**/}"), row("not UTF-8", metadata, "{"+uris+`, "client_name": "`+"\xff"+`"}`), row("byte order mark", metadata, "\ufeff{"+uris+"}"),
		row("a name twice", metadata, `{`+uris+`, `+uris+`}`), row("a name twice, escaped", metadata, `{`+uris+`, "redirect\u005furis": ["https://a.example/"]}`),
		row("a name twice, deep", metadata, `{`+uris+`, "x": [{"a": {"b": 1, "b": 2}}]}`), row("a name twice in the keys", metadata, `{`+uris+`, "jwks": {"keys": [], "keys": []}}`),
		row("deep lists", metadata, `{`+uris+`, "x": `+strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)+`}`), row("deep objects", metadata, `{`+uris+`, "x": `+strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)+`}`),
		row("names in capitals", redirect, `{"REDIRECT_URIS": ["https://evil.example/cb"], "Redirect_URIs": ["https://evil.example/cb"]}`),
		row("65 KiB", metadata, `{`+uris+`, "x": "`+strings.Repeat("a", 66_000)+`"}`), with("40 KiB of contacts", metadata, map[string]any{"contacts": slices.Repeat([]string{strings.Repeat("a", 2000)}, 20)}),
		row("NUL in a name", metadata, `{`+uris+`, "client_name": "a\u0000b"}`), row("NUL in a URI", metadata, `{"redirect_uris": ["https://evil.example/\u0000"]}`),
		row("CRLF in a contact", metadata, `{`+uris+`, "contacts": ["a\r\nSet-Cookie: x=y"]}`), row("20 URIs and one", metadata, `{"redirect_uris": [`+strings.Repeat(`"https://evil.example/cb",`, 20)+`"https://evil.example/"]}`),
		row("a huge number", metadata, `{`+uris+`, "default_max_age": 1e400}`), row("a negative age", metadata, `{`+uris+`, "default_max_age": -1}`), row("half a second", metadata, `{`+uris+`, "default_max_age": 0.5}`), row("an age in words", metadata, `{`+uris+`, "default_max_age": "60"}`),
		row("truth in words", metadata, `{`+uris+`, "require_auth_time": "true"}`), row("a list for a URI", metadata, `{`+uris+`, "client_uri": ["https://evil.example"]}`), row("null in the list", redirect, `{"redirect_uris": [null]}`),
		typed("application/x-www-form-urlencoded"), typed("text/plain"), typed("text/json"), typed("application/json, text/html"), typed("application/jsonp"), typed(""),
	}
	for _, script := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "javascript.x:alert(1)//", "data:text/html,<script>", "vbscript:x", "blob:https://evil.example/x",
		"file:///etc/passwd", "about:blank", "view-source:https://evil.example", "//evil.example/cb", "https://evil.example\\@app.example.com/", "https://a:b@evil.example/", "https:evil.example", "https:///cb",
		"http://evil.example/", "ws://evil.example/", "https://evil.example/cb#", "https://*.evil.example/", "https://evil.example/%2e%2e/cb", "https://evil.example /", "",
	} {
		code := redirect
		if strings.ContainsAny(script, "\t") {
			code = metadata
		}
		rows = append(rows, with("redirect to "+script, code, map[string]any{"application_type": "web", "redirect_uris": []string{script}}))
		for _, member := range []string{"client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri", "backchannel_logout_uri", "frontchannel_logout_uri"} {
			if script == "https://evil.example/%2e%2e/cb" || script == "" || (script == "https://*.evil.example/" && !strings.HasPrefix(member, "jwks")) {
				continue // no harm, or as if it were not there
			}
			rows = append(rows, with(member+" "+script, metadata, map[string]any{member: script}))
		}
	}
	for _, inside := range []string{"https://169.254.169.254/", "https://10.0.0.1/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://2130706433/", "https://0x7f.1/", "https://192.168.1.1:8443/x"} {
		for _, member := range []string{"jwks_uri", "sector_identifier_uri", "backchannel_logout_uri"} {
			rows = append(rows, with(member+" "+inside, metadata, map[string]any{member: inside}))
		}
		rows = append(rows, with("request_uris "+inside, metadata, map[string]any{"request_uris": []string{inside}}))
	}
	return rows
}

// A name is text, wherever it is shown.
func TestHostileRegistrations_Names(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	b := s.NewBrowser(t)
	b.Code(t, authztest.SPA, nil) // signs in
	const name = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&{{.}}`
	id := blackbox.Register(t, s, blackbox.WebClient(map[string]any{"client_name": name, "logo_uri": `https://evil.example/"><script>alert(3)</script>`, "policy_uri": "https://evil.example/?a=b&c=d;%22"})).Text("client_id")
	consent := b.Get(t, b.Ask(t, id, nil).Header.Get("Location"))
	b.Code(t, id, nil)
	account := b.Get(t, s.URL+"/account")
	for where, page := range map[string]*authztest.Page{"consent": consent, "account": account} {
		if strings.Contains(page.Body, "<script>alert") || strings.Contains(page.Body, "<img src=x") || !strings.Contains(page.Body, "&lt;script&gt;alert(1)") {
			t.Errorf("%s: %s", where, page.Body)
		}
		if policy := page.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.ContainsAny(policy, `"<>`) {
			t.Errorf("%s: %s", where, policy)
		}
	}
	if !consent.Has("unknown-client") {
		t.Error("the consent page does not say that nobody knows the app")
	}
}

// Nothing is called because a client names it, except what its registration depends on.
func TestHostileRegistrations_Calls(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, blackbox.OpenRegistration(), nil)
	inside := blackbox.NewSite(t, nil)
	blackbox.Register(t, s, blackbox.WebClient(map[string]any{
		"client_uri": "https://evil.example", "jwks_uri": inside.URL + "/jwks", "backchannel_logout_uri": inside.URL + "/logout", "request_uris": []string{inside.URL + "/request"},
	}))
	if n := inside.Fetches.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// The log at its most talkative holds nothing that would let anybody act as the client.
func TestHostileRegistrations_LogHoldsNoCredentials(t *testing.T) {
	t.Parallel()
	log := &blackbox.Logbook{}
	c := blackbox.OpenRegistration()
	c.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Registration.Mode, c.Registration.InitialAccessTokens = register.Token, []string{"an-initial-access-token-of-the-operator"}
	s := authztest.Start(t, c, nil)
	client := blackbox.CallJSON(t, http.MethodPost, s.URL+"/register", c.Registration.InitialAccessTokens[0], blackbox.WebClient(map[string]any{"token_endpoint_auth_method": "client_secret_post"}))
	uri, token, secret := client.Text("registration_client_uri"), client.Text("registration_access_token"), client.Text("client_secret")
	for _, body := range []any{nil, "{", blackbox.WebClient(map[string]any{"client_id": client.Text("client_id"), "client_secret": secret, "client_name": token, "software_statement": secret})} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
			for _, shown := range []string{token, secret, "x" + token, c.Registration.InitialAccessTokens[0]} {
				blackbox.CallJSON(t, method, uri, shown, body)
				blackbox.CallJSON(t, method, s.URL+"/register", shown, body)
				blackbox.CallJSON(t, method, s.URL+"/register/"+shown+"?access_token="+shown, "", body)
			}
		}
	}
	for _, credential := range []string{token, secret, c.Registration.InitialAccessTokens[0]} {
		if credential == "" || strings.Contains(log.String(), credential[5:]) {
			t.Errorf("the log holds %q", credential)
		}
	}
}
