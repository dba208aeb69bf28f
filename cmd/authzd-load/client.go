package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"time"
)

// conn is one keep-alive connection with as much of HTTP/1.1 (RFC 9112) as authzd's answers need. net/http's
// client costs more than the measured handlers, on the same processors.
type conn struct {
	addr string
	net  net.Conn // nil: not dialled yet
	in   *bufio.Reader
	body []byte
}

func newConn(addr string, dialled net.Conn) *conn {
	return &conn{addr: addr, net: dialled, in: bufio.NewReaderSize(dialled, 8<<10)}
}

// response is the answer to one request. body is valid until the next.
type response struct {
	status   int
	location string
	body     []byte
}

const (
	wait    = 30 * time.Second // for an answer
	maxBody = 1 << 20          // bytes
)

// do sends a request unchanged and reads the answer. After an error the next call dials again.
func (c *conn) do(request []byte) (response, error) {
	if c.net == nil {
		dialled, err := net.Dial("tcp", c.addr)
		if err != nil {
			return response{}, err
		}
		*c = *newConn(c.addr, dialled)
		c.extend()
	}
	r, err := c.roundTrip(request)
	if err != nil {
		c.close()
	}
	return r, err
}

// extend gives the connection time for the next answers. A deadline for each request would cost more than it
// is worth.
func (c *conn) extend() {
	if c.net != nil {
		c.net.SetDeadline(time.Now().Add(wait))
	}
}

func (c *conn) close() {
	if c.net != nil {
		c.net.Close()
		c.net = nil
	}
}

func (c *conn) roundTrip(request []byte) (response, error) {
	var r response
	if _, err := c.net.Write(request); err != nil {
		return r, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return r, err
	}
	if len(line) < 12 {
		return r, fmt.Errorf("malformed status line %q", line)
	}
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return r, fmt.Errorf("malformed status line %q", line)
	}
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return r, err
		}
		if line[0] == '\r' {
			break
		}
		if line[0] != 'C' && line[0] != 'T' && line[0] != 'L' { // most headers
			continue
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch string(name) { // as net/http spells them
		case "Content-Length":
			length, err = strconv.Atoi(string(value))
			if err != nil || length < 0 || length > maxBody {
				return r, fmt.Errorf("malformed length %q", value)
			}
		case "Transfer-Encoding":
			chunked = true
		case "Location":
			r.location = string(value)
		}
	}
	if chunked {
		r.body, err = c.readChunks()
		return r, err
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	_, err = io.ReadFull(c.in, c.body)
	r.body = c.body
	return r, err
}

// readChunks reads a chunked body and the empty trailer behind it (RFC 9112 section 7.1).
func (c *conn) readChunks() ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(httputil.NewChunkedReader(c.in), maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, errors.Join(errors.New("malformed chunks"), err)
	}
	if line, err := c.in.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(line)) > 0 {
		return nil, errors.Join(errors.New("unexpected trailer"), err)
	}
	return body, nil
}

// member returns a string member of a JSON object whose values need no unescaping, as tokens don't.
func member(object []byte, name string) (string, error) {
	_, rest, found := bytes.Cut(object, []byte(`"`+name+`":"`))
	value, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return "", fmt.Errorf("no %s in %.200q", name, object)
	}
	return string(value), nil
}

// expect returns an error unless the answer has the status.
func (r response) expect(status int, err error) error {
	if err == nil && r.status != status {
		err = fmt.Errorf("status %d: %.300s", r.status, r.body)
	}
	return err
}
