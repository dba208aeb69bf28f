package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The measured server without --url, and the names of the people and apps in the scenarios.
const configuration = `issuer: http://%[1]s
listen: %[1]s
admin: {socket: %[2]s/admin.sock}
storage: %[4]s
lifetimes: {access_token: 1h} # those of userinfo and introspect outlive the run
signing: {alg: %[3]s}
resources:
  - {resource: "https://api.example.com", name: Orders API, scopes: [orders.read]}
clients:
  - client_id: app
    client_secret: a-secret-of-the-load-generator
    grant_types: [authorization_code, refresh_token, client_credentials]
    refresh_token_rotation: true
    redirect_uris: [https://app.example.com/callback]
    scope: openid profile email offline_access orders.read
    resources: ["https://api.example.com"]
    first_party: true
users:
  - username: alice
    password: correct horse battery staple
    name: Alice Liddell
    email: alice@example.com
    email_verified: true
    roles: [admin]
`

var defaultAccount = account{
	username: "alice", password: "correct horse battery staple",
	client: "app", secret: "a-secret-of-the-load-generator",
	redirectURI:  "https://app.example.com/callback",
	scope:        "openid profile email",
	refreshScope: "offline_access orders.read",
}

// process is a server that was started here.
type process struct {
	cmd    *exec.Cmd
	addr   string
	exited chan struct{}
}

// start starts the process. When ctx ends, it is killed.
func (p *process) start() error {
	p.exited = make(chan struct{})
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // its error matters only if it ended by itself
		close(p.exited)
	}()
	return nil
}

// stop ends the process like a service manager, and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// kill ends the process at once, if there is one and it still runs.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // fails if the process has ended
	<-p.exited
}

// site is a folder with everything that a server needs.
type site struct {
	binary, dir, alg string
	postgres         string // URL of the database; empty: bolt
}

func (s site) config() string { return filepath.Join(s.dir, "authzd.yaml") }
func (s site) bolt() string   { return filepath.Join(s.dir, "authzd.db") }

// start starts the binary and waits for the first answer 200, after startup. The log goes to a file in the
// folder.
func (s site) start(ctx context.Context) (p *process, startup time.Duration, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	p = &process{addr: listener.Addr().String()}
	listener.Close()
	engine := fmt.Sprintf("{bolt: {path: %s}}", s.bolt())
	if s.postgres != "" {
		engine = fmt.Sprintf("{postgres: {url: %q}}\nsecret_file: %s/secret", s.postgres, s.dir)
	}
	if err := os.WriteFile(s.config(), fmt.Appendf(nil, configuration, p.addr, s.dir, s.alg, engine), 0o600); err != nil {
		return nil, 0, err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, s.binary, "serve", "--config", s.config())
	p.cmd.Stderr = log
	start := time.Now()
	if err := p.start(); err != nil {
		return nil, 0, err
	}
	c := conn{addr: p.addr}
	defer c.close()
	request := (&target{addr: p.addr}).get("/jwks.json", "")
	for {
		r, err := c.do(request)
		if r.expect(http.StatusOK, err) == nil {
			return p, time.Since(start), nil
		}
		select {
		case <-p.exited:
			text, err := os.ReadFile(log.Name())
			return nil, 0, errors.Join(fmt.Errorf("authzd has stopped: %.2000s", text), err)
		case <-time.After(time.Millisecond):
		}
	}
}

// bareCommand makes this program the bare handler.
const bareCommand = "bare"

// startBare starts this program again, as the bare handler.
func startBare(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, bareCommand)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("bare handler: %w", err)
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

// serveBare answers every request with 200 bytes: the limit of net/http on this machine.
func serveBare(stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, listener.Addr())
	body := bytes.Repeat([]byte("x"), 200)
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(body)
	}))
}

// cpu returns the processor time of the process, with the 10 ms precision of /proc; 0 if there is no /proc.
func (p *process) cpu() time.Duration {
	stat, err := p.proc("stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident returns the memory of the process in bytes, including mapped files; 0 if there is no /proc.
func (p *process) resident() int64 {
	status, err := p.proc("status")
	if err != nil {
		return 0
	}
	var kib int64
	_, after, _ := strings.Cut(status, "VmRSS:")
	fmt.Sscan(after, &kib)
	return kib << 10
}

func (p *process) proc(name string) (string, error) {
	if p == nil {
		return "", errors.New("not our process")
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
	return string(text), err
}
