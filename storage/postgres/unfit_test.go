package postgres_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
)

// nameServer is the address of the name server of these tests; there is none but while atNameServer's test runs.
var nameServer atomic.Pointer[string]

// The resolver is set once, and never again: the driver may still read it in the background after Open has failed.
func init() {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		address := nameServer.Load()
		if address == nil {
			return nil, errors.New("this test has no name server")
		}
		return new(net.Dialer).DialContext(ctx, "udp", *address)
	}}
}

// atNameServer is the URL of a host that the name server, in place of this machine's own, denies, or
// says nothing about.
func atNameServer(t *testing.T, denies bool) string {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := server.LocalAddr().String()
	nameServer.Store(&address)
	t.Cleanup(func() {
		nameServer.Store(nil)
		server.Close()
	})
	go func() {
		for message := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(message)
			if err != nil {
				return
			}
			if denies { // RFC 1035 section 4.1.1: a response with the response code 3, name error
				message[2], message[3] = message[2]|0x80, message[3]&0xf0|3
				_, _ = server.WriteTo(message[:n], from)
			}
		}
	}()
	return "postgres://u:hunter2@db.example.com/d?sslmode=disable"
}

func nobodyThere(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "postgres://u:hunter2@" + l.Addr().String() + "/d?sslmode=disable"
}

// silence takes connections and says nothing.
func silence(t *testing.T) string {
	return "postgres://u:hunter2@" + answering(t, "") + "/d?sslmode=disable"
}

// answering is the address of a server that says the same to everybody.
func answering(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			if answer != "" {
				_, _ = conn.Write([]byte(answer))
				conn.Close()
			}
		}
	}()
	return l.Addr().String()
}
