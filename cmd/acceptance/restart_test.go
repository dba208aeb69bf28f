package acceptance

import (
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"reflect"
	"testing"
)

// A restart is not noticed: keys, sessions, codes and refresh tokens are where they were.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	b := newBrowser(t, s)
	signedIn := must(t)(mustCode(t, s, b).redeem())
	pending := mustCode(t, s, b)
	keys := publishedKeys(t, s)
	if b.logins != 1 {
		t.Fatalf("signed in %d times for two codes, want 1", b.logins)
	}

	if err := s.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if err := s.start(); err != nil {
		t.Fatalf("start again: %v", err)
	}

	if got := publishedKeys(t, s); !reflect.DeepEqual(got, keys) {
		t.Errorf("other keys after the restart: %v, before %v", got, keys)
	}
	if status := userinfo(t, s, signedIn.AccessToken); status != http.StatusOK {
		t.Errorf("userinfo with a token from before: status %d", status)
	}
	must(t)(s.refresh(signedIn.RefreshToken))
	must(t)(pending.redeem())
	must(t)(mustCode(t, s, b).redeem())
	if b.logins != 1 {
		t.Error("the browser session did not survive the restart")
	}
	mustRefuse(t, "a code that was redeemed before")(pending.redeem())
}

// The health check of the container image asks the configuration where the server is.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	check := func() error {
		cmd := exec.Command(path, "healthcheck")
		cmd.Dir = s.dir
		return cmd.Run()
	}
	if err := check(); err != nil {
		t.Errorf("healthcheck of a running server: %v", err)
	}
	if err := s.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	var exit *exec.ExitError
	if err := check(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("healthcheck of a stopped server: %v, want exit status 1", err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func publishedKeys(t *testing.T, s *server) (set map[string]any) {
	t.Helper()
	resp, err := http.Get(s.issuer + "/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	if keys, _ := set["keys"].([]any); len(keys) == 0 {
		t.Fatal("no keys are published")
	}
	return set
}

func userinfo(t *testing.T, s *server, accessToken string) (status int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.issuer+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
