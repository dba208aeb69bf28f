package relay

import (
	"io"
	"sync"
	"time"
)

// side is what is sent to one end of a socket.
type side struct {
	conn io.ReadWriteCloser
	said chan struct{} // closed after our close frame, or if it can't be sent

	mu     sync.Mutex
	frames frames
	last   []byte // the close frame to be sent when the present frame has ended; nil: none
	over   bool   // said is closed
}

func newSide(conn io.ReadWriteCloser) *side { return &side{conn: conn, said: make(chan struct{})} }

func (s *side) Read(b []byte) (int, error) { return s.conn.Read(b) }
func (s *side) Close() error               { return s.conn.Close() }

// Write passes on bytes of any number of frames. Once end was called, it passes on the rest of the present one only.
func (s *side) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return 0, errEnded
	case s.last == nil:
		for rest := b; len(rest) > 0; rest = rest[s.frames.next(rest):] {
		}
		return s.conn.Write(b)
	}
	n, err := s.conn.Write(b[:s.frames.next(b)])
	if err == nil && s.frames.whole() {
		s.sayLast()
		err = errEnded
	}
	return n, err
}

// end sends a close frame as soon as no frame is under way, and waits for that. If another was passed on already, it
// sends none.
func (s *side) end(last []byte) {
	s.mu.Lock()
	s.last = last
	if s.frames.whole() {
		s.sayLast()
	}
	s.mu.Unlock()
	s.wait()
}

// wait waits until our close frame was sent, but not for long.
func (s *side) wait() {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-s.said:
	case <-timer.C:
	}
}

func (s *side) sayLast() {
	if s.over {
		return
	}
	if !s.frames.shut {
		_, _ = s.conn.Write(s.last) // if it fails, the connection has gone anyway
	}
	s.over = true
	close(s.said)
}

// ending reports whether end was called.
func (s *side) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil
}

// CloseWrite passes on that the other end sends nothing more.
func (s *side) CloseWrite() error {
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
