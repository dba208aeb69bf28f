package interaction_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// calledAs is a browser's transport that sends a User-Agent.
type calledAs string

func (agent calledAs) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", string(agent))
	return http.DefaultTransport.RoundTrip(r)
}

const (
	chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	safariOnIPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

// A session says which browser it is in, since the last sign-in there.
func TestSessionDevice(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.NewBrowser(t)
	for _, test := range []struct {
		agent string
		want  storage.Device
	}{
		{chromeOnWindows, storage.Device{Browser: "Chrome", System: "Windows", Address: "127.0.0.1"}},
		{safariOnIPhone, storage.Device{Browser: "Safari", System: "iPhone", Address: "127.0.0.1"}},
		{"<script>alert(1)</script>", storage.Device{Address: "127.0.0.1"}},
	} {
		b.HTTP.Transport = calledAs(test.agent)
		claims := blackbox.Claims(t, b.SignIn(t, authztest.SPA, map[string][]string{"prompt": {"login"}}).IDToken)
		session, _, err := storage.Sessions.Get(t.Context(), s.Store, claims["sid"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if session.Device != test.want {
			t.Errorf("%q: %+v", test.agent, session.Device)
		}
	}
}

// "Sign out everywhere else" ends the other sessions, and not this one.
func TestSignOutOthers(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	here, there := s.NewBrowser(t), s.NewBrowser(t)
	here.Code(t, authztest.SPA, nil)
	if page := here.Get(t, s.URL+"/account"); page.Has("sign-out-others") {
		t.Error("it is offered without another session")
	}
	there.HTTP.Transport = calledAs(safariOnIPhone)
	there.Code(t, authztest.SPA, nil)
	page := here.Get(t, s.URL+"/account")
	if !strings.Contains(page.Body, "Safari on iPhone") {
		t.Errorf("the other device is not named: %s", page.Body)
	}
	if page = here.Follow(t, page.Submit(t, "sign-out-others", nil)); page.URL.Path != "/account" || page.Has("sign-out-others") || !page.Has("logout") {
		t.Errorf("afterwards: %s %s", page.URL, page.Body)
	}
	if page := there.Get(t, s.URL+"/account"); page.Has("logout") {
		t.Errorf("the other browser is still signed in: %s", page.URL)
	}
}
