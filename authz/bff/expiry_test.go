package bff_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bff"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// farTab is a browser at an app in simulated time. It keeps cookies for longer than they say.
type farTab struct {
	t       *testing.T
	mode    *bff.BFF
	p       *far
	cookies map[string]string
}

func (f *farTab) navigate(path string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://orders.example.com"+path, nil)
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	for name, value := range f.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	f.mode.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(f.cookies, c.Name)
		} else {
			f.cookies[c.Name] = c.Value
		}
	}
	return w
}

// begin begins a sign-in, and returns the path of its callback.
func (f *farTab) begin(returnTo string) string {
	f.t.Helper()
	w := f.navigate("/bff/login?return_to=" + url.QueryEscape(returnTo))
	target, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || !strings.HasPrefix(target.String(), farIssuer+"/authorize?") {
		f.t.Fatalf("login: %d %s %s", w.Code, target, w.Body)
	}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge != 600 {
			f.t.Errorf("the browser keeps %s for %d s", c.Name, c.MaxAge)
		}
	}
	f.p.nonce.Store(target.Query().Get("nonce"))
	return "/bff/callback?" + url.Values{"state": {target.Query().Get("state")}, "iss": {farIssuer}, "code": {"code"}}.Encode()
}

// TestSignInExpires: a sign-in may take ten minutes. After that its callback brings no session, whether the browser still
// has the cookie or not: without a session there is a page with a button for the same deep link, with one it goes there.
func TestSignInExpires(t *testing.T) {
	key := blackbox.NewSigningKey(t, jose.ES256)
	synctest.Test(t, func(t *testing.T) {
		p := &far{key: key}
		mode, _ := farMode(t, "off", p)
		const session = "__Host-Http-orders"
		for name, keeps := range map[string]bool{"the cookie is there": true, "the browser dropped it": false} {
			tab := &farTab{t: t, mode: mode, p: p, cookies: map[string]string{}}
			callback := tab.begin("/deep?x=1")
			time.Sleep(10 * time.Minute)
			if !keeps {
				clear(tab.cookies)
			}
			got := tab.navigate(callback)
			if got.Code != http.StatusBadRequest || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") ||
				!strings.Contains(got.Body.String(), `<a class="button" id="go-on" href="/bff/login?return_to=%2Fdeep%3Fx%3D1">Sign in</a>`) ||
				!strings.Contains(got.Body.String(), "sign_in_lost") {
				t.Errorf("%s, 10 minutes: %d %s", name, got.Code, got.Body)
			}
			if len(tab.cookies) != 0 {
				t.Errorf("%s, 10 minutes: cookies %v", name, tab.cookies)
			}

			late := tab.begin("/late")
			callback = tab.begin("/deep")
			time.Sleep(10*time.Minute - time.Second)
			if got := tab.navigate(callback); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/deep" || tab.cookies[session] == "" {
				t.Fatalf("%s, a second before: %d %s", name, got.Code, got.Body)
			}
			time.Sleep(time.Second)
			value := tab.cookies[session]
			if !keeps {
				for name := range tab.cookies {
					if strings.Contains(name, ".login-") {
						delete(tab.cookies, name)
					}
				}
			}
			if got := tab.navigate(late); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/late" || tab.cookies[session] != value {
				t.Errorf("%s, 10 minutes, with a session: %d %s %s", name, got.Code, got.Header().Get("Location"), got.Body)
			}
		}
	})
}
