package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/config"
)

// startBFF runs a BFF in this process until stop is called, which returns how it ended.
func startBFF(t *testing.T, more string) (url, admin string, log *bytes.Buffer, stop func() error) {
	t.Helper()
	dir := t.TempDir()
	public, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	operations, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(more, "storage:") {
		more += "\nstorage: {bolt: {path: " + dir + "/bff.db}}"
	}
	cfg, err := config.ParseBFF(filepath.Join(dir, "bff.yaml"), fmt.Appendf(nil, `issuer: http://127.0.0.1:1
client_id: orders-bff
listen: %[1]s
admin: {listen: %[2]s}
key_file: %[3]s/client.key
secret_file: %[3]s/secret
log: {format: text}
frontends: [{name: orders, url: "http://%[1]s"}]
%[4]s
`, public, operations, dir, more), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	log = &bytes.Buffer{}
	go func() { ended <- serveBFF(ctx, cfg, serveOptions{log: log, ready: func() { close(ready) }}) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, log)
	}
	return "http://" + public, "http://" + operations, log, func() error {
		cancel()
		return <-ended
	}
}

func fetchText(t *testing.T, url string) (status int, text string) {
	t.Helper()
	response, err := http.Get(url)
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

// TestBFFIsOperated: metrics and health at the operator's address alone, one event for each request, an orderly end.
func TestBFFIsOperated(t *testing.T) {
	url, admin, log, stop := startBFF(t, "")
	for path, want := range map[string]int{
		url + "/readyz": 200, url + "/livez": 200, url + "/healthz": 200, url + "/metrics": 404, url + "/bff/session": 403, url + "/bff/jwks.json": 200,
		admin + "/readyz": 200, admin + "/livez": 200, admin + "/bff/jwks.json": 404,
	} {
		if got, _ := fetchText(t, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	_, metrics := fetchText(t, admin+"/metrics")
	for _, want := range []string{
		`authzd_http_requests_total{code="403",method="GET",route="bff_session"} 1`, `authzd_http_requests_total{code="200",method="GET",route="health"} 3`,
		"authzd_store_file_bytes", "authzd_feed_age_seconds", `authzd_feed_loads_total{outcome="full"} 0`, "authzd_sealed_under_earlier_secret", "authzd_alarms_total", "go_goroutines",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, want := range []string{"route=bff_session status=403", "frontend=orders", "made a new database", "made a new key of the client", "msg=stopped"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// TestBFFDrains: while it stops, it is unready and still serves.
func TestBFFDrains(t *testing.T) {
	url, _, _, stop := startBFF(t, "shutdown_delay: 1s")
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	unready := time.After(2 * time.Minute)
	for status := 200; status != 503; {
		select {
		case <-unready:
			t.Fatal("it is never unready")
		default:
			status, _ = fetchText(t, url+"/readyz")
		}
	}
	if status, _ := fetchText(t, url+"/bff/jwks.json"); status != 200 {
		t.Errorf("a request while it drains: %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestBFFRefusesAmbiguousRequests: a proxy in front could see the end of such a request in another place.
func TestBFFRefusesAmbiguousRequests(t *testing.T) {
	url, _, _, stop := startBFF(t, "")
	defer stop()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /bff/backchannel HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || strings.Count(string(answer), "HTTP/1.1") != 1 {
		t.Errorf("%v: %s", err, answer)
	}
}

// TestBFFNeedsItsFiles: what cannot work is said at the start.
func TestBFFNeedsItsFiles(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "client.key")
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.ParseBFF(filepath.Join(dir, "bff.yaml"), fmt.Appendf(nil, `issuer: http://127.0.0.1:1
client_id: orders-bff
key_file: %[1]s
secret_file: %[2]s/secret
storage: {bolt: {path: %[2]s/bff.db}}
frontends: [{name: orders, url: "http://127.0.0.1:2"}]
`, key, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = serveBFF(t.Context(), cfg, serveOptions{log: io.Discard})
	if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "no key") {
		t.Errorf("%v", err)
	}
}

// TestBFFListensOnASocket: for proxies on this machine, and for no other user's.
func TestBFFListensOnASocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "authzd-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "run", "bff.sock")
	_, _, _, stop := startBFF(t, "socket: "+socket)
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	response, err := client.Get("http://any.example/readyz")
	if err != nil || response.StatusCode != 200 {
		t.Errorf("%v, %v", response, err)
	} else {
		response.Body.Close()
	}
	client.CloseIdleConnections()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// TestBFFSealed: it runs without a store, and makes none.
func TestBFFSealed(t *testing.T) {
	url, admin, log, stop := startBFF(t, "storage: {sealed: true}")
	for path, want := range map[string]int{url + "/readyz": 200, url + "/bff/jwks.json": 200, admin + "/metrics": 200} {
		if got, _ := fetchText(t, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "database") || !strings.Contains(log.String(), "made a new secret") {
		t.Errorf("the log: %s", log)
	}
}
