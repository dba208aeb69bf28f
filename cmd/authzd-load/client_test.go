package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestConn(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			w.Header().Set("Location", "https://app.example.com/callback?code=1")
			w.WriteHeader(http.StatusSeeOther)
		case "/chunked":
			w.Write([]byte(long))
			w.(http.Flusher).Flush()
			w.Write([]byte(long))
		case "/close":
			w.Header().Set("Connection", "close")
		default:
			w.Write([]byte("hello"))
		}
	}))
	t.Cleanup(server.Close)
	u := &user{target: &target{addr: server.Listener.Addr().String()}}
	u.conn.addr = u.target.addr
	t.Cleanup(u.close)

	for range 2 { // on the same connection
		r, err := u.do(u.get("/", ""))
		if err != nil || r.status != 200 || string(r.body) != "hello" {
			t.Errorf("%d %q, %v", r.status, r.body, err)
		}
		r, err = u.do(u.get("/redirect", ""))
		if err != nil || r.status != 303 || r.location != "https://app.example.com/callback?code=1" || len(r.body) > 0 {
			t.Errorf("%d to %q with %q, %v", r.status, r.location, r.body, err)
		}
		r, err = u.do(u.get("/chunked", ""))
		if err != nil || string(r.body) != long+long {
			t.Errorf("%d bytes in chunks, %v", len(r.body), err)
		}
	}
	if r, err := u.do(u.get("/close", "")); err != nil || r.status != 200 {
		t.Errorf("%d, %v", r.status, err)
	}
	if _, err := u.do(u.get("/", "")); err == nil {
		t.Error("an answer came over a connection that was closed")
	}
	if r, err := u.do(u.get("/", "")); err != nil || r.status != 200 {
		t.Errorf("no new connection after an error: %d, %v", r.status, err)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 303 See Other\r\nLocation: https://app.example.com/\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1\r\n\r\n", "\n", "",
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		near, far := net.Pipe()
		go func() {
			far.Read(make([]byte, 100))
			far.Write(answer)
			far.Close()
		}()
		c := newConn("", near)
		defer c.close()
		r, err := c.roundTrip([]byte("GET / HTTP/1.1\r\n\r\n"))
		if err == nil && (len(r.body) > maxBody || !bytes.Contains(answer, r.body) && !bytes.Contains(answer, []byte("chunked"))) {
			t.Errorf("%d bytes, which the answer does not hold", len(r.body))
		}
	})
}

func TestMember(t *testing.T) {
	object := []byte(`{"access_token":"a.b-c_d","expires_in":900,"refresh_token":"azr_x"}`)
	for name, want := range map[string]string{"access_token": "a.b-c_d", "refresh_token": "azr_x"} {
		if got, err := member(object, name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"id_token", "expires_in", ""} {
		if got, err := member(object, name); err == nil {
			t.Errorf("%s: %q, want an error", name, got)
		}
	}
	if got, err := member([]byte(`{"token":"never ends`), "token"); err == nil {
		t.Errorf("%q, want an error", got)
	}
}
