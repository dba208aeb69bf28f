package relay

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/websession"
)

// farewell is how long each step of an end may take: until the frame under way has ended, and until the browser has
// answered. Then the connection is cut.
const farewell = 500 * time.Millisecond

// errEnded is what the copier of a direction gets after the relay has put in its close frame.
var errEnded = errors.New("the socket was closed by the relay")

// socket is a WebSocket through the relay. ReverseProxy copies its bytes as they are, so that extensions, fragments,
// pings and codes are what browser and API agree on. The relay follows the frames only to know where it can put in a
// close frame of its own.
type socket struct {
	relay   *Relay
	session *websession.Session // that the ticket was bound to; nil: a development server's, which has none
	offered []string            // sub-protocols for the API
	echo    string              // answered if the app offers none

	user, api *side
	open      chan struct{} // closed when the browser's connection is closed
}

// open answers the handshake of a WebSocket. All refusals come before 101.
func (p *Relay) open(w http.ResponseWriter, r *http.Request, rt *route, raw string) error {
	if !rt.WebSocket {
		return refuse(http.StatusBadRequest, "invalid_request", "there is no WebSocket at this path")
	}
	if err := guard.Check(r, p.ownOrigin(), guard.Handshake); err != nil {
		return err
	}
	session, err := p.config.Sessions.Find(r)
	if err != nil {
		return err
	}
	known(r, session)
	shown, err := readTicket(r, rt)
	if err != nil {
		return err
	}
	if err := p.redeem(r.Context(), shown.ticket, session, bound(raw, shown.query)); err != nil {
		if refused := new(refusal); errors.As(err, &refused) {
			p.config.TicketRefused(r, session)
		}
		return err
	}
	forToken := session
	if !rt.wantsUser() {
		forToken = nil
	}
	x, err := p.newExchange(r, rt, forToken, raw, shown.query)
	if err != nil {
		return err
	}
	defer x.cancel()
	x.kept = true // there is no body
	x.socket = &socket{relay: p, session: session, offered: shown.offered, echo: shown.echo, open: make(chan struct{})}
	p.sending[rt].proxy.ServeHTTP(&socketWriter{w, x.socket}, r.WithContext(x.ctx))
	return nil
}

// prepare says which sub-protocols the API may choose. The ticket is not among them.
func (s *socket) prepare(h http.Header) {
	h.Del("Sec-Websocket-Protocol")
	for _, protocol := range s.offered {
		h.Add("Sec-Websocket-Protocol", protocol)
	}
}

// opened takes the API's connection from its answer, 101.
func (s *socket) opened(answer *http.Response) error {
	conn, ok := answer.Body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("the connection to the API can't be written to")
	}
	if len(s.offered) == 0 && s.echo != "" { // otherwise browsers fail a connection for which they have offered one
		answer.Header.Set("Sec-Websocket-Protocol", s.echo)
	}
	s.api = newSide(conn)
	answer.Body = s.api
	return nil
}

// socketWriter gives ReverseProxy the browser's connection.
type socketWriter struct {
	http.ResponseWriter
	socket *socket
}

func (w *socketWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *socketWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if watched, ok := conn.(interface{ Hijacked() }); ok { // by package wire
		watched.Hijacked()
	}
	w.socket.user = newSide(conn)
	return &userConn{Conn: conn, socket: w.socket, early: rw.Reader}, rw, nil
}

// watch closes the socket when the session ends, and when the relay does.
func (s *socket) watch(conn net.Conn) {
	var ended <-chan struct{}
	if s.session != nil {
		var stop func()
		ended, stop = s.relay.config.Sessions.Ended(s.session)
		defer stop()
	}
	select {
	case <-ended:
		s.end(conn, closeEnded, "the session has ended")
	case <-s.relay.closing:
		s.end(conn, closeGoingAway, "the server is restarting")
	case <-s.open:
	}
}

// end sends both sides a close frame, and lets the copiers stop.
func (s *socket) end(conn net.Conn, code uint16, reason string) {
	_ = conn.SetWriteDeadline(time.Now().Add(farewell)) // a browser that reads nothing holds nobody up
	cut := time.AfterFunc(farewell, func() { s.api.conn.Close() })
	defer cut.Stop()
	var both sync.WaitGroup
	both.Go(func() { s.api.end(closeFrame(code, reason, true)) })
	both.Go(func() { s.user.end(closeFrame(code, reason, false)) })
	both.Wait()
	_ = conn.SetReadDeadline(time.Unix(1, 0)) // the copier from the browser stops, and ReverseProxy closes the connection
}

// userConn is the browser's connection, as ReverseProxy sees it.
type userConn struct {
	net.Conn
	socket *socket
	early  *bufio.Reader // may have what came before the 101
	watch  sync.Once
	close  sync.Once
}

func (c *userConn) Read(b []byte) (int, error) {
	c.watch.Do(func() { go c.socket.watch(c.Conn) }) // the 101 is sent before anything is read
	if c.early.Buffered() > 0 {
		return c.early.Read(b[:min(len(b), c.early.Buffered())])
	}
	return c.Conn.Read(b)
}

func (c *userConn) Write(b []byte) (int, error) { return c.socket.user.Write(b) }

func (c *userConn) CloseWrite() error { return c.socket.user.CloseWrite() }

// Close closes the connection. After a close frame of ours it first waits for the browser's answer: if unread bytes
// were left, the system would reset the connection, and the browser might never see our code.
func (c *userConn) Close() error {
	c.close.Do(func() {
		close(c.socket.open)
		if c.socket.user.ending() {
			c.socket.user.wait()
			_ = c.socket.user.CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(farewell))
			_, _ = io.Copy(io.Discard, c.Conn)
		}
	})
	return c.Conn.Close()
}
