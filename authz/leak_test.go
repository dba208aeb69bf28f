package authz_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/resource"
)

// With any request to any endpoint, neither the most verbose log nor the audit log has a credential.
func TestLogHoldsNoCredentials(t *testing.T) {
	t.Parallel()
	log := &blackbox.Logbook{}
	s := authztest.Start(t, authz.Config{
		Logger:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Resources: []resource.Resource{{URI: authztest.API, Scopes: []string{"orders.read", "orders.write"}, TokenType: resource.TokenTypeOpaque}},
	}, nil)
	b := s.NewBrowser(t)
	login := b.Get(t, b.Ask(t, authztest.SPA, nil).Header.Get("Location"))
	flow := login.URL.Query().Get("flow")
	code, verifier := b.Code(t, authztest.SPA, nil)
	tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(code, verifier))
	secrets := map[string]string{
		"code": code, "code_verifier": verifier, "refresh_token": tokens.RefreshToken, "access_token": tokens.AccessToken,
		"id_token_hint": tokens.IDToken, "client_secret": "S3cret.of-a~client", "password": "P4ssword!of.alice", "flow": flow,
		"client_assertion": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", "token": tokens.RefreshToken, "device_code": s.NewDevice(t, nil).Code, "state": "st4te_of_the_app",
		"subject_token": tokens.AccessToken, "actor_token": tokens.RefreshToken, "assertion": "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.AAAA",
		"request_uri": blackbox.Push(t, s, nil).Get("request_uri"), "request": blackbox.NewSigningKey(t, "ES256").Sign(t, nil, blackbox.RequestObject(s.URL, nil)),
	}
	for _, c := range b.HTTP.Jar.Cookies(login.URL) {
		secrets["cookie "+c.Name] = c.Value
	}
	if !strings.HasPrefix(tokens.AccessToken, "azt_") {
		t.Fatal("no opaque access token")
	}

	send := func(method, path, query, body string, header http.Header) {
		request, err := http.NewRequest(method, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Path, request.URL.RawQuery, request.Header = path, query, header
		request.RequestURI, request.RemoteAddr = request.URL.RequestURI(), "127.0.0.1:50000"
		for _, c := range b.HTTP.Jar.Cookies(login.URL) {
			request.AddCookie(c)
		}
		answer := httptest.NewRecorder() // ten thousand requests need no connection
		s.ServeHTTP(answer, request)
		b.HTTP.Jar.SetCookies(login.URL, answer.Result().Cookies())
	}
	for name, secret := range secrets {
		escaped := url.QueryEscape(secret)
		for _, path := range []string{"/authorize", "/par", "/token", "/userinfo", "/introspect", "/revoke", "/login", "/consent", "/logout", "/callback/corp", "/session", "/account", "/device_authorization", "/device", "/nowhere"} {
			for _, params := range []string{
				url.QueryEscape(name) + "=" + escaped,
				"client_id=" + escaped,
				escaped + "=1&" + escaped + "=2", // as the name of a repeated parameter
				escaped + "=%00",                 // of a refused one
				"grant_type=" + escaped,
				"client_id=spa&grant_type=refresh_token&refresh_token=x&scope=" + escaped + "&resource=" + escaped,
				"username=alice&password=" + escaped + "&" + escaped + "&" + escaped, // a password with ampersands
				"response_type=code&client_id=spa&redirect_uri=" + escaped,
				"response_type=code&client_id=spa&redirect_uri=" + url.QueryEscape(authztest.RedirectURI) + "&resource=" + escaped + "&claims=" + escaped + "&max_age=" + escaped,
				"error=" + escaped + "&error_description=" + escaped + "&state=" + escaped,
			} {
				send(http.MethodGet, path, params, "", http.Header{})
				send(http.MethodPost, path, "", params, blackbox.FormHeader())
			}
			send(http.MethodPost, path, "", fmt.Sprintf(`{%q: %q}`, name, secret), blackbox.FormHeader())
			send(http.MethodPost, path+"/"+strings.ReplaceAll(secret, ".", "/"), "", "", http.Header{})
			for _, scheme := range []string{"Bearer ", "Basic ", "DPoP ", ""} {
				send(http.MethodGet, path, "", "", http.Header{"Authorization": {scheme + secret}})
				send(http.MethodPost, path, "", "token=x", http.Header{"Authorization": {scheme + secret}, "Content-Type": {"application/x-www-form-urlencoded"}})
			}
		}
	}
	awaitEvents(t, s.Store, audit.Refused, 1)
	audited := strings.Join(blackbox.AuditLines(t, s.Store), "\n")
	for name, secret := range secrets {
		if strings.Contains(audited, secret) || strings.Contains(audited, url.QueryEscape(secret)) {
			t.Errorf("the audit log holds the %s", name)
		}
		// As a client_id nothing tells that it is one, unless its look does: those have a prefix.
		recognisable := strings.HasPrefix(secret, "az") || strings.HasPrefix(secret, "eyJ")
		for line := range strings.Lines(log.String()) {
			if !recognisable {
				line = withoutClientID(line)
			}
			if strings.Contains(line, secret) || strings.Contains(line, url.QueryEscape(secret)) || (len(secret) > 24 && strings.Contains(line, secret[len(secret)-20:])) {
				t.Errorf("the log holds the %s: %s", name, line)
				break
			}
		}
	}
}

// An operator finds in the log what the error page of production does not say.
func TestLogExplainsTheErrorPage(t *testing.T) {
	t.Parallel()
	log := &blackbox.Logbook{}
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}, nil)
	b := s.NewBrowser(t)
	for uri, want := range map[string]string{
		"https://evil.example/cb":                    "received https://evil.example/cb",
		"https://alice:P4ss@evil.example/cb?t=S3c#x": "received https://evil.example/cb?…",
		"com.example.evil:/cb":                       "received com.example.evil:/cb",
		"P4ss":                                       "received no absolute URI",
	} {
		page := b.Ask(t, authztest.SPA, url.Values{"redirect_uri": {uri}})
		b.Get(t, s.URL+"/logout?client_id=spa&post_logout_redirect_uri="+url.QueryEscape(uri))
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		last := lines[len(lines)-2:]
		for _, line := range last {
			if !strings.Contains(line, `"error_description":"The `) || !strings.Contains(line, `"cause":"`+want+`"`) || strings.Contains(line, "P4ss") || strings.Contains(line, "S3c") {
				t.Errorf("%s: the log says %s", uri, line)
			}
		}
		if page.Status != http.StatusBadRequest || strings.Contains(page.Body, "not registered for this client") {
			t.Errorf("%s: status %d, page %s", uri, page.Status, page.Body)
		}
	}
}

// withoutClientID leaves the client_id out of a line of the log: it is logged as it came.
func withoutClientID(line string) string {
	before, after, found := strings.Cut(line, `"client_id":"`)
	if !found {
		return line
	}
	_, after, _ = strings.Cut(after, `"`)
	return before + after
}
