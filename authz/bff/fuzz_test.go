package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// FuzzCallback: no query and no transaction of a stranger's making ends in a session.
func FuzzCallback(f *testing.F) {
	s := start(f, options{})
	b := s.browser(f)
	callback, _ := url.ParseQuery(strings.TrimPrefix(b.consent(b.begin("/a", "")), "/bff/callback?"))
	state := callback.Get("state")
	var cookie string
	for name, c := range b.cookies {
		cookie = name + "=" + c.Value
	}
	f.Add(callback.Encode(), cookie+"x")
	f.Add("state="+state, cookie)
	f.Add("state="+state+"&code=x&iss="+url.QueryEscape(s.issuer.URL), cookie)
	f.Add("state=%00&state=x", "")
	f.Add("state="+state[:30], cookie[:len(cookie)-5])
	f.Add("error=access_denied&state="+state, cookie)
	f.Fuzz(func(t *testing.T, query, cookies string) {
		if params, err := url.ParseQuery(query); err == nil && params.Get("code") == callback.Get("code") && cookies == cookie {
			return // the answer itself
		}
		r, err := http.NewRequest(http.MethodGet, s.url+"/bff/callback", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery, r.RequestURI = query, "/bff/callback?"+query
		r.Header.Set("Cookie", cookies)
		w := &sink{header: http.Header{}}
		s.BFF.ServeHTTP(w, r)
		if w.status >= 500 && w.status != http.StatusServiceUnavailable && w.status != http.StatusBadGateway {
			t.Errorf("%q, %q: %d", query, cookies, w.status)
		}
		if n := blackbox.Count(t, s.store, storage.BFFSessions.Table); n > 0 {
			t.Errorf("%q, %q: %d sessions", query, cookies, n)
		}
	})
}

// sink is an answer of which only the status counts.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
