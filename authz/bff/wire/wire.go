// Package wire refuses requests of HTTP/1.1 whose end, or whose headers, two programs could see in different places
// (request smuggling, RFC 9112 section 11.2). net/http joins folded lines, and drops Content-Length where there is a
// Transfer-Encoding too: it is right to do so for itself, and a proxy in front of it may do something else.
//
//	listener -> conn.Read: the bytes -> scanner: head -> its lines -> how long is the body -> body -> head …
//	                          |                    |
//	                          v                    '-- folded line, both lengths, two lengths, another coding
//	                       net/http <- error: it answers 400 and closes the connection
//
// It is for listeners of plain HTTP, behind a proxy. Browsers that come by TLS speak HTTP/2, which has no such doubt.
package wire

import (
	"errors"
	"io"
	"net"
)

// Listener returns a listener whose connections are watched. Give it to http.Server.Serve.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// errAmbiguous is no error of a network, so that net/http answers with 400.
var errAmbiguous = errors.New("the request can be read in two ways")

// conn is a connection whose requests are looked at as they are read.
type conn struct {
	net.Conn
	scanner scanner
	refused bool
}

// Read returns no byte of a request that is refused, except for what came before it was clear.
func (c *conn) Read(b []byte) (int, error) {
	if c.refused {
		return 0, errAmbiguous
	}
	n, err := c.Conn.Read(b)
	if good, ok := c.scanner.scan(b[:n]); !ok {
		c.refused = true
		if good > 0 { // requests before it
			return good, nil
		}
		return 0, errAmbiguous
	}
	return n, err
}

// ReadFrom lets the system copy files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets a server close so that the client sees its last answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Hijacked says that the connection no longer speaks HTTP. Call it before anything else is read.
func (c *conn) Hijacked() { c.scanner.state = inOther }
