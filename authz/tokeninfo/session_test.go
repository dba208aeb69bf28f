package tokeninfo_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// session asks GET or POST /session… with an access token.
func session(t *testing.T, s *authztest.Server, method, path, token string) (status int, state map[string]any) {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, state
}

// outlive signs in with an idle limit and is active for twice as long. If the machine had no turn for the test for
// half of the limit, it tries again with a longer one.
func outlive(t *testing.T, signIn func(idle time.Duration), act func() error) {
	t.Helper()
	for idle := 2 * time.Second; ; idle *= 3 {
		began := time.Now()
		signIn(idle)
		last, longest, err := began, time.Duration(0), error(nil)
		for err == nil && time.Since(began) < 2*idle {
			err = act()
			longest, last = max(longest, time.Since(last)), time.Now()
			<-time.After(10 * time.Millisecond)
		}
		if err == nil {
			return
		}
		if longest < idle/2 || idle > time.Minute {
			t.Fatalf("idle limit %v, active every %v: after %v: %v", idle, longest, time.Since(began), err)
		}
		t.Logf("a pause of %v with an idle limit of %v: again", longest, idle)
	}
}

// With activity: refresh, a refresh keeps the session alive; without any it ends after the idle limit.
func TestIdleLimitWithRefreshActivity(t *testing.T) {
	t.Parallel()
	var s *authztest.Server
	var b *authztest.Browser
	var tokens authztest.Tokens
	outlive(t, func(idle time.Duration) {
		s = authztest.Start(t, authz.Config{Sessions: authz.Sessions{Idle: idle, Max: time.Hour, RememberMe: time.Hour}}, nil)
		b, tokens = blackbox.SignInOnline(t, s)
	}, func() error {
		next := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
		if next.Status != 200 {
			return fmt.Errorf("%+v", next)
		}
		tokens = next
		return nil
	})
	blackbox.Until(t, "the session ends", func() bool {
		return s.NewBrowser(t).Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t).Get("error") != "" &&
			blackbox.UserinfoStatus(t, s, tokens.AccessToken) == 401
	})
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
		t.Errorf("refresh after the idle limit: %+v", got)
	}
	if got := b.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}}).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("silent sign-in after the idle limit: %v", got)
	}
}

// With activity: beacon, polling does not keep the session alive, and the user does.
func TestIdleLimitWithBeacon(t *testing.T) {
	t.Parallel()
	var s *authztest.Server
	var tokens authztest.Tokens
	outlive(t, func(idle time.Duration) {
		s = authztest.Start(t, authz.Config{Sessions: authz.Sessions{Idle: idle, Max: time.Hour, RememberMe: time.Hour, Beacon: true}}, nil)
		_, tokens = blackbox.SignInOnline(t, s)
	}, func() error {
		if status, state := session(t, s, http.MethodPost, "/session/activity", tokens.AccessToken); status != 200 || state["active"] != true {
			return fmt.Errorf("beacon: %d %v", status, state)
		}
		return nil
	})
	blackbox.Until(t, "the session ends although the app polls", func() bool {
		status, state := session(t, s, http.MethodGet, "/session", tokens.AccessToken)
		next := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
		if next.Status == 200 {
			tokens = next
		}
		return next.Error == "invalid_grant" && (status == 401 || state["active"] == false)
	})
	if status, _ := session(t, s, http.MethodPost, "/session/activity", tokens.AccessToken); status != 401 {
		t.Errorf("a beacon brings the session back: %d", status)
	}
}

func TestSessionStatus(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b, tokens := blackbox.SignInOnline(t, s)
	status, state := session(t, s, http.MethodGet, "/session", tokens.AccessToken)
	for _, name := range []string{"idle_expires_at", "expires_at", "auth_time", "sid", "sub"} {
		if state[name] == nil {
			t.Errorf("%d without %s: %v", status, name, state)
		}
	}
	read := func(header http.Header) (int, string) {
		request, err := http.NewRequest(http.MethodGet, s.URL+"/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := b.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := read(http.Header{"Sec-Fetch-Site": {"same-origin"}}); status != 200 || !strings.Contains(body, `"active":true`) {
		t.Errorf("same origin: %d %s", status, body)
	}
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"same-site"}}, {"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"https://app.example.com"}}, {"Origin": {"null"}}} {
		if status, body := read(header); status != 401 || strings.Contains(body, "sub") {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
}
