package authorize_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/register"
	"github.com/authzd/authzd/authz/resource"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// leftOut are the scopes that requests of a route asked for in vain.
func (l *lines) leftOut(t *testing.T, route string) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.buf.String()) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if scopes, ok := event["scopes_left_out"].(string); ok && event["route"] == route {
			found = append(found, scopes)
		}
	}
	return found
}

// OpenID Connect Core section 3.1.2.1 and RFC 6749 section 3.3: a scope that the client is not registered
// for is left out, at each endpoint. The log names it once, and the token answer says what was granted.
func TestScopesLeftOut(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := authztest.Start(t, authz.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}, nil)
	const asked, granted, left = "openid unknown orders.read files.write email OPENID", "openid orders.read email", "unknown files.write OPENID"
	b := s.NewBrowser(t)

	code, verifier := b.Code(t, authztest.ThirdParty, url.Values{"scope": {asked}})
	if tokens := s.Token(t, authztest.ThirdParty, "", authztest.CodeForm(code, verifier)); tokens.Scope != granted || tokens.IDToken == "" {
		t.Errorf("by the browser: %d, scope %q", tokens.Status, tokens.Scope)
	}
	if got := log.leftOut(t, "authorize"); !slices.Equal(got, []string{left}) {
		t.Errorf("the log of the authorization endpoint names %q", got)
	}

	verifier, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.SPA, challenge)
	params.Set("scope", asked)
	requestURI := blackbox.RequestURI(t, s.PostForm(t, "/par", params, nil))
	answer := b.Authorize(t, url.Values{"client_id": {authztest.SPA}, "request_uri": {requestURI}})
	if tokens := s.Token(t, authztest.SPA, "", authztest.CodeForm(answer.Params.Get("code"), verifier)); tokens.Scope != granted {
		t.Errorf("pushed: %d, scope %q", tokens.Status, tokens.Scope)
	}
	if got := log.leftOut(t, "par"); !slices.Equal(got, []string{left}) {
		t.Errorf("the log of the PAR endpoint names %q", got)
	}

	d := s.NewDevice(t, url.Values{"scope": {asked}})
	blackbox.ApproveDevice(t, b, d)
	if tokens := blackbox.PollDevice(t, s, d); tokens.Scope != granted {
		t.Errorf("by a device: %d, scope %q", tokens.Status, tokens.Scope)
	}
	if got := log.leftOut(t, "device_authorization"); !slices.Equal(got, []string{left}) {
		t.Errorf("the log of the device authorization endpoint names %q", got)
	}
}

// A request that names scopes, and of which nothing is left, is refused by their names.
func TestScopesNothingLeft(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	const want = "The client is registered for none of the requested scopes: unknown, https://api.example.com/read."
	scope := url.Values{"scope": {"unknown https://api.example.com/read"}}
	if got := b.Ask(t, authztest.SPA, scope).Redirect(t); got.Get("error") != "invalid_scope" || got.Get("error_description") != want {
		t.Errorf("authorization endpoint: %v", got)
	}
	_, challenge := authztest.PKCE()
	params := authztest.AuthorizationParams(authztest.SPA, challenge)
	params["scope"] = scope["scope"]
	device := url.Values{"client_id": {authztest.TV}, "scope": scope["scope"]}
	for path, form := range map[string]url.Values{"/par": params, "/device_authorization": device} {
		response := s.PostForm(t, path, form, nil)
		if response.Status != http.StatusBadRequest || !strings.Contains(response.Body, `"invalid_scope"`) || !strings.Contains(response.Body, want) {
			t.Errorf("%s: %d %s", path, response.Status, response.Body)
		}
	}
	// Words for people are nobody's scope, and a list may be long.
	for scope, want := range map[string]string{
		"call+555-0100 unknown": "scopes: unknown and others.", "call+555-0100": "scopes: others.", strings.Repeat("a", 300) + " b": "scopes: b and others.",
	} {
		if got := b.Ask(t, authztest.SPA, url.Values{"scope": {scope}}).Redirect(t).Get("error_description"); !strings.HasSuffix(got, want) {
			t.Errorf("%.30s: %q", scope, got)
		}
	}
	// A refresh, and a client for itself, get nothing that they ask for in vain.
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	form := authztest.RefreshForm(tokens.RefreshToken)
	form.Set("scope", "openid unknown")
	if got := s.Token(t, authztest.SPA, "", form); got.Error != "invalid_scope" {
		t.Errorf("refresh: %s", got.Error)
	}
	if got := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read unknown"}}); got.Error != "invalid_scope" {
		t.Errorf("client credentials: %s", got.Error)
	}
}

// In development the pages say what was left out, and what would let it in.
func TestScopesLeftOutInDevelopment(t *testing.T) {
	t.Parallel()
	for _, dev := range []bool{true, false} {
		s := authztest.Start(t, authz.Config{Dev: dev}, func(m *client.Metadata) {
			if m.ID == authztest.ThirdParty {
				m.Scopes = []string{"openid", "orders.read"}
			}
		})
		b := s.NewBrowser(t)
		login := b.Get(t, b.Ask(t, authztest.ThirdParty, url.Values{"scope": {"openid order.read groups"}}).Header.Get("Location"))
		if login.Has("received") != dev || !login.Has("login-submit") {
			t.Errorf("dev %v: the sign-in page: %s", dev, login.Body)
		}
		if dev && (login.Text("received") != "order.read groups" || login.Has("fix")) { // nobody knows order.read: it may be a mistake
			t.Errorf("%q %q", login.Text("received"), login.Text("fix"))
		}
		login = b.Get(t, b.Ask(t, authztest.ThirdParty, url.Values{"scope": {"openid groups"}}).Header.Get("Location"))
		if dev && login.Text("fix") != `clients: - client_id: "partner" scope: "openid orders.read groups"` {
			t.Errorf("%q", login.Text("fix"))
		}
	}
}

// scopes_supported is what a client that comes now can get.
func TestScopesSupported(t *testing.T) {
	t.Parallel()
	open := blackbox.OpenRegistration()
	open.Registration.Scopes = []string{"openid", "orders.read", "authzd:admin"}
	documented := open
	documented.Registration.Mode, documented.Documents = register.Off, true
	off := blackbox.OpenRegistration()
	off.Registration.Mode = register.Off
	for name, row := range map[string]struct {
		c    authz.Config
		want string
	}{"open": {open, "[openid orders.read]"}, "documents": {documented, "[openid orders.read]"}, "off": {off, "[openid profile email address phone offline_access groups orders.read orders.write]"}} {
		row.c.Resources = []resource.Resource{{URI: authztest.API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write", "authzd:admin"}}}
		if got := fmt.Sprint(blackbox.Discovery(t, authztest.Start(t, row.c, nil))["scopes_supported"]); got != row.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
