package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The common part of the configuration of all test servers.
const (
	apiResource    = "https://api.example.com"
	nextResource   = "https://stock.example.com"   // an API that the first one calls
	legacyResource = "https://reports.example.com" // an API whose library refuses at+jwt
	password       = "correct horse battery staple"
	secret         = "Zk3vQ9sT1xW7rB5nM2cL8pH4dF6gJ0aY"

	spaCallback     = "https://spa.example.com/callback"
	webCallback     = "https://web.example.com/callback"
	webPostCallback = "https://web-post.example.com/callback"
)

const configuration = `
issuer: http://%[1]s
listen: %[1]s
storage: {%[2]s}
resources:
  - {resource: "` + apiResource + `", name: Orders API, scopes: [orders.read, orders.write]}
  - {resource: "` + nextResource + `", name: Stock API, scopes: [stock.read]}
  - {resource: "` + legacyResource + `", name: Reports API, scopes: [reports.read], token_type: JWT}
%[5]s
clients:
  - client_id: spa
    preset: spa
    first_party: true
    redirect_uris: [` + spaCallback + `]
    scope: openid profile email offline_access orders.read
    resources: [` + apiResource + `]
  - client_id: web
    preset: web
    client_secret: ` + secret + `
    token_endpoint_auth_method: client_secret_basic
    redirect_uris: [` + webCallback + `]
    scope: openid profile email offline_access orders.read orders.write
    resources: [` + apiResource + `]
  - client_id: web-post
    preset: web
    client_secret: ` + secret + `
    token_endpoint_auth_method: client_secret_post
    redirect_uris: [` + webPostCallback + `]
    scope: openid profile email offline_access orders.read
    resources: [` + apiResource + `]
  - client_id: worker
    preset: service
    client_secret: ` + secret + `
    scope: orders.read orders.write
    resources: [` + apiResource + `]
%[4]s
users:
  - username: alice
    password: ` + password + `
    name: Alice Liddell
    email: alice@example.com
    email_verified: true
    roles: [admin]
%[3]s
`

const (
	startTimeout = 2 * time.Minute // costs time only if something is broken
	stopTimeout  = 2 * time.Minute
)

// server is one data folder and the process that serves it.
type server struct {
	issuer string
	addr   string
	dir    string
	skew   time.Duration          // how far its clock is ahead, in whole seconds
	build  func() (string, error) // nil: binary
	route  http.RoundTripper      // to the issuer; nil: as the network has it
	proc   *process
}

// process is one run of the binary.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once err is set
	err    error
}

// startServer serves a new data folder until the test ends. more is appended to the configuration
// file. However the test ends, the process must stop cleanly, without a panic or a data race.
func startServer(t *testing.T, more string) *server {
	t.Helper()
	return startServerWith(t, "", more)
}

// startServerWith is startServer with more entries of the list of clients.
func startServerWith(t *testing.T, clients, more string) *server {
	t.Helper()
	return startServerFor(t, "", clients, more)
}

// startServerFor is startServerWith with more entries of the list of resources.
func startServerFor(t *testing.T, resources, clients, more string) *server {
	t.Helper()
	return startServerIn(t, shortDir(t), resources, clients, more)
}

// shortDir is not t.TempDir, whose path may be too long for the admin socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "authzd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startServerIn is startServerFor with a data folder that is there already.
func startServerIn(t *testing.T, dir, resources, clients, more string) *server {
	t.Helper()
	return startServerOn(t, boltIn(dir), dir, resources, clients, more)
}

// startServerOn is startServerIn with what the configuration says of the storage.
func startServerOn(t *testing.T, storage, dir, resources, clients, more string) *server {
	t.Helper()
	s := &server{dir: dir}
	t.Cleanup(func() { s.finish(t) })

	for { // another process may take the port between here and there
		s.addr = freeAddr()
		s.issuer = issuerAt(s.addr, more)
		if err := os.WriteFile(s.configFile(), []byte(s.configure(storage, resources, clients, more)), 0o600); err != nil {
			t.Fatal(err)
		}
		err := s.start()
		if err == nil {
			return s
		}
		if log := s.log(t); !strings.Contains(log, "address already in use") {
			t.Fatalf("start: %v\n%s", err, log)
		}
	}
}

// issuerAt is the issuer of a server at an address. Where people have accounts it has a name: on a bare IP address they can
// have no passkeys.
func issuerAt(addr, more string) string {
	if strings.Contains(more, "\naccounts:") {
		return localhost(addr)
	}
	return "http://" + addr
}

// configure is the text of the configuration file.
func (s *server) configure(storage, resources, clients, more string) string {
	text := fmt.Sprintf(configuration, s.addr, storage, more, clients, resources)
	return strings.Replace(text, "issuer: http://"+s.addr, "issuer: "+s.issuer, 1)
}

// freeAddr returns a loopback address that nobody listens on. Its port is below those that the
// kernel gives to outgoing connections, since a restarted server needs it again: no client may
// have got it meanwhile.
func freeAddr() string {
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}

func boltIn(dir string) string { return "bolt: {path: " + dir + "/authzd.db}" }

func (s *server) configFile() string { return filepath.Join(s.dir, "authzd.yaml") }
func (s *server) logFile() string    { return filepath.Join(s.dir, "authzd.log") }

// log returns everything that the server has written so far, all runs together.
func (s *server) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// start runs the binary on the data folder and returns once it is ready.
func (s *server) start() error {
	p, err := s.launch()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	go func() {
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.waitReady(ctx); err != nil {
		return errors.Join(err, p.kill())
	}
	s.proc = p
	return nil
}

// runRaced goes on with the race detector, in a test of requests that meet. It looks at each package in the package's
// own tests; here it is for what only a whole process does.
func (s *server) runRaced(t *testing.T) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s.build = racedBinary
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// launch runs the binary on the data folder.
func (s *server) launch() (*process, error) {
	build := binary
	switch {
	case s.build != nil:
		build = s.build
	case s.skew != 0:
		build = binaryWithSkew
	}
	path, err := build()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	p := &process{cmd: exec.Command(path, "serve", "--config", s.configFile()), exited: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", skewEnv, int(s.skew.Seconds())))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// waitReady returns once /readyz answers 200, whichever process it is that answers.
func (s *server) waitReady(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server did not become ready: %w", ctx.Err())
		}
	}
}

// stop asks the server to drain, and returns an error unless it exits with status 0.
func (s *server) stop() error {
	if err := s.proc.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("SIGTERM: %w", err)
	}
	select {
	case <-s.proc.exited:
		return s.proc.err
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("still running after SIGTERM"), s.proc.kill())
	}
}

// kill ends the process as a power cut would: at once, wherever it is.
func (s *server) kill() error { return s.proc.kill() }

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}

// finish stops the server at the end of its test and judges its log.
func (s *server) finish(t *testing.T) {
	if s.proc == nil {
		return
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"DATA RACE", "panic:", "goroutine "} {
		if bytes.Contains(log, []byte(bad)) {
			t.Errorf("the log holds %q", bad)
		}
	}
	for _, secret := range []string{password, secret, "azr_", "azc_", "azg_", "azs_"} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log holds a secret: %q", secret)
		}
	}
	if t.Failed() {
		t.Logf("end of the log:\n%s", log[max(0, len(log)-4000):])
	}
}
