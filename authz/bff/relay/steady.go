package relay

import (
	"io"
	"net/http"
	"time"
)

// A transfer may take longer than a server allows for its own answers, and a stream may be silent for long. But a
// client that has begun to send or to take something must go on.

// usualStall is how long a client may send nothing in the middle of a body, or take nothing of an answer.
const usualStall = 60 * time.Second

// steadyBody is the body of a request that goes to an API as it comes.
type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
}

func (b *steadyBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.stall)) // a writer without deadlines has none to be lifted
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{}) // from now on the server only looks whether the client has gone
	}
	return n, err
}

// steadyWriter takes an answer.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *steadyWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	return w.ResponseWriter.Write(p)
}

// steady lifts the server's deadlines from an exchange with an API.
func (p *Relay) steady(w http.ResponseWriter, r *http.Request, x *exchange) http.ResponseWriter {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	if !x.kept {
		r.Body = &steadyBody{r.Body, control, p.stall}
	}
	return &steadyWriter{w, control, p.stall}
}
