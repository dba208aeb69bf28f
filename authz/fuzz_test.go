package authz

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/authorize"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/session"
)

// Nothing but what was sealed opens, for the browser that it was sealed for.
func FuzzOpenFlow(f *testing.F) {
	secret, err := keys.NewSecret([]byte("a secret of at least 32 bytes for fuzzing"))
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{flows: secret.Sealer(purposeFlow), sessions: session.New(nil, session.Config{})}
	cookie := &http.Cookie{Name: "authzd-browser", Value: "AAAAAAAAAAAAAAAAAAAAAA"}
	request := httptest.NewRequest(http.MethodGet, "/login", nil)
	request.AddCookie(cookie)
	browser, known := s.sessions.Browser(httptest.NewRecorder(), request)
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
