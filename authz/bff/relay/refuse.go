package relay

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// refusal is the answer to a request that does not reach an API, or whose answer does not reach the page.
type refusal struct {
	status      int
	code        string // for the page's script
	description string // for people
	location    string // where the page has to send the browser, if it helps
	retryAfter  time.Duration
	close       bool  // the connection is not used again
	cause       error // for the log
}

func (f *refusal) Error() string { return f.description }
func (f *refusal) Unwrap() error { return f.cause }

// refuse returns a refusal. After a bad request the connection is closed: its end may not be where it seems to be.
func refuse(status int, code, description string) *refusal {
	return &refusal{status: status, code: code, description: description, close: status == http.StatusBadRequest}
}

// noSession is for a request that needs a user who is signed in.
func noSession() *refusal {
	return refuse(http.StatusUnauthorized, "login_required", "nobody is signed in")
}

// asRefusal says what an error means for the page. An error that nobody has classified is ours.
func asRefusal(err error) *refusal {
	var f *refusal
	var away *websession.UnavailableError
	var foreign *guard.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &foreign):
		return refuse(http.StatusForbidden, "foreign_request", foreign.Reason)
	case errors.Is(err, websession.ErrNone), errors.Is(err, websession.ErrEnded):
		return noSession()
	case errors.Is(err, websession.ErrCookies):
		return refuse(http.StatusRequestHeaderFieldsTooLarge, "invalid_request", "the request has more cookies than any browser sends by itself")
	case errors.As(err, &away):
		return &refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			description: "no token can be had now, try again later", retryAfter: max(away.RetryAfter, time.Second), cause: err}
	}
	return &refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
		description: "the session can't be read now, try again later", retryAfter: time.Second, cause: err}
}

// answer writes a refusal, and notes it in the request's event.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	f := asRefusal(err)
	observe.Event(r.Context()).SetError(f.code, f.description, f.cause)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.close {
		h.Set("Connection", "close")
	}
	w.WriteHeader(f.status)
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Location    string `json:"location,omitempty"`
	}{f.code, f.description, f.location}
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}
