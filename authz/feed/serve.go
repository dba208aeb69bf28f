package feed

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/revocation"
)

const (
	// MaxWait is the longest value of the parameter wait, in seconds.
	MaxWait = 25
	// fullAtOnce is how many complete lists are sent at the same time. Others wait as long as one may take.
	fullAtOnce = 100
	// sendTimeout is how long a follower may take to read an answer.
	sendTimeout = 10 * time.Second
)

// Serve is the endpoint /revocations. Parameters:
//
//	after   the cursor of the last document, epoch.seq. Without a valid one of late, the answer is the complete list
//	wait    seconds, 0 to MaxWait, to wait for a change
//
// The answer is a compact JWS. Its ETag is the cursor.
func (f *Feed) Serve(w http.ResponseWriter, r *http.Request) error {
	params, err := f.params(w, r)
	if err != nil {
		return err
	}
	wait, err := waitOf(params)
	if err != nil {
		return err
	}
	after, err := revocation.ParseCursor(params.Get("after"))
	if err != nil {
		after = revocation.Cursor{}
	}
	p, err := f.answer(r.Context(), after, wait)
	observe.Event(r.Context()).SetQuiet()
	if r.Context().Err() != nil { // the follower has gone
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = oauth.Refuse(oauth.TemporarilyUnavailable, "The list of revocations can't be read now.").Because(err)
	}
	if err != nil {
		return err
	}
	return f.send(w, r, p, params.Has("wait"))
}

func (f *Feed) params(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if f.config.Authenticate != nil {
		return f.config.Authenticate(w, r)
	}
	return oauth.RequestQuery(r)
}

// waitOf returns the parameter wait. A longer one is cut.
func waitOf(params url.Values) (time.Duration, error) {
	if !params.Has("wait") {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(params.Get("wait"), 10, 31)
	if err != nil {
		return 0, oauth.Refuse(oauth.InvalidRequest, "The parameter wait must be a number of seconds, 0 to "+strconv.Itoa(MaxWait)+".")
	}
	return time.Duration(min(seconds, MaxWait)) * time.Second, nil
}

func (f *Feed) send(w http.ResponseWriter, r *http.Request, p *publication, waited bool) error {
	h, etag := w.Header(), `"`+p.Cursor.String()+`"`
	h.Set("ETag", etag)
	switch {
	case waited:
		h.Set("Cache-Control", "no-store")
	case f.config.Authenticate == nil:
		h.Set("Cache-Control", "public, max-age=1")
	}
	if !waited && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		f.counts.unchanged.Add(1)
		return nil
	}
	if p.delta {
		f.counts.deltas.Add(1)
	} else {
		f.counts.full.Add(1)
		if err := f.takePlace(r.Context()); err != nil {
			return err
		}
		defer func() { <-f.places }()
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(sendTimeout)) // fails only if the client has gone
	h.Set("Content-Type", "application/"+revocation.Type)
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	_, _ = w.Write(p.body) // fails only if the client has gone
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
	return nil
}

// takePlace waits until the complete list may be sent to one more.
func (f *Feed) takePlace(ctx context.Context) error {
	over := time.NewTimer(sendTimeout)
	defer over.Stop()
	select {
	case f.places <- struct{}{}:
		return nil
	case <-over.C:
		busy := oauth.Refuse(oauth.TemporarilyUnavailable, "Too many load the complete list of revocations now.")
		busy.RetryAfter = time.Second
		return busy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// counts are totals since the start.
type counts struct{ signatures, full, deltas, unchanged atomic.Int64 }

// Status returns what the metrics show.
func (f *Feed) Status() observe.Feed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return observe.Feed{
		Entries: len(f.live(0)), Waiting: len(f.waiting), Window: time.Duration(f.window.Load()) * time.Second,
		Signatures: f.counts.signatures.Load(), Full: f.counts.full.Load(), Deltas: f.counts.deltas.Load(), Unchanged: f.counts.unchanged.Load(),
	}
}
