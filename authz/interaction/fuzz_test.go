package interaction

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/session"
)

// With any cookies of a browser, an attempt is found for its own state alone, and the cookies that are kept
// with a new one are bounded.
func FuzzAttemptCookies(f *testing.F) {
	secret, err := keys.NewSecret([]byte("a secret of at least 32 bytes for fuzzing"))
	if err != nil {
		f.Fatal(err)
	}
	s := &Interaction{Upstream: secret.Sealer("upstream login"), Sessions: session.New(nil, session.Config{}), Issuer: oauth.Issuer{}}
	begun := attempt{Attempt: connect.Attempt{Connector: "corp", State: "state"}, Flow: flow{Carried: authorize.Carried{Params: "client_id=spa"}}, Started: time.Now()}
	keep := func(cookies string, a attempt) []*http.Cookie {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header.Set("Cookie", cookies)
		s.keepAttempt(w, r, a)
		return w.Result().Cookies()
	}
	good := keep("", begun)[0]
	for _, seed := range []string{
		good.Name + "=" + good.Value, good.Name + "=" + good.Value[1:], strings.TrimSuffix(good.Name, "0") + "1=" + good.Value,
		"authzd-upstream-=; authzd-upstream-x.0=y; authzd-upstream-x.-1=y; authzd-upstream-x.99999999999999999999=y",
		"authzd-upstream-zzzzzzzzzzzzzzzzzzzz-a.0=" + strings.Repeat("A", 7000),
	} {
		f.Add(seed, "state")
	}
	f.Fuzz(func(t *testing.T, cookies, state string) {
		r := httptest.NewRequest(http.MethodGet, "/callback/corp", nil)
		r.Header.Set("Cookie", cookies)
		found, err := s.findAttempt(r, state)
		if err == nil && (state != begun.State || found.State != state || found.Flow.Params != begun.Flow.Params) {
			t.Errorf("%q, %q: %+v", cookies, state, found)
		}
		dropped := map[string]bool{}
		size := 0
		for _, c := range keep(cookies, attempt{Attempt: connect.Attempt{State: "another"}, Started: time.Now()}) {
			if c.MaxAge < 0 {
				dropped[c.Name] = true
			} else {
				size += len(c.Name) + len(c.Value) + 3
			}
		}
		for _, c := range s.attemptCookies(r) {
			if !dropped[c.part(0)] {
				size += c.size()
			}
		}
		if size > maxAttemptCookies {
			t.Errorf("%q: %d bytes are kept", cookies, size)
		}
	})
}

// Nothing but what was sealed opens, for the browser that it was sealed for.
func FuzzOpenFlow(f *testing.F) {
	secret, err := keys.NewSecret([]byte("a secret of at least 32 bytes for fuzzing"))
	if err != nil {
		f.Fatal(err)
	}
	s := &Interaction{Flows: secret.Sealer("pending authorization"), Sessions: session.New(nil, session.Config{})}
	cookie := &http.Cookie{Name: "authzd-browser", Value: "AAAAAAAAAAAAAAAAAAAAAA"}
	request := httptest.NewRequest(http.MethodGet, "/login", nil)
	request.AddCookie(cookie)
	browser, known := s.Sessions.Browser(httptest.NewRecorder(), request)
	if !known {
		f.Fatal("the cookie is not the browser's")
	}
	sealed := s.seal(flow{Browser: browser, Carried: authorize.Carried{Params: "client_id=spa", Started: time.Now()}})
	for _, seed := range []string{sealed, sealed[:len(sealed)-1], sealed + "A", "AAAA", "", strings.ToUpper(sealed)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		if strings.ContainsAny(presented, "\r\n") {
			return // base64 ignores line ends; oauth.ParseParams has refused them before
		}
		opened, err := s.openFlow(httptest.NewRecorder(), request, presented)
		if err != nil || presented == "" {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(presented)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != presented || opened.Browser != browser || opened.Params != "client_id=spa" {
			t.Errorf("%q opened as %+v", presented, opened)
		}
	})
}
