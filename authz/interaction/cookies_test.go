package interaction_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// oneHost serves several issuers of one host, without a network.
type oneHost []*authztest.Server

func (h oneHost) RoundTrip(r *http.Request) (*http.Response, error) {
	r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "192.0.2.1:1234", r.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	for _, s := range h {
		if strings.HasPrefix(r.URL.String()+"/", s.URL+"/") {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Result(), nil
		}
	}
	return nil, fmt.Errorf("no issuer has %s", r.URL)
}

// Issuers of one host have their own sessions and pending sign-ins: nobody is signed out of one by
// signing in to another, or out of it.
func TestIssuersOnOneHost(t *testing.T) {
	t.Parallel()
	var host oneHost
	for _, path := range []string{"", "/one", "/two", "/two/three"} {
		host = append(host, authztest.Start(t, authz.Config{Issuer: "https://id.example.com" + path}, nil))
	}
	host[0], host[1], host[2], host[3] = host[3], host[2], host[1], host[0] // the longest path first
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browserOf := func(s *authztest.Server) *authztest.Browser {
		return &authztest.Browser{Server: s, Username: authztest.Username, Password: authztest.Password, HTTP: &http.Client{
			Jar: jar, Transport: host, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
	}
	pending := map[*authztest.Server]*authztest.Page{}
	for _, s := range host {
		pending[s] = browserOf(s).Get(t, browserOf(s).Ask(t, authztest.SPA, nil).Header.Get("Location"))
	}
	for _, s := range host {
		b := browserOf(s)
		on := b.Do(t, pending[s].Submit(t, "login-submit", url.Values{"username": {b.Username}, "password": {b.Password}}))
		if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
			t.Errorf("%s: the sign-in that was pending: %v", s.URL, got)
		}
	}
	for _, s := range host {
		if got := browserOf(s).Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("code") == "" {
			t.Errorf("%s: signed out by its neighbours: %v", s.URL, got)
		}
	}
	names := map[string]bool{}
	for _, c := range jar.Cookies(&url.URL{Scheme: "https", Host: "id.example.com", Path: "/"}) {
		names[c.Name] = true
	}
	if len(names) != 4*len(host) /* the session, the browser, the device, the last account */ || !names["__Host-authzd"] {
		t.Errorf("cookies %v", names)
	}

	b := browserOf(host[0])
	out := b.Get(t, host[0].URL+"/logout")
	b.Do(t, out.Submit(t, "logout-confirm", nil))
	for i, s := range host {
		got := browserOf(s).Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t)
		if signedOut := got.Get("error") == "login_required"; signedOut != (i == 0) {
			t.Errorf("%s after a logout at %s: %v", s.URL, host[0].URL, got)
		}
	}
}

// headers measures what a browser sends.
type headers struct {
	line, header, all int // the longest request line and header, and the most of all headers, in bytes
}

func (h *headers) RoundTrip(r *http.Request) (*http.Response, error) {
	line := len(r.Method) + len(r.URL.RequestURI()) + len("  HTTP/1.1\r\n")
	all := line
	for name, values := range r.Header {
		for _, value := range values {
			n := len(name) + len(value) + len(": \r\n")
			h.header, all = max(h.header, n), all+n
		}
	}
	h.line, h.all = max(h.line, line), max(h.all, all)
	return http.DefaultTransport.RoundTrip(r)
}

// nginx gives the request line and each header 8 KiB, and has four such buffers
// (large_client_header_buffers).
const proxyBuffer = 8 << 10

// Tabs that sign in at an upstream with a state of 3,000 characters stay within what proxies take, and the
// one that came last works. Of small requests five tabs and more do.
func TestUpstreamCookiesFitProxies(t *testing.T) {
	t.Parallel()
	f := blackbox.Federate(t, true)
	f.SignInUpstream(t, f.NewBrowser(t)) // is linked from then on
	for name, c := range map[string]struct{ state, tabs, work int }{
		"long states":  {3000, 5, 1},
		"small states": {40, 6, 6},
		"many tabs":    {40, 40, 6},
	} {
		t.Run(name, func(t *testing.T) {
			b, measured := f.NewBrowser(t), new(headers)
			b.HTTP.Transport = measured
			var left, states []string
			for i := range c.tabs {
				states = append(states, fmt.Sprint(i)+blackbox.Noise(c.state))
				asked := b.Ask(t, authztest.SPA, url.Values{"state": {states[i]}})
				left = append(left, f.LeaveFrom(t, b, asked))
			}
			for i := c.tabs - c.work; i < c.tabs; i++ {
				back := b.Get(t, f.Arrive(t, left[i], false))
				if got := b.Get(t, back.Header.Get("Location")).Redirect(t); got.Get("code") == "" || got.Get("state") != states[i] {
					t.Errorf("tab %d: %.300v", i, got)
				}
			}
			if measured.line > proxyBuffer || measured.header > proxyBuffer || measured.all > 4*proxyBuffer {
				t.Errorf("request line of %d bytes, header of %d, %d in all", measured.line, measured.header, measured.all)
			}
			t.Logf("request line of %d bytes, header of %d, %d in all", measured.line, measured.header, measured.all)
		})
	}
	// The tab that was pushed out is told so.
	b := f.NewBrowser(t)
	first := f.Arrive(t, f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, url.Values{"state": {blackbox.Noise(3000)}})), false)
	f.LeaveFrom(t, b, b.Ask(t, authztest.SPA, url.Values{"state": {blackbox.Noise(3000)}}))
	if page := b.Get(t, first); page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "sign_in_expired") {
		t.Errorf("the oldest: %d %.300s", page.Status, page.Body)
	}
}
