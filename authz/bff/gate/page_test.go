package gate_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Pages need no script, load nothing, and have a style that their policy allows.
func TestPages(t *testing.T) {
	f := newFixture(t)
	cookie, _ := f.signIn(t, bob(), "app.example.com")
	for what, res := range map[string]*http.Response{
		"refused": f.ask(contracts["caddy"]("GET", appURL+"/admin", browser()), cookie),
		"sign in": f.ask(contracts["caddy"]("GET", appURL+"/users", browser())),
		"stale":   f.visit(jar{}, appURL+"/gate/enter?code=x&tx=y"),
		"out":     f.visit(jar{}, gateURL+"/"),
	} {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindSubmatch(body)
		if style == nil {
			t.Fatalf("%s: %s", what, body)
		}
		sum := sha256.Sum256(style[1])
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(res.Header.Get("Content-Security-Policy"), want) {
			t.Errorf("%s: the policy %q does not allow %s", what, res.Header.Get("Content-Security-Policy"), want)
		}
		text := string(body)
		if strings.Contains(text, "<script") || strings.Contains(text, "http") || !strings.Contains(text, `lang="en"`) || !strings.Contains(text, "width=device-width") {
			t.Errorf("%s: %s", what, text)
		}
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", what, res.Header)
		}
	}
}
