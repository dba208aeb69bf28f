package relay_test

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz/bff/relay"
)

// An API with TLS is called by HTTP/2, a WebSocket of it by HTTP/1.1, and one with an unknown certificate not at all.
func TestAPIWithTLS(t *testing.T) {
	seen := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Proto
		if r.Header.Get("Upgrade") == "" {
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		kind, message, err := c.Read(context.Background())
		if err == nil {
			_ = c.Write(context.Background(), kind, message)
			_, _, _ = c.Read(context.Background())
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	rt := relay.Route{Path: "/api/", URL: server.URL + "/", WebSocket: true}
	s := newSite(t, func(c *relay.Config) { c.RootCAs = roots }, rt)
	if got := s.get(t, "/api/x"); got.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if proto := <-seen; proto != "HTTP/2.0" {
		t.Errorf("a call came by %s", proto)
	}
	say(t, s.mustDial(t, "/api/x"), "hello")
	if proto := <-seen; proto != "HTTP/1.1" {
		t.Errorf("a WebSocket came by %s", proto)
	}
	if got := newSite(t, nil, rt).get(t, "/api/x"); got.StatusCode != http.StatusBadGateway || strings.Contains(got.body, "x509") {
		t.Errorf("an unknown certificate: %d %s", got.StatusCode, got.body)
	}
}

// A browser that speaks HTTP/2 gets the same.
func TestBrowserWithHTTP2(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // a stream that is silent for long
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				_, _ = io.WriteString(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
				<-time.After(700 * time.Millisecond)
			}
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		w.Header().Set("X-Sum", "7")
	})
	s := newSite(t, func(c *relay.Config) { c.URL = "https://app.example.com" }, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}, WebSocket: true})
	front := httptest.NewUnstartedServer(s.Relay)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	for _, known := range []bool{true, false} {
		r := s.request(t, "/api/x", io.LimitReader(zeros{}, 1<<20))
		r.URL.Scheme, r.URL.Host, r.Host = "https", strings.TrimPrefix(front.URL, "https://"), "app.example.com"
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if known {
			r.ContentLength = 1 << 20
		}
		resp, err := front.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK || n != 1<<20 || err != nil || resp.Trailer.Get("X-Sum") != "7" {
			t.Errorf("%s %s: %d bytes, %v, trailer %v", resp.Proto, resp.Status, n, err, resp.Trailer)
		}
		seen := a.last(t).Header
		if seen.Get("X-Forwarded-Proto") != "https" || seen.Get("X-Forwarded-Host") != "app.example.com" {
			t.Errorf("the API got %v", seen)
		}
	}

	s.SetStall(500 * time.Millisecond)
	r := s.request(t, "/api/x", nil)
	r.URL.Scheme, r.URL.Host, r.Host = "https", strings.TrimPrefix(front.URL, "https://"), "app.example.com"
	resp, err := front.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || string(text) != strings.Repeat("data: x\n\n", 3) || err != nil {
		t.Errorf("%s: %q, %v", resp.Proto, text, err)
	}
}
