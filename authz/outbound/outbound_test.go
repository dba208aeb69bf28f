package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var loopback = prefixes("127.0.0.0/8", "::1/128")

// serve starts an https server and a client that may reach it.
func serve(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it is about what is wanted here
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, newClient(t, Config{AllowPrivateNetworks: loopback, RootCAs: rootsOf(server)})
}

func rootsOf(server *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return roots
}

func TestGet(t *testing.T) {
	server, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.ContentLength != 0 || r.UserAgent() != "authzd" || r.Header.Get("Accept") != "application/json" || r.URL.RawQuery != "a=b" {
			t.Errorf("request %s %s %v", r.Method, r.URL, r.Header)
		}
		for _, name := range []string{"Accept-Encoding", "Authorization", "Cookie", "Referer"} {
			if r.Header.Get(name) != "" {
				t.Errorf("header %s is sent", name)
			}
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Content-Type", "Application/JSON; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=300")
		fmt.Fprint(w, `{}`)
	})
	for range 2 { // the second without the cookie of the first
		doc, err := c.Get(t.Context(), server.URL+"/?a=b", Want{Types: []string{"application/json"}})
		if err != nil {
			t.Fatal(err)
		}
		if string(doc.Body) != "{}" || doc.ContentType != "application/json" || doc.Fresh != 5*time.Minute {
			t.Errorf("document %+v", doc)
		}
	}
}

func TestGetRefuses(t *testing.T) {
	var reached bool
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inner.Close)
	answers := map[string]struct {
		want   error
		answer http.HandlerFunc
	}{
		"redirect":           {ErrStatus, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, http.StatusFound) }},
		"redirect to itself": {ErrStatus, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusPermanentRedirect) }},
		"no body":            {ErrStatus, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		"an error":           {ErrStatus, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }},
		"another type":       {ErrType, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }},
		"a malformed type":   {ErrType, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json; =") }},
		"no type":            {ErrType, func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil }},
		"a byte too much":    {ErrTooLarge, func(w http.ResponseWriter, _ *http.Request) { asJSON(w).Write(make([]byte, usualBytes+1)) }},
		"an endless body":    {ErrTooLarge, endless},
		"a gzip bomb":        {ErrType, bomb},
		"a larger length": {io.ErrUnexpectedEOF, func(w http.ResponseWriter, _ *http.Request) {
			asJSON(w).Header().Set("Content-Length", "9")
			fmt.Fprint(w, "{}")
		}},
		"headers without end": {nil, func(w http.ResponseWriter, _ *http.Request) {
			asJSON(w).Header().Set("X", strings.Repeat("x", headerBytes))
		}},
	}
	server, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answers[strings.TrimPrefix(r.URL.Path, "/")].answer(w, r)
	})
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			doc, err := c.Get(t.Context(), server.URL+"/"+url.PathEscape(name)+"?secret", Want{Types: []string{"application/json"}})
			if err == nil || test.want != nil && !errors.Is(err, test.want) || doc != nil {
				t.Errorf("document %v, error %v", doc, err)
			}
			if strings.Contains(fmt.Sprint(err), "secret") || strings.Contains(fmt.Sprint(err), inner.URL) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
	if reached {
		t.Error("a redirect was followed")
	}
}

func asJSON(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Content-Type", "application/json")
	return w
}

func endless(w http.ResponseWriter, r *http.Request) {
	asJSON(w)
	for chunk := make([]byte, 4096); r.Context().Err() == nil; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// bomb sends what nobody asked for: a kilobyte that would become a megabyte.
func bomb(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 1<<20))
	z.Close()
	asJSON(w).Header().Set("Content-Encoding", "gzip")
	w.Write(b.Bytes())
}

// A server may take its time only once, however it divides it.
func TestSlowServers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go drip(conn)
		}
	}()
	c := newClient(t, Config{AllowPrivateNetworks: loopback, Timeout: 100 * time.Millisecond})
	for _, target := range []string{
		"https://%s/handshake", // never answered
		"http://%s/header", "http://%s/interim", "http://%s/body",
	} {
		begin := time.Now()
		_, err := c.Get(t.Context(), fmt.Sprintf(target, listener.Addr()), Want{})
		if err == nil || time.Since(begin) > time.Minute {
			t.Errorf("%s: %v after %v", target, err, time.Since(begin))
		}
	}
}

// drip answers with a few bytes at a time and no end.
func drip(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, 4096)
	n, _ := conn.Read(request)
	begin, more := "", ""
	switch line := string(request[:n]); {
	case strings.HasPrefix(line, "GET /header"):
		begin, more = "HTTP/1.1 200 OK\r\n", "A: b\r\n"
	case strings.HasPrefix(line, "GET /interim"):
		more = "HTTP/1.1 103 Early Hints\r\n\r\n"
	case strings.HasPrefix(line, "GET /body"):
		begin, more = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"
	}
	io.WriteString(conn, begin)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		conn.SetReadDeadline(time.Now())
		if _, err := conn.Read(request); errors.Is(err, io.EOF) {
			return
		}
		if _, err := io.WriteString(conn, more); err != nil {
			return
		}
	}
}

func TestTLS(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {}
	server, c := serve(t, answer)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	old := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	t.Cleanup(old.Close)
	plain := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(plain.Close)

	stranger := newClient(t, Config{AllowPrivateNetworks: loopback})
	trusting := newClient(t, Config{AllowPrivateNetworks: loopback, RootCAs: rootsOf(server), Resolver: resolver(t, "127.0.0.1")})
	for name, get := range map[string]func() error{
		"an unknown authority":          func() error { return get(t, stranger, server.URL) },
		"the certificate of another":    func() error { return get(t, trusting, "https://other.test:"+port) },
		"TLS 1.1":                       func() error { return get(t, c, old.URL) },
		"https on a plain server":       func() error { return get(t, c, "https://"+plain.Listener.Addr().String()) },
		"plain http on an https server": func() error { return get(t, c, "http://"+server.Listener.Addr().String()) },
	} {
		if err := get(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := get(t, trusting, "https://example.com:"+port); err != nil { // httptest's name
		t.Error(err)
	}
	if err := get(t, c, plain.URL); err != nil {
		t.Errorf("plain http in an allowed network: %v", err)
	}
}

func get(t *testing.T, c *Client, rawURL string) error {
	t.Helper()
	_, err := c.Get(t.Context(), rawURL, Want{})
	return err
}

func TestPostForm(t *testing.T) {
	server, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/redirect":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		case r.Method != http.MethodPost || r.PostFormValue("logout_token") != "a b" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	form := url.Values{"logout_token": {"a b"}}
	if status, err := c.PostForm(t.Context(), server.URL, form); status != http.StatusOK || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if status, err := c.PostForm(t.Context(), server.URL, nil); status != http.StatusBadRequest || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	if _, err := c.PostForm(t.Context(), server.URL+"/redirect", form); !errors.Is(err, ErrStatus) {
		t.Errorf("redirect: %v", err)
	}
	if _, err := c.PostForm(t.Context(), "https://127.1/", form); !errors.Is(err, ErrURL) {
		t.Errorf("another spelling of loopback: %v", err)
	}
}

// No variable of the environment can put somebody in between.
func TestNoProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	_, c := serve(t, nil)
	for _, client := range []*http.Client{c.secure, c.plain} {
		if client.Transport.(*http.Transport).Proxy != nil {
			t.Error("there is a proxy")
		}
	}
}

func TestRoots(t *testing.T) {
	server, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := errors.Join(os.WriteFile(good, block, 0o600), os.WriteFile(empty, []byte("no certificate"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, filepath.Join(dir, "missing")} {
		if _, err := Roots(file); err == nil {
			t.Errorf("%s is taken", file)
		}
	}
	if roots, err := Roots(""); roots != nil || err != nil {
		t.Errorf("without a file: %v, %v", roots, err)
	}
	roots, err := Roots(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, newClient(t, Config{AllowPrivateNetworks: loopback, RootCAs: roots}), server.URL); err != nil {
		t.Error(err)
	}
}

// The limits of one call hold for the caller's own time too.
func TestCancel(t *testing.T) {
	server, c := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, server.URL, Want{}); err == nil {
		t.Error("a cancelled call was made")
	}
	if len(c.limiter.sites) != 0 || c.limiter.calls != 0 || len(c.limiter.running) != 0 {
		t.Error("it keeps its place")
	}
}
