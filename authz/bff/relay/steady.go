package relay

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// A transfer may take longer than a server allows for its own answers, and a stream may be silent for long. But a
// client that has begun to send or to take something must go on.

// usualStall is how long a client may send nothing in the middle of a body, or take nothing of an answer.
const usualStall = 60 * time.Second

// A deadline stands only while there is something to wait for the client: HTTP/2 ends a stream at its deadline even if
// nothing waits.

// steadyBody is the body of a request that goes to an API as it comes.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration

	mu   sync.Mutex
	over bool // the handler returns: http.Transport may still be in Read, and control must not be used any more
}

func (b *steadyBody) Read(p []byte) (int, error) {
	b.deadline(time.Now().Add(b.stall))
	defer b.deadline(time.Time{})
	return b.ReadCloser.Read(p)
}

func (b *steadyBody) deadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = b.control.SetReadDeadline(t) // a writer without deadlines has none to be lifted
	}
}

func (b *steadyBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// steadyWriter takes an answer.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *steadyWriter) Write(p []byte) (int, error) {
	defer w.wait()()
	return w.ResponseWriter.Write(p)
}

// FlushError is called by http.ResponseController.Flush.
func (w *steadyWriter) FlushError() error {
	defer w.wait()()
	return w.control.Flush()
}

// wait sets a deadline, and returns what lifts it.
func (w *steadyWriter) wait() (lift func()) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	return func() { _ = w.control.SetWriteDeadline(time.Time{}) }
}

// steady lifts the server's deadlines from an exchange with an API. Call end before the handler returns.
func (p *Relay) steady(w http.ResponseWriter, r *http.Request, x *exchange) (steady http.ResponseWriter, end func()) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	body := &steadyBody{ReadCloser: r.Body, control: control, stall: p.stall}
	if !x.kept {
		r.Body = body
	}
	return &steadyWriter{w, control, p.stall}, func() {
		body.end()
		_ = control.SetWriteDeadline(time.Now().Add(p.stall)) // for what the server still has to send
	}
}
