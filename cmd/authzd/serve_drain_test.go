package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDrainEndsAStuckUpload: a request that does not end is ended at the limit, on every door, and that is no
// error; one that ends in time is answered.
func TestDrainEndsAStuckUpload(t *testing.T) {
	arrived := make(chan struct{}, 4)
	release := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if r.URL.Path == "/slow" {
			<-release
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // never ends
	})
	var doors []door
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d := door{l, &http.Server{Handler: handler}, false}
		go d.serve()
		doors = append(doors, d)
	}
	send := func(d door, request string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", d.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		<-arrived
		return conn
	}
	var stuck []net.Conn
	for _, d := range doors {
		stuck = append(stuck, send(d, "POST / HTTP/1.1\r\nHost: id\r\nContent-Length: 1000000\r\n\r\nx"))
	}
	slow := send(doors[0], "GET /slow HTTP/1.1\r\nHost: id\r\n\r\n")
	close(release)
	var log bytes.Buffer
	began := time.Now()
	if err := drain(doors, 300*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Errorf("drain: %v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("drained after %v: the test shows nothing", took)
	}
	for _, conn := range append(stuck, slow) {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Error("a connection is still open")
		}
		if conn == slow && !strings.HasPrefix(string(b), "HTTP/1.1 200") {
			t.Errorf("the request that ended in time: %q, %v", b, err)
		}
	}
	if n := strings.Count(log.String(), "level=WARN"); n != len(doors) {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}
