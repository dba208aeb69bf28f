package tokeninfo_test

import (
	"encoding/json"
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

// With activity: refresh, a refresh keeps the session alive; without any it ends after the idle limit.
func TestIdleLimitWithRefreshActivity(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Sessions: authz.Sessions{Idle: 2 * time.Second, Max: time.Hour, RememberMe: time.Hour}}, nil)
	b, tokens := blackbox.SignInOnline(t, s)
	began := time.Now()
	blackbox.Until(t, "twice the idle limit has passed", func() bool {
		tokens = s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
		if tokens.Status != 200 {
			t.Fatalf("after %v: %+v", time.Since(began), tokens)
		}
		return time.Since(began) > 4*time.Second
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
	s := authztest.Start(t, authz.Config{Sessions: authz.Sessions{Idle: 2 * time.Second, Max: time.Hour, RememberMe: time.Hour, Beacon: true}}, nil)
	_, tokens := blackbox.SignInOnline(t, s)
	began := time.Now()
	blackbox.Until(t, "twice the idle limit has passed", func() bool {
		if status, state := session(t, s, http.MethodPost, "/session/activity", tokens.AccessToken); status != 200 || state["active"] != true {
			t.Fatalf("beacon after %v: %d %v", time.Since(began), status, state)
		}
		return time.Since(began) > 4*time.Second
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
