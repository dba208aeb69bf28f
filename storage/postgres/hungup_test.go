package postgres

import (
	"net"
	"testing"
	"time"
)

// TestHungUp: to ask costs nothing while a connection is well, since every request asks several times, and
// waits for nobody who reads from it: pgx leaves a reader behind after a write that took 15 ms.
func TestHungUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go conn.Read(make([]byte, 1))

	begun := time.Now()
	for range 1000 {
		if hungUp(conn) {
			t.Fatal("a connection that is open has been hung up")
		}
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("asked 1,000 times in %v", took)
	}
	server.Close()
	for end := time.Now().Add(time.Minute); !hungUp(conn); {
		if time.Now().After(end) {
			t.Fatal("a connection that was closed has not been hung up")
		}
	}
}
