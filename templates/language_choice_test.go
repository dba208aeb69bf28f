package templates

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestLanguageAtTheFoot: each page that can be shown again offers the other languages, without a script, and keeps its
// query.
func TestLanguageAtTheFoot(t *testing.T) {
	r := newRenderer(t, Branding{})
	get := httptest.NewRequest("GET", "/login?flow=a%26b&x=1&x=2&show=yes&_lang=fr", nil)
	d := answer(t, r, get, http.StatusOK, Home{})
	if list := d.id("language"); attr(list, "name") != languageParam || attr(list, "aria-label") != "Language" {
		t.Errorf("the list: %v", list.Attr)
	}
	var fields []string
	for _, n := range d.all("input") {
		if attr(n, "type") == "hidden" {
			fields = append(fields, attr(n, "name")+"="+attr(n, "value"))
		}
	}
	if want := []string{"flow=a&b", "x=1", "x=2"}; !slices.Equal(fields, want) {
		t.Errorf("fields %q, want %q", fields, want)
	}
	var offered []string
	for _, n := range d.all("option") {
		offered = append(offered, attr(n, "value"))
		if attr(n, "lang") != attr(n, "value") || text(n) == "" || text(n) != names[attr(n, "value")] || has(n, "selected") != (attr(n, "value") == "en") {
			t.Errorf("%s is called %q", attr(n, "value"), text(n))
		}
	}
	if !slices.Equal(offered, languages) {
		t.Errorf("offered: %q", offered)
	}
	for _, f := range d.all("form") {
		if attr(f, "method") == "get" && attr(f, "action") != "" {
			t.Error("the form leads to another page")
		}
	}
}

// TestNoLanguageAtTheFoot: a page that can't be shown again offers none; what was typed or shown once would be lost.
func TestNoLanguageAtTheFoot(t *testing.T) {
	some, err := New(someIssuer, Branding{Languages: []string{"de"}})
	if err != nil {
		t.Fatal(err)
	}
	all := newRenderer(t, Branding{})
	post := func(form string) *http.Request {
		r := httptest.NewRequest("POST", "/login/factor", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, c := range map[string]struct {
		r      *Renderer
		req    *http.Request
		status int
		page   Page
	}{
		"one language":    {some, httptest.NewRequest("GET", "/", nil), 200, Home{}},
		"the answer":      {all, post("flow=f"), 200, RecoveryCodes{}},
		"a refusal":       {all, httptest.NewRequest("GET", "/logout?id_token_hint=eyJ.eyJ.sig", nil), 400, Error{Code: "invalid_request"}},
		"a form to leave": {all, httptest.NewRequest("GET", "/", nil), 200, FormPost{Action: "https://app.example.com/"}},
		"a long query":    {all, httptest.NewRequest("GET", "/?x="+strings.Repeat("x", maxQuery), nil), 200, Home{}},
	} {
		if d := answer(t, c.r, c.req, c.status, c.page); d.has("language") {
			t.Errorf("%s: a choice of languages", name)
		}
	}
	d := answer(t, all, post("flow=f&password=secret&setup=s"), http.StatusUnprocessableEntity, SignIn{Password: true, Action: "/login"})
	if !d.has("language") || !strings.Contains(d.source, `name="flow" value="f"`) || strings.Contains(d.source, "secret") || strings.Contains(d.source, `"setup"`) {
		t.Errorf("a form that failed leads elsewhere than to its page: %s", d.source)
	}
}

// TestChosenLanguageWins: the person's choice, then what the app wants, then what the browser wants.
func TestChosenLanguageWins(t *testing.T) {
	r, err := New(someIssuer, Branding{Languages: []string{"nl", "de", "fr", "pl"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cookie, ui, accept, want string }{
		{"pl", "de", "fr", "pl"}, {"", "de", "fr", "de"}, {"", "", "fr", "fr"}, {"", "", "", "nl"}, {"", "en ja", "en", "nl"},
		{"en", "de", "fr", "de"}, {"xx", "de", "fr", "de"}, {"../pl", "", "fr", "fr"},
	} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			req.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
		}
		if got := r.Language(req, c.ui); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if !slices.Equal(r.Languages(), []string{"nl", "de", "fr", "pl"}) {
		t.Errorf("%q", r.Languages())
	}
	letters, err := NewLetters("id.example.com", Branding{Languages: []string{"nl", "de"}})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := letters.Write("en", "fr", Letter{Message: "test"}); err != nil || l.Language != "nl" {
		t.Errorf("a letter: %v, %v", l, err)
	}
	for _, wrong := range []string{"xx", "de-CH", "EN", ""} {
		if _, err := New(someIssuer, Branding{Languages: []string{"de", wrong}}); err == nil {
			t.Errorf("%q is a language", wrong)
		}
	}
}

func TestChooseKeepsTheLanguage(t *testing.T) {
	r, err := New("https://id.example.com/auth", Branding{})
	if err != nil {
		t.Fatal(err)
	}
	choose := func(method, target, from string) (*http.Response, bool) {
		req := httptest.NewRequest(method, target, nil)
		if from != "" {
			req.Header.Set("Sec-Fetch-Site", from)
		}
		w := httptest.NewRecorder()
		done := r.Choose(w, req)
		return w.Result(), done
	}
	got, done := choose("GET", "/auth/login?flow=a%26b&_lang=fr&x=1", "same-origin")
	if want := "authzd-language=fr; Path=/auth; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax"; !done || got.Header.Get("Set-Cookie") != want {
		t.Errorf("cookie %q, want %q", got.Header.Get("Set-Cookie"), want)
	}
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "?flow=a%26b&x=1" {
		t.Errorf("%d %q", got.StatusCode, got.Header.Get("Location"))
	}
	for _, c := range []struct{ target, from string }{
		{"/auth/login?_lang=fr", "cross-site"}, {"/auth/login?_lang=fr", "same-site"},
		{"/auth/login?_lang=xx", ""}, {"/auth/login?_lang=", ""}, {"/auth/login?_lang=de%0d%0aSet-Cookie:x", ""},
	} {
		if got, done := choose("GET", c.target, c.from); !done || len(got.Cookies()) != 0 || got.Header.Get("Location") != "?" {
			t.Errorf("%v: %v %q", c, got.Cookies(), got.Header.Get("Location"))
		}
	}
	for _, c := range [][2]string{{"POST", "/auth/login?_lang=fr"}, {"HEAD", "/auth/login?_lang=fr"}, {"GET", "/auth/login?flow=x"}} {
		if got, done := choose(c[0], c[1], ""); done || len(got.Header) != 0 {
			t.Errorf("%s %s: answered with %v", c[0], c[1], got.Header)
		}
	}
}

// FuzzChoose: no query leads the redirect away from the page.
func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"_lang=de", "_lang=de&x=//evil.example", "_lang=%0d%0aX:y&a=%0a", "_lang=de;x&%zz=1", "_lang=fr&_lang=de"} {
		f.Add(seed)
	}
	r, err := New(someIssuer, Branding{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		req := &http.Request{Method: "GET", URL: &url.URL{Path: "/login", RawQuery: query}, Header: http.Header{}}
		w := httptest.NewRecorder()
		if !r.Choose(w, req) {
			return
		}
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || !strings.HasPrefix(w.Header().Get("Location"), "?") || to.Host != "" || to.Path != "" || strings.ContainsAny(w.Header().Get("Location"), "\r\n\\ ") || to.Query().Has(languageParam) {
			t.Errorf("%q leads to %q", query, w.Header().Get("Location"))
		}
		for _, c := range w.Result().Cookies() {
			if !slices.Contains(languages, c.Value) {
				t.Errorf("%q is kept", c.Value)
			}
		}
	})
}
