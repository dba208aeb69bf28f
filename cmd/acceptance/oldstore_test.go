package acceptance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

const (
	oldStore  = "testdata/format-1"
	oldIssuer = "http://127.0.0.1:9018"
)

// noted is what clients and a browser hold of an old store.
type noted struct {
	Grants []struct {
		Name         string `json:"name"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		RefreshToken string `json:"refresh_token"`
		Sub          string `json:"sub"`
		Scope        string `json:"scope"`
	} `json:"grants"`
	Session struct {
		Cookies map[string]string `json:"cookies"`
	} `json:"session"`
	Registration struct {
		ClientID string `json:"client_id"`
		Token    string `json:"registration_access_token"`
	} `json:"registration"`
}

// TestOldStore opens what an older authzd has left, by each of the ways that lead to a store of today, and
// uses it: people sign in, apps refresh, the operator sees everything.
func TestOldStore(t *testing.T) {
	t.Parallel()
	t.Run("bolt", func(t *testing.T) { useOldStore(t, copyOldStore(t)) })
	t.Run("bolt, from a backup", func(t *testing.T) {
		s := copyOldStore(t)
		s.command(t, "restore", "--replace", "backup")
		useOldStore(t, s)
	})
	t.Run("PostgreSQL, moved", func(t *testing.T) {
		url := pgtest.Database(t)
		s := copyOldStore(t)
		s.command(t, "migrate", "--to", url)
		s.storeIn(t, url)
		useOldStore(t, s)
	})
	t.Run("PostgreSQL, from a backup", func(t *testing.T) {
		s := copyOldStore(t)
		s.storeIn(t, pgtest.Database(t))
		s.command(t, "restore", "backup")
		useOldStore(t, s)
	})
}

// copyOldStore returns a server on a copy, which is not started yet.
func copyOldStore(t *testing.T) *server {
	t.Helper()
	s := &server{dir: shortDir(t), addr: freeAddr()}
	s.issuer = "http://" + s.addr
	for _, name := range []string{"authzd.yaml", "authzd.db", "secret", "backup"} {
		b, err := os.ReadFile(filepath.Join(oldStore, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "authzd.yaml" {
			b = []byte(strings.Replace(string(b), "listen: 127.0.0.1:9018", "listen: "+s.addr, 1))
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// storeIn lets the configuration name a PostgreSQL database.
func (s *server) storeIn(t *testing.T, url string) {
	t.Helper()
	b, err := os.ReadFile(s.configFile())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "storage: {bolt: {path: authzd.db}}", "storage: {postgres: {url: \""+url+"\"}}", 1)
	if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func useOldStore(t *testing.T, s *server) {
	t.Cleanup(func() { s.finish(t) })
	if err := s.start(); err != nil {
		t.Fatalf("%v\n%s", err, s.log(t))
	}
	var held noted
	b, err := os.ReadFile(filepath.Join(oldStore, "noted.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &held); err != nil {
		t.Fatal(err)
	}
	c := s.atOldIssuer()
	for _, user := range []string{"alice", "bob", "carol"} {
		b := openBrowser(s)
		b.issuer, b.username, b.client.Transport = oldIssuer, user, c.Transport
		if p, err := b.follow(oldIssuer + "/login"); err != nil || !strings.Contains(p.text(), user+"@example.com") {
			t.Errorf("%s does not get in: %v", user, err)
		}
	}
	b2 := openBrowser(s)
	b2.issuer, b2.client.Transport = oldIssuer, c.Transport
	b2.setCookies(held.Session.Cookies)
	if p, err := b2.follow(oldIssuer + "/account"); err != nil || b2.logins > 0 || !strings.Contains(p.text(), "Alice Liddell") {
		t.Errorf("the session of alice's browser has ended: %v", err)
	}
	for _, g := range held.Grants {
		for range 2 { // the second time with what the first one gave
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}}
			if g.ClientSecret == "" {
				form.Set("client_id", g.ClientID)
			}
			req, err := http.NewRequest(http.MethodPost, oldIssuer+"/token", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if g.ClientSecret != "" {
				req.SetBasicAuth(g.ClientID, g.ClientSecret)
			}
			var tokens struct {
				IDToken      string `json:"id_token"`
				RefreshToken string `json:"refresh_token"`
				Scope        string `json:"scope"`
			}
			if status := askJSON(t, c, req, &tokens); status != http.StatusOK || tokens.Scope != g.Scope || subjectOf(tokens.IDToken) != g.Sub {
				t.Errorf("refresh, %s: status %d, scope %q, sub %q", g.Name, status, tokens.Scope, subjectOf(tokens.IDToken))
			}
			if tokens.RefreshToken != "" {
				g.RefreshToken = tokens.RefreshToken
			}
		}
	}
	req, err := http.NewRequest(http.MethodGet, oldIssuer+"/register/"+held.Registration.ClientID, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+held.Registration.Token)
	var registered struct {
		Name string `json:"client_name"`
	}
	if status := askJSON(t, c, req, &registered); status != http.StatusOK || registered.Name != "Registered App" {
		t.Errorf("what registered itself: status %d, %+v", status, registered)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"user", "show", "erin"}, "erin@example.com"},
		{[]string{"user", "identity", "list", "erin"}, "corp"},
		{[]string{"user", "identity", "list", "alice"}, "alice@example.com"},
		{[]string{"client", "show", "managed"}, "https://managed.example.com/callback"},
		{[]string{"session", "list"}, "corp"},
		{[]string{"grant", "list", "--client", "managed"}, "managed"},
		{[]string{"audit", "verify"}, ""},
		{[]string{"backup", "again"}, "records"},
		{[]string{"backup", "verify", "again"}, "whole"},
	} {
		if out := s.command(t, test.args...); !strings.Contains(out, test.want) {
			t.Errorf("authzd %v says nothing of %q:\n%s", test.args, test.want, out)
		}
	}
	now := *s
	now.issuer, now.route = oldIssuer, c.Transport
	live(t, &now, "bob")
}

// live lets a user do what no user of the old store could: change the password, set up a second factor and use it, and
// delete the account.
func live(t *testing.T, s *server, username string) {
	t.Helper()
	m := &member{Email: username, Password: password, Link: "none", Account: true}
	for range 30 {
		if m.Left {
			return
		}
		if err := m.step(s, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%s has come no further than %+v", username, m)
}

// command runs authzd with the server's configuration, in its folder, and returns what it says.
func (s *server) command(t *testing.T, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--config", s.configFile())...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("authzd %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// atOldIssuer is a client to which the issuer of the old store is this server.
func (s *server) atOldIssuer() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if "http://"+addr == oldIssuer {
			addr = s.addr
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return &http.Client{Transport: transport}
}

func askJSON(t *testing.T, c *http.Client, req *http.Request, answer any) (status int) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Errorf("%s: status %d: %v", req.URL.Path, resp.StatusCode, err)
	}
	return resp.StatusCode
}

// subjectOf returns the sub of an ID token, which came straight from the server.
func subjectOf(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return fmt.Sprintf("no token of %d parts", len(parts))
	}
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Sub string `json:"sub"`
	}
	_ = json.Unmarshal(b, &claims) // an empty sub is wrong too
	return claims.Sub
}
