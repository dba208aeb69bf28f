package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The data of the stand-in for Google.
const (
	googleClientID     = "authzd.apps.googleusercontent.com"
	googleClientSecret = "GOCSPX-not-a-secret"
	googleUser         = "bob@gmail.com"     // has no account here
	googleAlice        = "alice@example.com" // has; but Google is not the one to vouch for example.com
)

const googleSeed = `
google:
  users:
    - {email: ` + googleUser + `, name: Bob Example}
    - {email: ` + googleAlice + `, name: Alice at Google, hd: ""}
  oauth_clients:
    - client_id: ` + googleClientID + `
      client_secret: ` + googleClientSecret + `
      name: authzd
      redirect_uris: [%s/callback/google]
`

// google is a stand-in for Google that we did not write, the npm package emulate.
type google struct {
	node   string
	issuer string
	seed   string // file
	dir    string
	proc   *process // nil: not running
}

// newGoogle finds a port for it, so that authzd can be configured. It is not started yet.
func newGoogle(t *testing.T) *google {
	t.Helper()
	dir := t.TempDir()
	g := &google{node: needNode(t), issuer: localhost(freeAddr()), dir: dir, seed: filepath.Join(dir, "seed.yaml")}
	t.Cleanup(func() { g.stop(t) })
	return g
}

// connector is the part of authzd's configuration that leads to it.
func (g *google) connector() string {
	return fmt.Sprintf("signing: {alg: ES256}\nconnectors:\n  - {id: google, type: google, issuer: %q, client_id: %q, client_secret: %q}\n",
		g.issuer, googleClientID, googleClientSecret)
}

// start runs it; the server is the one that it sends its users back to.
func (g *google) start(t *testing.T, s *server) {
	t.Helper()
	if err := os.WriteFile(g.seed, fmt.Appendf(nil, googleSeed, s.issuer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(g.issuer, "http://"), ":")
	cmd := exec.Command(g.node, "npm/node_modules/emulate/dist/index.js", "start", "--service", "google", "--port", port, "--seed", g.seed)
	log := filepath.Join(g.dir, "emulate.log")
	proc, err := startProcess(cmd, log, g.issuer+"/.well-known/openid-configuration")
	if err != nil {
		output, _ := os.ReadFile(log)
		t.Fatalf("emulate: %v\n%s", err, output)
	}
	g.proc = proc
}

// stop ends it, as an outage would.
func (g *google) stop(t *testing.T) {
	if g.proc == nil {
		return
	}
	if err := g.proc.kill(); err != nil {
		t.Error(err)
	}
	g.proc = nil
}
