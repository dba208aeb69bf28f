package templates

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func TestRenderWritesNothingOnError(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range map[string]Page{
		"a problem without a text":  SignIn{Problem: "made up"},
		"a form post to a script":   FormPost{Action: "javascript:alert(1)"},
		"a form post in disguise":   FormPost{Action: " java\nscript:alert(1)"},
		"a form post to ourselves":  FormPost{Action: "/callback"},
		"a form post of a document": FormPost{Action: "data:text/html,<script>alert(1)</script>"},
	} {
		w := httptest.NewRecorder()
		if err := r.Render(w, httptest.NewRequest("GET", "/", nil), 200, page); err == nil {
			t.Errorf("%s: no error", name)
		}
		if w.Body.Len() != 0 || len(w.Header()) != 0 {
			t.Errorf("%s: wrote %q, %v", name, w.Body, w.Header())
		}
	}
}

func TestRenderHeaders(t *testing.T) {
	r := newRenderer(t, Branding{})
	const plain = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	withLogo := strings.Replace(plain, "img-src 'self'", "img-src 'self' https://cdn.example.com", 1)
	const ownScripts = "; script-src 'self'"
	policies := map[string]string{
		"sign in": withLogo, "sign in, failed": withLogo, "sign in again": withLogo, "sign in, step up": withLogo,
		"consent": withLogo, "consent, details": withLogo, "consent, payment": withLogo, "consent, declared payment": withLogo,
		"select account": withLogo, "select account, several": withLogo, "logout": withLogo, "logout, explained": withLogo, "logged out": withLogo, "error": withLogo,
		"device": withLogo, "device, allowed": withLogo, "device, denied": withLogo,
		"sign up": withLogo, "check mail": withLogo, "forgot password": withLogo, "set password": withLogo, "link expired": withLogo, "otp": withLogo, "otp wrong": withLogo, "otp locked": withLogo, "recovery code": withLogo, "recovery code wrong": withLogo, "another way": withLogo,
		"enrol totp": withLogo, "enrol totp wrong": withLogo,
		"form post": withLogo + "; script-src 'sha256-" + hash(submitScript) + "'",
		"logged out, frames": withLogo + "; frame-src https://app.example.com https://shop.example.org http://localhost:4200" +
			"; script-src 'sha256-" + hash(returnScript) + "'",
		"sign in, passkey": withLogo + ownScripts, "sign in again, passkey": withLogo + ownScripts,
		"passkey offer": withLogo + ownScripts, "passkey demanded": withLogo + ownScripts, "passkey as a factor": withLogo + ownScripts, "passkeys": plain + ownScripts, "passkeys, none": plain + ownScripts, "passkeys, full": plain + ownScripts,
	}
	for name, page := range everyPage() {
		w := httptest.NewRecorder()
		if err := r.Render(w, httptest.NewRequest("GET", "/", nil), 418, page); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Content-Language":        "en",
			"Cache-Control":           "no-store",
			"Referrer-Policy":         "same-origin",
			"X-Content-Type-Options":  "nosniff",
			"Content-Security-Policy": plain,
			"X-Frame-Options":         "",
		}
		if policy, ok := policies[name]; ok {
			want["Content-Security-Policy"] = policy
		}
		for key, value := range want {
			if got := w.Header().Get(key); got != value {
				t.Errorf("%s: %s: %q, want %q", name, key, got, value)
			}
		}
		if w.Code != 418 {
			t.Errorf("%s: status %d", name, w.Code)
		}
	}
}

// hash is a script as a policy names it.
func hash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// mayRun tells which of everyPage have a script.
func mayRun(name string) bool {
	return slices.Contains([]string{
		"form post", "logged out, frames",
		"sign in, passkey", "sign in again, passkey", "passkey offer", "passkey demanded", "passkey as a factor", "passkeys", "passkeys, none", "passkeys, full",
	}, name)
}

// TestPolicyHolds: nothing on a page needs more than its policy allows.
func TestPolicyHolds(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		d := draw(t, r, "en", page)
		for _, n := range d.all() {
			inert(t, name, n)
			switch {
			case n.Data == "img" && foreignOrigin(attr(n, "src")) != "" && !strings.Contains(d.policy, foreignOrigin(attr(n, "src"))):
				t.Errorf("%s: the policy %q forbids the image %s", name, d.policy, attr(n, "src"))
			case n.Data == "script" && attr(n, "src") != "":
				if !strings.HasPrefix(attr(n, "src"), "/assets/") || !strings.HasSuffix(d.policy, "; script-src 'self'") || n.FirstChild != nil {
					t.Errorf("%s: the policy %q, and the script %s", name, d.policy, attr(n, "src"))
				}
			case n.Data == "script":
				if sum := hash(n.FirstChild.Data); !strings.Contains(d.policy, sum) {
					t.Errorf("%s: the policy %q forbids the script, %s", name, d.policy, sum)
				}
			}
		}
		if got, want := len(d.all("script")), map[bool]int{true: 1}[mayRun(name)]; got != want {
			t.Errorf("%s: %d scripts, want %d", name, got, want)
		}
	}
}

// inert fails for an element that has a style or a handler inline, or a script for a target.
func inert(t *testing.T, page string, n *html.Node) {
	t.Helper()
	if slices.Contains([]string{"style", "object", "embed", "base", "xss"}, n.Data) || n.Data == "svg" && !ours(n) && !isQR(n) {
		t.Errorf("%s: a %s element", page, n.Data)
	}
	if n.Data == "iframe" && (!strings.HasPrefix(page, "logged out, frames") || foreignOrigin(attr(n, "src")) == "" ||
		attr(n, "sandbox") != "allow-scripts allow-same-origin allow-forms") {
		t.Errorf("%s: a frame of %q, sandbox %q", page, attr(n, "src"), attr(n, "sandbox"))
	}
	for _, a := range n.Attr {
		switch {
		case a.Key == "style", strings.HasPrefix(a.Key, "on"), strings.Contains(a.Key, "xss"):
			t.Errorf("%s: %s has the attribute %s=%q", page, n.Data, a.Key, a.Val)
		case slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) && runsScript(a.Val):
			t.Errorf("%s: %s leads to %q", page, n.Data, a.Val)
		}
	}
}

// ours reports whether a drawing is one of icons, to the letter.
func ours(n *html.Node) bool {
	var drawn strings.Builder
	if err := html.Render(&drawn, n); err != nil {
		return false
	}
	for name := range icons {
		var want strings.Builder
		source, _ := icon(name)
		parsed, err := html.ParseFragment(strings.NewReader(string(source)), &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div})
		if err == nil && len(parsed) == 1 && html.Render(&want, parsed[0]) == nil && want.String() == drawn.String() {
			return true
		}
	}
	return false
}

// runsScript reads the scheme of a URL as browsers do: without blanks and control characters.
func runsScript(url string) bool {
	url = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, url)
	for _, scheme := range []string{"javascript:", "vbscript:", "data:", "blob:"} {
		if strings.HasPrefix(url, scheme) {
			return true
		}
	}
	return false
}

// attacks are values that a client, an upstream or a user might choose.
var attacks = []string{
	`<xss onload=alert(1)>`,
	`"><xss onfocus=alert(1) autofocus>`,
	`' onmouseover='alert(1)' xss='`,
	"` onmouseover=`alert(1)`",
	`</title><xss>`,
	`</script><xss><script>alert(1)</script>`,
	`<!--><xss>`,
	`javascript:alert(1)//xss`,
	"java\tscript:alert(1)",
	" \x01javascript:alert(1)",
	`data:text/html,<xss>`,
	`https://evil.example/"onload="xss`,
	`https://evil.example;script-src *`,
	`https://evil.example,x/logo.png`,
	`https://user@evil.example/`,
	`com.evil.app:"><xss>`,
	`{{.Script}}{client}{host}`,
	`&lt;xss&gt;&#x3c;xss&#x3e;`,
	"\u202egnp.\u202d<xss>\x00\xff",
}

// TestAttacks puts every attack into every text field of every page.
func TestAttacks(t *testing.T) {
	r := newRenderer(t, Branding{Name: attacks[0]})
	for name, page := range everyPage() {
		for _, attack := range attacks {
			poisoned := reflect.New(reflect.TypeOf(page)).Elem()
			poisoned.Set(poison(reflect.ValueOf(page), attack))
			attacked(t, r, name, poisoned.Interface().(Page), attack)
		}
	}
}

func attacked(t *testing.T, r *Renderer, name string, page Page, attack string) {
	w := httptest.NewRecorder()
	if err := r.Render(w, httptest.NewRequest("GET", "/", nil), 400, page); err != nil {
		if w.Body.Len() != 0 {
			t.Errorf("%s: failed half way: %v", name, err)
		}
		_, refused := page.(FormPost)
		if e, ok := page.(Error); ok {
			refused = e.Answer != nil
		}
		if !refused {
			t.Errorf("%s: %q: %v", name, attack, err)
		}
		return
	}
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	d := document{t, root, w.Body.String(), w.Header().Get("Content-Security-Policy")}
	for _, n := range d.all() {
		inert(t, name+" "+attack, n)
	}
	for _, directive := range strings.Split(d.policy, ";") {
		if fields := strings.Fields(directive); fields[0] == "script-src" && (!mayRun(name) || len(fields) != 2) ||
			strings.Contains(directive, ",") || strings.Contains(directive, "*") {
			t.Errorf("%s: %q got into the policy: %s", name, attack, d.policy)
		}
	}
	if len(d.all("script")) > 1 {
		t.Errorf("%s: %q brought a script", name, attack)
	}
}

// poison copies v with every string that it holds, map keys among them, replaced. Problems and
// reasons stay: they are names of ours.
func poison(v reflect.Value, attack string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			out.SetString(attack)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(poison(v.Field(i), attack))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(poison(v.Elem(), attack))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(poison(v.Index(i), attack))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for _, key := range v.MapKeys() {
			out.SetMapIndex(poison(key, attack), poison(v.MapIndex(key), attack))
		}
	}
	return out
}

// TestFormPost: the client gets every value unchanged.
func TestFormPost(t *testing.T) {
	r := newRenderer(t, Branding{})
	params := map[string]string{"code": "azc_1", "state": `"><&' +%00é`, "submit": "x"}
	for _, action := range []string{"https://app.example.com/cb?a=b&c=d", "com.example.app:/cb", "http://127.0.0.1:8123/cb"} {
		d := draw(t, r, "en", FormPost{Client: someClient(), Action: action, Params: params})
		element(t, d.all("form")[0], "Continue", "action", action, "method", "post")
		element(t, d.id("continue"), "Continue", "type", "submit")
		got := map[string]string{}
		for _, n := range d.all("input") {
			got[attr(n, "name")] = attr(n, "value")
		}
		if !reflect.DeepEqual(got, params) {
			t.Errorf("%s: the form carries %q, want %q", action, got, params)
		}
	}
}

// TestRenderConcurrently is for the race detector.
func TestRenderConcurrently(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		for _, lang := range languages {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				draw(t, r, lang, page)
			})
		}
	}
}

func BenchmarkRender(b *testing.B) {
	r := newRenderer(b, Branding{})
	page := everyPage()["sign in"]
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("Accept-Language", "de-AT,de;q=0.9,en;q=0.8")
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Render(httptest.NewRecorder(), req, 200, page); err != nil {
			b.Fatal(err)
		}
	}
}
