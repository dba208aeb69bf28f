package observe

import "net/http"

// response counts what is written through it. It has Flush, and Unwrap, so that http.ResponseController finds
// everything below.
type response struct {
	http.ResponseWriter
	status int // 0: nothing sent yet
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	// Informational answers (RFC 9110 section 15.2) precede the real one; 101 is final.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush implements http.Flusher for callers that don't use http.ResponseController. Like that interface it
// can't report that the writer below has no flush.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is called by http.ResponseController.Flush.
func (w *response) FlushError() error {
	if w.status == 0 { // flushing sends the header
		w.status = http.StatusOK
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
