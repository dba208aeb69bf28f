package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// skewEnv says by how many seconds the clock of binaryWithSkew is wrong.
const skewEnv = "ACCEPTANCE_CLOCK_SKEW"

// binaryWithSkew is authzd with another time.Now, so that a process can have another clock. There is
// no other way for a single process, because Go reads the time from the kernel's page.
var binaryWithSkew = sync.OnceValues(func() (string, error) {
	env, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	goroot, modules, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	original := filepath.Join(goroot, "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	now := regexp.MustCompile(`func Now\(\) Time \{\n\tsec, nsec, mono := \w+\(\)\n`)
	if !now.Match(source) {
		return "", errors.New("time.Now is not what it was")
	}
	changed := now.ReplaceAllString(string(source), "$0\tsec += skew\n")
	changed = strings.Replace(changed, "import (", "import (\n\t\"syscall\"", 1) + `
var skew = func() (seconds int64) {
	text, _ := syscall.Getenv("` + skewEnv + `")
	sign := int64(1)
	for _, c := range []byte(text) {
		if c == '-' {
			sign = -1
			continue
		}
		seconds = 10*seconds + int64(c-'0')
	}
	return sign * seconds
}()
`
	patched := filepath.Join(buildDir, "time.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: patched}})
	if err != nil {
		return "", err
	}
	path, list := filepath.Join(buildDir, "authzd-skew"), filepath.Join(buildDir, "overlay.json")
	if err := errors.Join(os.WriteFile(patched, []byte(changed), 0o600), os.WriteFile(list, overlay, 0o600)); err != nil {
		return "", err
	}
	// A release of Go that go.mod names stands among the modules, of which no file may be replaced: a link
	// gives their folder another name.
	cache := filepath.Join(buildDir, "modules")
	if err := os.Symlink(modules, cache); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-overlay", list, "-o", path, "../authzd")
	cmd.Env = append(os.Environ(), "GOMODCACHE="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Replicas whose clocks are five seconds apart serve every flow, keep every promise, and none of their
// tokens is too new for another.
func TestReplicasClockSkew(t *testing.T) {
	t.Parallel()
	private, public := newClientKey(t)
	r := startReplicas(t, 2, fapiClients(public), "registration: {mode: open, per_address_per_hour: 1000000}\nlifetimes: {code: 60s, refresh_grace: 10m}\nsigning: {alg: ES256}\ndpop: {require_nonce: true}\n"+forPeople())
	ahead := r.nodes[1]
	if err := ahead.stop(); err != nil {
		t.Fatal(err)
	}
	ahead.skew = 5 * time.Second
	if err := ahead.start(); err != nil {
		t.Fatalf("start: %v\n%s", err, ahead.log(t))
	}
	r.wantSkew(t)

	tokens := mustSignIn(t, &r.server)
	for range 4 { // every pair of replicas
		tokens = must(t)(r.refresh(tokens.RefreshToken))
		for _, node := range r.nodes {
			if status := userinfo(t, node, tokens.AccessToken); status != http.StatusOK {
				t.Errorf("userinfo: status %d", status)
			}
		}
	}
	c := newCast(&r.server, 3)
	ctx, stop := context.WithCancel(t.Context())
	var playing sync.WaitGroup
	playing.Go(func() { c.play(ctx) })
	c.waitForSteps(t, 200)
	stop()
	playing.Wait()
	c.settle(t)
	if err := c.err(); err != nil {
		t.Error(err)
	}

	needNode(t)
	for name, p := range map[string]party{
		"code": {"code.mjs", url.Values{"CLIENT_ID": {"spa"}, "REDIRECT_URI": {spaCallback}}},
		"assertions, PAR and DPoP": {"fapi.mjs", url.Values{
			"CLIENT_ID": {"fapi"}, "REDIRECT_URI": {"https://fapi.example.com/callback"}, "PRIVATE_JWK": {private}, "SIGNED": {""},
		}},
		"signed requests and answers": {"fapi.mjs", url.Values{
			"CLIENT_ID": {"fapi-signed"}, "REDIRECT_URI": {"https://fapi.example.com/callback"}, "PRIVATE_JWK": {private}, "SIGNED": {"1"},
		}},
	} {
		t.Run(name, func(t *testing.T) { p.run(t, &r.server, newBrowser(t, &r.server)) })
	}
}

// wantSkew fails unless the clocks differ as they should: the Date of an answer says so.
func (r *replicas) wantSkew(t *testing.T) {
	t.Helper()
	for _, node := range r.nodes {
		asked := time.Now()
		resp, err := http.Get(node.issuer + "/jwks.json")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if off := date.Add(-node.skew); off.Before(asked.Add(-3*time.Second)) || off.After(time.Now().Add(3*time.Second)) {
			t.Errorf("the clock of a replica is %v ahead, not %v", time.Until(date), node.skew)
		}
	}
}
