package gate_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/websession"
)

// street is a proxy from docs/gates.md in front of a site, with a gate beside it. All of it is on loopback, with a
// certificate for app.example.com.
type street struct {
	*fixture
	addr   string // of the proxy
	origin string // https://app.example.com:PORT
	client *http.Client
	tls    *tls.Config
	log    string        // the proxy's error log
	bytes  *atomic.Int64 // that the gate has got
	asked  *atomic.Int64
}

// kinds are the proxies that are tried, each by its program.
var kinds = map[string]struct {
	program string // empty: it is not to be had, and imitate does what it does
	begin   func(dir, recipe string) (file, conf string)
	args    func(dir string) []string
	imitate func(gate, site *url.URL) http.Handler
}{
	"traefik": {imitate: imitateTraefik},
	"envoy":   {imitate: imitateEnvoy},
	"nginx":   {program: "/usr/sbin/nginx", begin: nginxFiles, args: func(dir string) []string { return []string{"-p", dir, "-e", "nginx.log", "-c", dir + "/nginx.conf"} }},
	"caddy": {program: "caddy", begin: caddyFiles, args: func(dir string) []string {
		return []string{"run", "--adapter", "caddyfile", "--config", dir + "/Caddyfile"}
	}},
}

func nginxFiles(dir, recipe string) (string, string) {
	return "nginx.conf", `daemon off; master_process off; pid nginx.pid; error_log nginx.log; events {}
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_max_body_size 0;
    keepalive_requests 100000;
` + recipe + "\n}\n"
}

func caddyFiles(dir, recipe string) (string, string) {
	return "Caddyfile", "{\n\tadmin off\n\tauto_https off\n\tstorage file_system " + dir + "/storage\n}\n" + recipe
}

// recipe returns the blocks of docs/gates.md in a language: that of a site, and that of the gate's own host.
func recipe(t testing.TB, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1)
	if len(found) != 2 {
		t.Fatalf("docs/gates.md has %d recipes in %s, want 2", len(found), language)
	}
	return string(found[0][1]) + "\n" + string(found[1][1])
}

func needProgram(t testing.TB, name string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%v, and with CI=true nothing may be skipped", err)
	} else if err != nil {
		t.Skipf("SKIPPED: %v; .ci/setup installs it", err)
	}
	return found
}

// openStreet starts a proxy by its recipe. Only addresses, files and what change replaces differ.
func openStreet(t testing.TB, kind string, site http.Handler, change ...string) *street {
	t.Helper()
	dir := t.TempDir()
	certificate, pool := makeCertificate(t, dir)
	backend := httptest.NewServer(site)
	t.Cleanup(backend.Close)

	s := &street{addr: freeAddr(t), log: filepath.Join(dir, kind+".log"), bytes: &atomic.Int64{}, asked: &atomic.Int64{}}
	_, port, _ := net.SplitHostPort(s.addr)
	s.origin = "https://app.example.com:" + port
	s.fixture = newFixture(t, func(c *gate.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.Headers = map[string]string{"X-Auth-User": "sub", "X-Auth-Roles": "roles", "X-Auth-Token": "assertion"}
		c.Hosts = []gate.Host{{URL: s.origin, Rules: []gate.Rule{
			{Path: "/admin", Roles: []string{"admin"}}, {Path: "/users", Allow: gate.SignedIn}, {Path: "/", Allow: gate.Anonymous},
		}}}
	})
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.fixture.ServeHTTP(w, r)
	}))
	front.Listener = &countingListener{front.Listener, s.bytes}
	front.Config.ErrorLog = nil
	front.Start()
	t.Cleanup(front.Close)

	s.tls = &tls.Config{RootCAs: pool, ServerName: "app.example.com"}
	s.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: s.tls, MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
		}},
	}
	if imitate := kinds[kind].imitate; imitate != nil {
		s.runImitation(t, imitate(loopback(front), loopback(backend)), certificate)
	} else {
		s.runProgram(t, kind, dir, change, "listen 443 ssl", "listen "+s.addr+" ssl", "https://app.example.com {", s.origin+" {\n\tbind 127.0.0.1",
			"https://gate.example.com {", "https://gate.example.com:"+port+" {\n\tbind 127.0.0.1",
			"/etc/ssl/gate.pem", certificate+".pem", "/etc/ssl/gate.key", certificate+".key",
			"127.0.0.1:9020", front.Listener.Addr().String(), "127.0.0.1:8080", backend.Listener.Addr().String(),
			"/etc/ssl/app.pem", certificate+".pem", "/etc/ssl/app.key", certificate+".key")
	}
	s.asked.Store(0)
	return s
}

func loopback(server *httptest.Server) *url.URL {
	return &url.URL{Scheme: "http", Host: server.Listener.Addr().String()}
}

// runProgram starts a proxy by its recipe, in which addresses and files are replaced, and then what change says.
func (s *street) runProgram(t testing.TB, kind, dir string, change []string, replaced ...string) {
	t.Helper()
	k := kinds[kind]
	program := needProgram(t, k.program)
	text := strings.NewReplacer(replaced...).Replace(recipe(t, map[string]string{"nginx": "nginx", "caddy": "caddyfile"}[kind]))
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(text, change[i]) {
			t.Fatalf("the recipe of %s has no %q", kind, change[i])
		}
		text = strings.ReplaceAll(text, change[i], change[i+1])
	}
	file, conf := k.begin(dir, text)
	if err := os.WriteFile(filepath.Join(dir, file), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(program, k.args(dir)...), s.log, dir, func() bool {
		res, err := s.client.Get(s.origin + "/")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == 200
	})
}

// runImitation serves a proxy that is not to be had.
func (s *street) runImitation(t testing.TB, proxy http.Handler, certificate string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certificate+".pem", certificate+".key")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(proxy)
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", s.addr); err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
}

// run starts a program, and waits until it is ready.
func run(t testing.TB, cmd *exec.Cmd, logFile, home string, ready func() bool) {
	t.Helper()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed in the end
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // unless it has ended
		<-exited
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !ready(); {
		select {
		case <-tick.C:
			continue
		case <-exited:
		case <-deadline:
		}
		output, _ := os.ReadFile(logFile)
		t.Fatalf("%s is not ready\n%s", cmd.Path, output)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// makeCertificate writes a certificate for app.example.com, and returns its files without .pem and .key.
func makeCertificate(t testing.TB, dir string) (file string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"app.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "app")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if err := errors.Join(os.WriteFile(file+".pem", certPEM, 0o600), os.WriteFile(file+".key", keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return file, pool
}

// countingListener counts what comes in.
type countingListener struct {
	net.Listener
	bytes *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countingConn{c, l.bytes}, err
}

type countingConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// seen is what a site has received, as a Go program has it and as CGI gives it to a program.
type seen struct {
	Method string
	URI    string
	Header http.Header
	CGI    map[string]string // HTTP_X_AUTH_USER and its like
	Body   int64
	Secret bool // one reading of the path is that of what only an admin may see
}

// printer is a site that prints what it receives.
func printer(w http.ResponseWriter, r *http.Request) {
	s := seen{Method: r.Method, URI: r.RequestURI, Header: r.Header, CGI: map[string]string{}, Secret: isSecret(r.RequestURI)}
	for name, values := range r.Header {
		name = "HTTP_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
		s.CGI[name] += strings.Join(values, ", ")
	}
	s.Body, _ = io.Copy(io.Discard, r.Body)
	_ = json.NewEncoder(w).Encode(s)
}

// isSecret reports whether a careless server would serve a URI from /admin: it decodes twice, knows no case, cuts
// parameters and blanks, takes backslashes for slashes, and cleans up then.
func isSecret(uri string) bool {
	uri, _, _ = strings.Cut(uri, "?")
	for range 3 {
		text := strings.ToLower(strings.ReplaceAll(uri, `\`, "/"))
		segments := strings.Split(text, "/")
		for i, segment := range segments {
			segment, _, _ = strings.Cut(segment, ";")
			segment, _, _ = strings.Cut(segment, "?")
			segment, _, _ = strings.Cut(segment, "#")
			segment, _, _ = strings.Cut(segment, "::")
			segment, _, _ = strings.Cut(segment, "\x00")
			if segment = strings.TrimRight(segment, " \t\r\n"); strings.Trim(segment, ".") != "" {
				segment = strings.TrimRight(segment, ". ")
			}
			segments[i] = segment
		}
		if clean := path.Clean("/" + strings.Join(segments, "/")); clean == "/admin" || strings.HasPrefix(clean, "/admin/") {
			return true
		}
		decoded, err := url.PathUnescape(uri)
		if err != nil {
			return false
		}
		uri = decoded
	}
	return false
}

// line sends requests as they are written, over one connection while that lasts.
type line struct {
	street  *street
	conn    *tls.Conn
	answers *bufio.Reader
}

func (s *street) line(t testing.TB) *line {
	l := &line{street: s}
	t.Cleanup(l.hangUp)
	return l
}

func (l *line) hangUp() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// send returns the answer with its whole body, nil if there is none.
func (l *line) send(t testing.TB, request string) *http.Response {
	t.Helper()
	if l.conn == nil {
		var err error
		if l.conn, err = tls.Dial("tcp", l.street.addr, l.street.tls); err != nil {
			t.Fatal(err)
		}
		l.answers = bufio.NewReader(l.conn)
	}
	_ = l.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.WriteString(l.conn, request); err != nil {
		l.hangUp()
		return nil
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(l.answers, &http.Request{Method: strings.ToUpper(method)})
	if err != nil {
		l.hangUp()
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.Close {
		l.hangUp()
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

func (s *street) host() string { return strings.TrimPrefix(s.origin, "https://") }

// do sends a request with cookies, and returns the answer and what the site has seen, if it has.
func (s *street) do(t testing.TB, method, target string, h http.Header, body io.Reader, cookies ...*http.Cookie) (*http.Response, *seen) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.origin+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range h {
		r.Header[name] = values
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got seen
	if res.StatusCode == 200 && json.Unmarshal(text, &got) == nil && got.Method != "" {
		return res, &got
	}
	return res, nil
}

func each(t *testing.T, test func(t *testing.T, kind string)) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// A person comes through the proxy, and the site sees who it is: as a Go program, and as one behind CGI.
func TestProxyLetsIn(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		s := openStreet(t, kind, http.HandlerFunc(printer))
		j := jar{}
		res, _ := s.do(t, "GET", "/users/7?tab=2", browser(), nil)
		if res.StatusCode != 302 {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		j.keep(s.host(), res)
		own, _ := s.ownCookie(t, alice())
		j["gate.example.com"] = map[string]string{own.Name: own.Value}
		enter := s.visit(j, res.Header.Get("Location")).Header.Get("Location")
		if !strings.HasPrefix(enter, s.origin+"/gate/enter?") {
			t.Fatalf("sent to %q", enter)
		}
		cookies := func() (all []*http.Cookie) {
			for name, value := range j[s.host()] {
				all = append(all, &http.Cookie{Name: name, Value: value})
			}
			return all
		}
		res, _ = s.do(t, "GET", strings.TrimPrefix(enter, s.origin), browser(), nil, cookies()...)
		j.keep(s.host(), res)
		if res.StatusCode != 303 || res.Header.Get("Location") != s.origin+"/users/7?tab=2" {
			t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
		}
		lies := http.Header{"X-Auth-User": {"root"}, "X-Auth-Roles": {"root"}, "X-Auth-Token": {"root"}, "Cookie": {"theme=dark"}}
		for target, user := range map[string]string{"/users/7": "alice", "/": ""} {
			res, got := s.do(t, "GET", target, lies, nil, cookies()...)
			if got == nil {
				t.Fatalf("%s: %d", target, res.StatusCode)
			}
			if got.Header.Get("X-Auth-User") != user || got.CGI["HTTP_X_AUTH_USER"] != user || strings.Contains(fmt.Sprint(got.CGI), "root") {
				t.Errorf("%s: %v", target, got.CGI)
			}
			if user != "" {
				if _, err := s.check(got.Header.Get("X-Auth-Token"), s.host()); err != nil {
					t.Error(err)
				}
			}
			cuts := kinds[kind].program != "" // the others cannot
			if cuts && strings.Contains(got.Header.Get("Cookie"), "__Host-Http-gate") || !strings.Contains(got.Header.Get("Cookie"), "theme=dark") {
				t.Errorf("%s: cookies %q", target, got.Header.Get("Cookie"))
			}
		}
		// Other spellings that programs behind CGI take for it never arrive (CVE-2025-64484, CVE-2026-52845). Connection
		// does not remove what the proxy has set (CVE-2025-48865, CVE-2024-45410).
		for _, header := range []string{
			"X_Auth_User: root", "X-Auth_User: root", "x_auth_user: root", "X.Auth.User: root",
			"Connection: close, X-Auth-User, X-Forwarded-Uri, X-Forwarded-Host, X-Original-Url, X-Original-Method",
		} {
			request := "GET /users/7 HTTP/1.1\r\nHost: " + s.host() + "\r\n" + header + "\r\nCookie: "
			for _, c := range cookies() {
				request += c.Name + "=" + c.Value + "; "
			}
			res := s.line(t).send(t, request+"a=b\r\n\r\n")
			var got seen
			if res != nil && res.StatusCode == 200 {
				_ = json.NewDecoder(res.Body).Decode(&got)
				if got.CGI["HTTP_X_AUTH_USER"] != "alice" {
					t.Errorf("%s: %v", header, got.CGI)
				}
			} else if res == nil || res.StatusCode != 403 && res.StatusCode != 400 {
				t.Errorf("%s: %v", header, res)
			}
		}
	})
}

// No spelling of /admin, through a proxy to a site that reads paths carelessly, or to the proxy's own files, shows what only
// an admin may see.
func TestSpellingsThroughProxies(t *testing.T) {
	folder := t.TempDir()
	for _, file := range []string{"index.html", "admin/index.html", "public/index.html"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(folder, file)), 0o755),
			os.WriteFile(filepath.Join(folder, file), fmt.Appendf(nil, `{"Method":"GET","Secret":%t}`, strings.HasPrefix(file, "admin")), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, kind string) {
		variants := map[string][]string{"to a site": nil}
		switch kind {
		case "nginx":
			variants["files"] = []string{"proxy_pass http://127.0.0.1:", "#", "proxy_set_header Cookie $site_cookie;", "root " + folder + ";"}
		case "caddy":
			variants["files"] = []string{"request_header Cookie", "root * " + folder + "\n\t\tfile_server\n\t\trequest_header Cookie"}
		}
		for what, change := range variants {
			s := openStreet(t, kind, http.HandlerFunc(printer), change...)
			admin, _ := s.signIn(t, alice(), s.host())
			served, line := 0, s.line(t)
			for _, spelling := range spellings(t) {
				request := "GET " + spelling + " HTTP/1.1\r\nHost: " + s.host() + "\r\n"
				if res := line.send(t, request+"\r\n"); res != nil && res.StatusCode == 200 {
					var got seen
					if json.NewDecoder(res.Body).Decode(&got); got.Secret {
						t.Errorf("%s: %q shows what only an admin may see: %+v", what, spelling, got)
					}
				}
				res := line.send(t, request+"Cookie: "+admin.Name+"="+admin.Value+"\r\n\r\n")
				var got seen
				if res != nil && res.StatusCode == 200 && json.NewDecoder(res.Body).Decode(&got) == nil && got.Secret {
					served++
				}
			}
			if served < 3 {
				t.Errorf("%s: an admin saw it by %d spellings only: is it there?", what, served)
			}
			t.Logf("%s: an admin saw it by %d of %d spellings, others by none", what, served, len(spellings(t)))
		}
	})
}

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many[T int | int64](short, full T) T {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

// For each request, nginx gets one of the three statuses that it knows, and logs nothing.
func TestFuzzThroughNginx(t *testing.T) {
	t.Parallel()
	s := openStreet(t, "nginx", http.HandlerFunc(printer))
	cookie, _ := s.signIn(t, bob(), s.host())
	seeds := spellings(t)
	n := many(200, 10_000) // that reach the gate: nginx itself refuses about half
	random := newRandom(1)
	statuses := map[int]int{}
	line, sent := s.line(t), 0
	for ; s.asked.Load() < int64(n) && sent < 5*n; sent++ {
		target := mutate(random, seeds[random.IntN(len(seeds))])
		method := []string{"GET", "POST", "PUT", "OPTIONS", "PURGE", "get"}[random.IntN(6)]
		request := method + " " + target + " HTTP/1.1\r\nHost: " + s.host() + "\r\nX-Original-Url: " + target + "\r\nContent-Length: 0\r\n"
		for range random.IntN(3) {
			request += []string{"Accept: text/html\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n", "Cookie: " + cookie.Name + "=" + cookie.Value + "\r\n",
				"Cookie: " + cookie.Name + "=x\r\n", "X-Original-Method: GET\r\n", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", "X-Auth-User: root\r\n"}[random.IntN(7)]
		}
		if res := line.send(t, request+"\r\n"); res != nil {
			if statuses[res.StatusCode]++; res.StatusCode >= 500 {
				t.Errorf("%q: %d", request, res.StatusCode)
			}
		}
	}
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "unexpected status") || strings.Contains(line, "[crit]") || strings.Contains(line, "[alert]") {
			t.Error(line)
		}
	}
	t.Logf("%d requests, %d questions to the gate, statuses %v", sent, s.asked.Load(), statuses)
	if statuses[200] == 0 || statuses[403] == 0 || statuses[302] == 0 {
		t.Error("not every kind of answer was there")
	}
}

// The gate gets no byte of a body, however long it is, and the body arrives whole.
func TestBodyThroughProxies(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		s := openStreet(t, kind, http.HandlerFunc(printer))
		cookie, _ := s.signIn(t, alice(), s.host())
		size := many(int64(16<<20), 1<<30)
		before := s.bytes.Load()
		res, got := s.do(t, "POST", "/users", nil, io.LimitReader(zeros{}, size), cookie)
		if got == nil || got.Body != size {
			t.Fatalf("%d, %+v", res.StatusCode, got)
		}
		if got := s.bytes.Load() - before; got > 4<<10 || s.asked.Load() != 1 {
			t.Errorf("the gate got %d bytes, and %d questions", got, s.asked.Load())
		}
		t.Logf("%d bytes to the site, %d bytes to the gate", got.Body, s.bytes.Load()-before)

		// A form whose session has ended goes nowhere.
		reached := s.asked.Load()
		res, got = s.do(t, "POST", "/users", browser(), strings.NewReader("a=b"))
		if got != nil || res.StatusCode != 302 && res.StatusCode != 303 || s.asked.Load() != reached+1 {
			t.Errorf("%d, %+v", res.StatusCode, got)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What a client says about the request, in the headers that the contract uses, does not count.
func TestClientCannotDescribeTheRequest(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		s := openStreet(t, kind, http.HandlerFunc(printer))
		for _, lies := range []http.Header{
			{"X-Original-Url": {s.origin + "/"}, "X-Original-Method": {"GET"}},
			{"X-Forwarded-Uri": {"/"}, "X-Forwarded-Method": {"GET"}, "X-Forwarded-Host": {s.host()}, "X-Forwarded-Proto": {"https"}},
			{"X-Forwarded-Host": {"evil.example"}, "Forwarded": {"host=evil.example"}, "X-Forwarded-Prefix": {"/x"}},
			{"Connection": {"X-Original-Url, X-Original-Method, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Host"}},
		} {
			res, got := s.do(t, "GET", "/admin", lies, nil)
			if got != nil || res.StatusCode != 401 && res.StatusCode != 400 {
				t.Errorf("%v: %d", lies, res.StatusCode)
			}
		}
		// A request line with another host than the header: the proxy and the gate mean the same one.
		res := s.line(t).send(t, "GET https://evil.example/ HTTP/1.1\r\nHost: "+s.host()+"\r\nConnection: close\r\n\r\n")
		if res != nil && res.StatusCode == 200 {
			if body, _ := io.ReadAll(res.Body); len(body) > 0 { // Caddy answers so for a host that it does not know
				t.Errorf("an absolute request line: %d %s", res.StatusCode, body)
			}
		}
	})
}

// Scripts whose session has ended get 401 through the proxy, and nothing to keep.
func TestScriptsThroughProxies(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		s := openStreet(t, kind, http.HandlerFunc(printer))
		cookie, session := s.signIn(t, alice(), s.host())
		if _, got := s.do(t, "GET", "/users", nil, nil, cookie); got == nil {
			t.Fatal("not signed in")
		}
		if err := s.sessions.End(t.Context(), session.ID, websession.SignedOut); err != nil {
			t.Fatal(err)
		}
		for range many(50, 1000) {
			h := http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Accept": {"text/html,*/*"}}
			res, got := s.do(t, "GET", "/users", h, nil, cookie)
			if got != nil || res.StatusCode != 401 || len(res.Header["Set-Cookie"]) > 0 || res.Header.Get("Location") != "" {
				t.Fatalf("%d %v", res.StatusCode, res.Header)
			}
		}
	})
}
