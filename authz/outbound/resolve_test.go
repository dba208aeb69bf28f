package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver answers every query for an address with the next of these, and the last one for ever; without
// any, no name is known.
func resolver(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	n := &names{}
	for _, answer := range answers {
		n.answers = append(n.answers, netip.MustParseAddr(answer))
	}
	return &net.Resolver{PreferGo: true, Dial: n.dial}
}

// names is a name server of one zone, ours: it may say one thing now and another in a moment.
type names struct {
	mu      sync.Mutex
	answers []netip.Addr
}

// dial returns a connection to the name server. Messages have a length before them, as over TCP.
func (n *names) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go n.serve(there)
	return here, nil
}

func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	length := make([]byte, 2)
	for {
		if _, err := io.ReadFull(conn, length); err != nil {
			return
		}
		query := make([]byte, int(length[0])<<8|int(length[1]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer := n.answer(query)
		if _, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

// answer knows the current address, if it is of the kind that is asked for.
func (n *names) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	n.mu.Lock()
	defer n.mu.Unlock()
	addr := netip.Addr{}
	if len(n.answers) > 0 {
		addr = n.answers[0]
	} else {
		m.RCode = dnsmessage.RCodeNameError
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}
	switch {
	case q.Type == dnsmessage.TypeA && addr.Is4():
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && addr.Is6():
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
	}
	if len(m.Answers) > 0 && len(n.answers) > 1 {
		n.answers = n.answers[1:]
	}
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// A name may resolve to anything; what counts is the address that is dialled.
func TestNamesOfBlockedAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::", "fd00::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"} {
		c := newClient(t, Config{Resolver: resolver(t, addr), Timeout: 2 * time.Second})
		for _, host := range []string{"inner.example", "localhost.example.", "localhost.", "a.localhost", "intranet"} {
			if _, err := c.Get(t.Context(), "https://"+host+"/", Want{}); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s at %s: %v", host, addr, err)
			}
		}
	}
	c := newClient(t, Config{})
	for _, host := range []string{"localhost", "LOCALHOST"} { // by the hosts file
		if _, err := c.Get(t.Context(), "https://"+host+"/", Want{}); !errors.Is(err, ErrBlocked) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// There is no such name.
func TestUnknownNames(t *testing.T) {
	c := newClient(t, Config{Resolver: resolver(t), Timeout: 2 * time.Second})
	if _, err := c.Get(t.Context(), "https://inner.example/", Want{}); !errors.Is(err, ErrHost) {
		t.Error(err)
	}
}

// A name that looks public when it is checked and is loopback when it is dialled (DNS rebinding): a
// separate check before the dial would pass it.
func TestNameThatChangesItsMind(t *testing.T) {
	var reached bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fickle := resolver(t, "8.8.8.8", "127.0.0.1")
	c := newClient(t, Config{Resolver: fickle, RootCAs: rootsOf(server)})
	target := "https://example.com:" + port
	checked, err := fickle.LookupNetIP(t.Context(), "ip4", "example.com")
	if err != nil || !slices.ContainsFunc(checked, isPublic) {
		t.Fatalf("checked: %v, %v", checked, err)
	}
	if _, err := c.Get(t.Context(), target, Want{}); !errors.Is(err, ErrBlocked) {
		t.Errorf("get: %v", err)
	}
	if reached {
		t.Error("the server on loopback was reached")
	}
}

// Plain http follows a name into an allowed network, and nowhere else.
func TestPlainNames(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	inside := newClient(t, Config{AllowPrivateNetworks: loopback, Resolver: resolver(t, "127.0.0.1")})
	if err := get(t, inside, "http://inner.example:"+port); err != nil {
		t.Error(err)
	}
	outside := newClient(t, Config{AllowPrivateNetworks: loopback, Resolver: resolver(t, "8.8.8.8")})
	if err := get(t, outside, "http://outer.example:"+port); !errors.Is(err, ErrBlocked) {
		t.Errorf("plain http to a public address: %v", err)
	}
}
