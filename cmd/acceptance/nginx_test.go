package acceptance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// nginxConf is what stands around the recipe of docs/operations.md here.
const nginxConf = `
daemon off;
master_process off; # one process, which ends when it is killed
pid nginx.pid;
error_log stderr;
events {}
http {
    log_format sizes '$status $request_length $request_method $uri';
    access_log access.log sizes;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%s
}
`

// nginxRecipe is the block of docs/operations.md, for plain http on this address, with some lines left out.
func nginxRecipe(t *testing.T, listen, server string, without ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/operations.md has no recipe for nginx")
	}
	var lines []string
	for line := range strings.Lines(string(block[1])) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "listen":
			line = "listen " + listen + ";\n"
		case word == "proxy_pass":
			line = "proxy_pass http://" + server + ";\n"
		}
		left := word == "ssl_certificate" || word == "ssl_certificate_key"
		for _, name := range without {
			left = left || word == name
		}
		if !left {
			lines = append(lines, line)
		}
	}
	return fmt.Sprintf(nginxConf, strings.Join(lines, ""))
}

// startNginx runs it before the server, and returns its access log.
func startNginx(t *testing.T, conf, issuer string) (accessLog string) {
	t.Helper()
	program := "/usr/sbin/nginx" // not in everybody's PATH
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		program = needTool(t, "nginx")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "nginx.log")
	proc, err := startProcess(exec.Command(program, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")), log, issuer+"/readyz")
	if err != nil {
		output, _ := os.ReadFile(log)
		t.Fatalf("nginx: %v\n%s", err, output)
	}
	t.Cleanup(func() { proc.kill() })
	return filepath.Join(dir, "access.log")
}

// Five tabs of a browser sign in with Google, by requests with a state of 3,000 characters, through nginx as
// docs/operations.md has it, and through one with its own limits for what it takes from browsers.
func TestSignInWithGoogleThroughNginx(t *testing.T) {
	needTool(t, "chromium")
	for name, without := range map[string][]string{"the recipe": nil, "its own limits": {"large_client_header_buffers"}} {
		t.Run(name, func(t *testing.T) {
			app, g, front := startOtherApp(t), newGoogle(t), freeAddr()
			t.Setenv("AUTHZD_ISSUER", localhost(front))
			s := startServerWith(t, otherClient(app, "true"), g.connector())
			access := startNginx(t, nginxRecipe(t, front, s.addr, without...), localhost(front))
			s.issuer = localhost(front)
			g.start(t, s)

			p := strippingProxy{issuer: s.issuer}
			b := openChromium(t)
			var last string
			for i := range 5 {
				if i > 0 {
					b = b.newTab()
				}
				last = strconv.Itoa(i) + noise(3000)
				b.open(p.ask(app, last))
				b.click("connector-google")
				b.until("location.origin === '" + g.issuer + "' && document.readyState === 'complete'")
			}
			g.chooseUser(playground{b, s.issuer}, googleUser)
			b.arrived(app, last)
			b.open(p.ask(app, "again"+last)) // with all that the browser has kept
			b.arrived(app, "again"+last)

			log, err := os.ReadFile(access)
			if err != nil {
				t.Fatal(err)
			}
			longest := 0
			for line := range strings.Lines(string(log)) {
				var status, length int
				if _, err := fmt.Sscan(line, &status, &length); err != nil || status >= 400 && !strings.Contains(line, "favicon") {
					t.Errorf("nginx: %s", line)
				}
				longest = max(longest, length)
			}
			if !strings.Contains(string(log), "/callback/google") {
				t.Error("the callback did not come through nginx")
			}
			t.Logf("the longest request has %d bytes", longest)
		})
	}
}

// noise is text that does not compress.
func noise(n int) string {
	var b strings.Builder
	x := uint32(1)
	for b.Len() < n {
		x = x*1664525 + 1013904223
		b.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x>>26])
	}
	return b.String()
}
