package websession_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/authzd/authzd/authz/bff/websession"
)

// FuzzCookies: no Cookie header makes it panic, or is somebody's session.
func FuzzCookies(f *testing.F) {
	p := &tokenEndpoint{}
	s := websession.New(testConfig(f, p, testStore(f)))
	_, r := start(f, s, p.signIn("alice"))
	own := r.Header.Get("Cookie")
	f.Add(own + "x")
	f.Add("\u2000" + own)
	f.Add("$Version=1; " + own[2:])
	f.Add(own[:len(own)-1])
	f.Add(s.CookieName() + "=")
	f.Add("=" + own)
	f.Add(";;;=,\"")
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		session, err := s.Find(r)
		if err == nil {
			for _, c := range r.CookiesNamed(s.CookieName()) {
				if websession.Hash(c.Value) == session.ID {
					return // the header has the very value
				}
			}
			t.Errorf("%q is the session of %s", header, session.Subject)
		}
		if err != nil && !errors.Is(err, websession.ErrNone) && !errors.Is(err, websession.ErrCookies) {
			t.Errorf("%q: %v", header, err)
		}
	})
}
