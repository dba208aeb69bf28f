package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newTestWatch() (*watch, *lines, *prometheus.Registry) {
	log, registry := &lines{}, prometheus.NewRegistry()
	return newWatch(registry, slog.New(slog.NewTextHandler(log, nil))), log, registry
}

// measured is the value of a metric, of this reason if it has several.
func measured(t *testing.T, registry *prometheus.Registry, name, reason string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (reason == "" || m.GetLabel()[0].GetValue() == reason) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s of reason %q", name, reason)
	return 0
}

// failingListener has no file descriptor left for anybody.
type failingListener struct {
	net.Listener
	err error
}

func (l failingListener) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.err)}
}

func (failingListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestTooManyOpenFiles: each is counted, and one a minute is logged, with how many were not.
func TestTooManyOpenFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log, registry := newTestWatch()
		l := w.listener(failingListener{err: syscall.EMFILE})
		for range 100 {
			if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
				t.Fatal(err)
			}
		}
		time.Sleep(watchEvery)
		_, _ = l.Accept()
		if n := measured(t, registry, "authzd_accept_errors_total", tooManyFiles); n != 101 {
			t.Errorf("%v were counted", n)
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "reason=too_many_open_files") ||
			!strings.Contains(text, "unlogged=99") || !strings.Contains(text, "LimitNOFILE") {
			t.Errorf("log:\n%s", text)
		}
	})
}

// TestClosedListener: that a server stops is nothing to be told.
func TestClosedListener(t *testing.T) {
	w, log, _ := newTestWatch()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inner.Close()
	if _, err := w.listener(inner).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if log.String() != "" {
		t.Error(log.String())
	}
}

// TestHandshakesThatFail makes them fail in each way, at a server as serve makes it.
func TestHandshakesThatFail(t *testing.T) {
	w, log, registry := newTestWatch()
	server := newHTTPServer(http.NotFoundHandler(), w)
	folder := t.TempDir()
	writeCertificate(t, folder, time.Now())
	server.TLSConfig = newTLSConfig(&certificate{certFile: folder + "/tls.crt", keyFile: folder + "/tls.key", watch: w})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(w.listener(listener), "", "") }()
	defer server.Close()
	address := listener.Addr().String()
	send := func(text string) func() {
		return func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = conn.Write([]byte(text))
			_, _ = conn.Read(make([]byte, 1<<10))
		}
	}
	handshake := func(config *tls.Config) func() {
		return func() {
			if conn, err := tls.Dial("tcp", address, config); err == nil {
				conn.Close()
				t.Error("a handshake that was to fail succeeded")
			}
		}
	}
	for _, c := range []struct {
		reason string
		fail   func()
	}{
		{notTLS, send("GET / HTTP/1.1\r\n\r\n")},
		{refusedByIt, handshake(&tls.Config{ServerName: "localhost"})}, // an unknown authority
		{incompatible, handshake(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})},
		{clientGone, func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}},
	} {
		c.fail()
		deadline := time.Now().Add(2 * time.Minute)
		logged := func() bool { return strings.Contains(log.String(), "reason="+c.reason) } // a moment after it is counted
		for measured(t, registry, "authzd_tls_handshake_errors_total", c.reason) == 0 || !logged() {
			if time.Now().After(deadline) {
				break
			}
			<-time.After(5 * time.Millisecond)
		}
		if measured(t, registry, "authzd_tls_handshake_errors_total", c.reason) == 0 {
			t.Errorf("%s was not counted:\n%s", c.reason, log)
		}
		if !logged() {
			t.Errorf("%s was not logged:\n%s", c.reason, log)
		}
	}
}

// writeCertificate writes tls.crt and tls.key, as changed at a time.
func writeCertificate(t *testing.T, folder string, changed time.Time) {
	t.Helper()
	cert, key := newCertificate(t)
	for name, text := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificateReload: a renewal that can't be read is counted and said, the old one serves on, and a
// good one takes over.
func TestCertificateReload(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "tls.crt")
	writeCertificate(t, folder, time.Now().Add(-time.Hour))
	synctest.Test(t, func(t *testing.T) {
		w, log, registry := newTestWatch()
		c := &certificate{certFile: file, keyFile: filepath.Join(folder, "tls.key"), watch: w}
		first, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if measured(t, registry, "authzd_certificate_not_after_seconds", "") == 0 {
			t.Error("nobody knows when the certificate ends")
		}
		for name, spoil := range map[string]func() error{
			"half written": func() error { return os.WriteFile(file, []byte("-----BEGIN CERT"), 0o600) },
			"removed":      func() error { return os.Remove(file) },
			"another key": func() error {
				cert, _ := newCertificate(t)
				_, key := newCertificate(t)
				return errors.Join(os.WriteFile(file, cert, 0o600), os.WriteFile(filepath.Join(folder, "tls.key"), key, 0o600))
			},
		} {
			before := measured(t, registry, "authzd_certificate_reload_errors_total", "")
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(watchEvery)
			if got, err := c.get(nil); err != nil || got != first {
				t.Errorf("%s: %v, not the old one", name, err)
			}
			if measured(t, registry, "authzd_certificate_reload_errors_total", "") != before+1 {
				t.Errorf("%s: not counted", name)
			}
			if !strings.Contains(log.String(), "the renewed certificate can't be read") {
				t.Errorf("%s: not logged: %s", name, log)
			}
		}
		writeCertificate(t, folder, time.Now())
		time.Sleep(certificateCheck)
		if got, err := c.get(nil); err != nil || got == first {
			t.Errorf("the renewed one is not served: %v", err)
		}
		if !strings.Contains(log.String(), "a renewed certificate is served") {
			t.Errorf("not logged: %s", log)
		}
	})
}

func TestSocketIsAllThatIsRemoved(t *testing.T) {
	folder, err := os.MkdirTemp("", "authzd-") // its path is short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "a")
	for name, make := range map[string]func() error{
		"a file":           func() error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"an empty folder":  func() error { return os.Mkdir(path, 0o700) },
		"a link":           func() error { return os.Symlink("elsewhere", path) },
		"a link to a file": func() error { return os.Symlink("/etc/passwd", path) },
		"a pipe":           func() error { return syscall.Mkfifo(path, 0o600) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := operatorSocket.listen(path)
		if err == nil {
			l.Close()
			t.Errorf("%s: the socket was made", name)
		} else if hint := (interface{ Hint() string })(nil); !errors.As(err, &hint) {
			t.Errorf("%s: no hint: %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: it is gone: %v", name, err)
		}
		os.Remove(path)
	}
	// A socket that nobody listens on is replaced.
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	l, err := operatorSocket.listen(path)
	if err != nil {
		t.Fatal(err)
	}
	// A socket that has replaced ours meanwhile stays when we stop.
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("precious"), 0o600), l.Close()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("a file in its place: %q %v", text, err)
	}
}

func TestListenHints(t *testing.T) {
	for number, want := range map[syscall.Errno]string{
		syscall.EACCES: "ports below 1024", syscall.EADDRINUSE: "another program", syscall.EADDRNOTAVAIL: "no interface of this machine",
	} {
		err := explainListen(&net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", number)})
		if hint := (interface{ Hint() string })(nil); !errors.As(err, &hint) || !strings.Contains(hint.Hint(), want) {
			t.Errorf("%v: %v, want a hint with %q", number, err, want)
		}
	}
}
