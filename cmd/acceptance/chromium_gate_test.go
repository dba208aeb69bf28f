package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gated are two sites that know nothing of signing in, behind nginx as docs/gates.md has it. For a browser, they, the gate
// and the issuer are four sites.
type gated struct {
	issuer      *server
	gate        string
	site, other string
}

// gatedPage is what a site shows: who the proxy says is there.
func gatedPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "<title>A site</title><p id=user>%s</p><p id=place>%s</p>", r.Header.Get("X-Auth-User"), r.RequestURI)
}

func startGated(t *testing.T) *gated {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(http.HandlerFunc(gatedPage))
	t.Cleanup(backend.Close)
	addr, dir := freeAddr(), shortDir(t)
	_, port, _ := strings.Cut(freeAddr(), ":")
	g := &gated{gate: "http://" + addr, site: "http://127.0.0.2:" + port, other: "http://127.0.0.3:" + port}
	g.issuer = startDev(t, fmt.Sprintf(`clients:
  - client_id: gate
    client_name: The company's sites
    preset: web
    token_endpoint_auth_method: private_key_jwt
    jwks_uri: %[1]s/bff/jwks.json
    redirect_uris: [%[1]s/bff/callback]
    post_logout_redirect_uris: [%[1]s/]
    scope: openid profile
    first_party: true
`, g.gate))
	text := fmt.Sprintf(`issuer: %[1]s
client_id: gate
listen: %[2]s
key_file: client.key
secret_file: secret
storage: {bolt: {path: bff.db}}
log: {format: text}
gate:
  url: http://%[2]s
  trusted_proxies: [127.0.0.1/32]
  hosts:
    - {url: %[3]s, rules: [{path: /readyz, exact: true, allow: anonymous}, {path: /admin, roles: [nobody]}, {path: /, allow: signed_in}]}
    - {url: %[4]s, rules: [{path: /, allow: signed_in}]}
  headers: {X-Auth-User: sub, X-Auth-Roles: roles, X-Auth-Token: assertion}
`, g.issuer.issuer, addr, g.site, g.other)
	file, log := filepath.Join(dir, "bff.yaml"), filepath.Join(dir, "bff.log")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bff, err := startProcess(exec.Command(path, "bff", "--config", file), log, g.gate+"/readyz")
	if err != nil {
		output, _ := os.ReadFile(log)
		t.Fatalf("start: %v\n%s", err, output)
	}
	t.Cleanup(func() {
		_ = bff.kill()
		if output, _ := os.ReadFile(log); t.Failed() {
			t.Logf("log of the gate:\n%s", output)
		}
	})
	startNginx(t, fmt.Sprintf(nginxConf, gateRecipe(t, g, addr, backend.Listener.Addr().String())), g.site)
	return g
}

// gateRecipe is nginx's of docs/gates.md, for two sites on plain http.
func gateRecipe(t *testing.T, g *gated, gate, backend string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/gates.md has no recipe for nginx")
	}
	recipe := regexp.MustCompile(`(?m)^ *ssl_certificate.*\n`).ReplaceAllString(string(block[1]), "")
	listen := fmt.Sprintf("listen %s;\n    listen %s;", strings.TrimPrefix(g.site, "http://"), strings.TrimPrefix(g.other, "http://"))
	return strings.NewReplacer("listen 443 ssl;", listen, "server_name app.example.com", "server_name 127.0.0.2 127.0.0.3", "__Host-Http-gate", "gate",
		"127.0.0.1:9020", gate, "127.0.0.1:8080", backend).Replace(recipe)
}

// TestGateInBrowser: a person opens a page of a site, signs in at another site, is back at that page, and at a second site
// without signing in again; and is out everywhere after signing out.
func TestGateInBrowser(t *testing.T) {
	t.Parallel()
	needTool(t, "chromium")
	g := startGated(t)
	b := openChromium(t)
	b.console.expect("403 /admin", "403 /ADMIN", "401 /api")
	b.console.tolerate("404 /favicon.ico")
	at := func(b *tab, url string) {
		t.Helper()
		b.until(fmt.Sprintf("location.href === %q && document.getElementById('user')?.textContent !== ''", url))
	}
	b.open(g.site + "/users/7?tab=2")
	b.password(password)
	at(b, g.site+"/users/7?tab=2")
	visits := func() int { return len(regexp.MustCompile(authorizations).FindAllString(g.issuer.log(t), -1)) }
	before := visits()
	if before != 2 { // there, and back from the sign-in page
		t.Errorf("the browser was at the issuer's authorization endpoint %d times", before)
	}
	b.open(g.other + "/x")
	at(b, g.other+"/x")
	if n := visits(); n != before {
		t.Errorf("the second site led to the issuer: %d visits", n-before)
	}
	status := func(path string) int {
		t.Helper()
		eval[any](b, fmt.Sprintf("window.got = 0; fetch(%q, {redirect: 'manual'}).then(r => window.got = r.status); null", path))
		b.until("window.got !== 0")
		return eval[int](b, "window.got")
	}
	b.open(g.site + "/users/8")
	at(b, g.site+"/users/8")
	for path, want := range map[string]int{"/api": 200, "/admin": 403, "/ADMIN": 403} {
		if got := status(path); got != want {
			t.Errorf("a script asks for %s: %d, want %d", path, got, want)
		}
	}

	out := b.newTab()
	out.open(g.gate + "/bff/logout")
	out.click("logout-confirm")
	out.until(fmt.Sprintf("location.href === %q && document.body.textContent.includes('You’re signed out')", g.gate+"/"))
	if got := status("/api"); got != 401 {
		t.Errorf("a script after signing out: %d", got)
	}
	b.open(g.site + "/users/9")
	b.until(fmt.Sprintf("location.origin === %q && document.getElementById('password') !== null", g.issuer.issuer))
}
