package playground_test

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/playground"
)

// Everything that the page or a script asks for is written, and nothing of an earlier version stays.
func TestWriteCookieMode(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "app")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "old.js"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := playground.WriteCookieMode(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "old.js")); err == nil {
		t.Error("a file of an earlier version is still there")
	}
	needs := regexp.MustCompile(`(?:src|href)="/([a-z]+\.(?:js|css))"|from "\./([a-z]+\.js)"`)
	found := 0
	for _, name := range []string{"index.html", "app.js", "session.js", "view.js"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range needs.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, err := os.Stat(filepath.Join(folder, m[1]+m[2])); err != nil {
				t.Errorf("%s needs %s: %v", name, m[1]+m[2], err)
			}
		}
	}
	if found < 4 {
		t.Errorf("the app names %d files: is the pattern still right?", found)
	}
}

// writingWorker lets the worker write, which has no user.
func writingWorker(m *client.Metadata) {
	if m.ID == authztest.Worker {
		m.Scopes = []string{"orders.read", "orders.write"}
	}
}

// What cannot be undone needs a recent sign-in, and the challenge says so.
func TestOrdersAreCleared(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, writingWorker)
	h := newPlayground(t, playground.Config{Issuer: s.URL, ClientID: authztest.SPA, Resource: authztest.API})
	const path = "/playground/api/orders"
	token := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read orders.write"}}).AccessToken
	worker := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.write"}}).AccessToken

	w := get(h, "DELETE", path, "Authorization", "Bearer "+worker)
	if challenge := w.Header().Get("WWW-Authenticate"); w.Code != 401 || !strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, `max_age="60"`) {
		t.Errorf("without a sign-in: %d %s", w.Code, challenge)
	}
	get(h, "POST", path, "Authorization", "Bearer "+token)
	if w := get(h, "DELETE", path, "Authorization", "Bearer "+token); w.Code != 204 {
		t.Errorf("cleared: %d %s", w.Code, w.Body)
	}
	if w := get(h, "GET", path, "Authorization", "Bearer "+token); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("left after that: %s", w.Body)
	}
}

// A socket hears of its user's orders, and of nobody else's.
func TestOrdersSocket(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, writingWorker)
	api := httptest.NewServer(newPlayground(t, playground.Config{Issuer: s.URL, ClientID: authztest.SPA, Resource: authztest.API}))
	defer api.Close()
	token := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid orders.read orders.write"}}).AccessToken
	worker := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.write"}}).AccessToken

	if _, answer, err := websocket.Dial(t.Context(), api.URL+"/playground/api/events", nil); err == nil || answer.StatusCode != 401 {
		t.Fatalf("without a token: %v, %v", answer, err)
	}
	conn, _, err := websocket.Dial(t.Context(), api.URL+"/playground/api/events", &websocket.DialOptions{
		HTTPHeader: map[string][]string{"Authorization": {"Bearer " + token}}, Subprotocols: []string{"orders"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "orders" {
		t.Errorf("protocol %q", conn.Subprotocol())
	}
	for _, by := range []string{worker, token} {
		if w := get(api.Config.Handler, "POST", "/playground/api/orders", "Authorization", "Bearer "+by); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	_, text, err := conn.Read(t.Context())
	if err != nil || string(text) != `{"id":"1002","item":"Looking-glass"}` {
		t.Errorf("heard %s, %v", text, err)
	}
}
