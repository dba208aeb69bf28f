package bff

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// refusal is an error that the caller may know.
type refusal struct {
	status     int
	code, text string
	cause      error         // for the log
	retry      time.Duration // for Retry-After; 0: none
	again      string        // where the button of the page leads; empty: there is none
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.cause }

func refuse(status int, code, text string) *refusal {
	return &refusal{status: status, code: code, text: text}
}

func (e *refusal) because(cause error) *refusal {
	e.cause = cause
	return e
}

// answer is the one exit for errors: it says what the caller may know, and logs the rest. A person gets a page, a
// program JSON.
func (b *BFF) answer(w http.ResponseWriter, r *http.Request, err error) {
	e := known(err)
	observe.Event(r.Context()).SetError(e.code, e.text, e.cause)
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retry+time.Second-1)/time.Second)))
	}
	w.Header().Set("Cache-Control", "no-store")
	if isForPerson(r) {
		b.errorPage(w, r, e)
		return
	}
	writeJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.text})
}

// known turns every error into one that can be answered.
func known(err error) *refusal {
	var e *refusal
	var foreign *guard.Error
	var away *websession.UnavailableError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &foreign):
		return refuse(http.StatusForbidden, "foreign_request", foreign.Reason)
	case errors.Is(err, websession.ErrNone), errors.Is(err, websession.ErrEnded):
		return refuse(http.StatusUnauthorized, "login_required", "there is no session: sign in again")
	case errors.Is(err, websession.ErrCookies):
		return refuse(http.StatusRequestHeaderFieldsTooLarge, "too_many_cookies", "the browser sends too many cookies: remove those of this site")
	case errors.As(err, new(*websession.TooLargeError)):
		return refuse(http.StatusInternalServerError, "session_too_large", "the sign-in worked, but this app cannot keep what the sign-in service says about you: its operator must look at the log").because(err)
	case errors.As(err, &away):
		e := refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "the sign-in service cannot be asked now; try again in a moment").because(err)
		e.retry = away.RetryAfter
		return e
	case provider.Unavailable(err) && errors.As(err, new(*provider.Refusal)):
		return unavailable(err)
	}
	// Such as a store that is away. Nobody is signed out by it.
	e = refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "this app cannot answer now; try again in a moment").because(err)
	e.retry = time.Second
	return e
}

func unavailable(err error) *refusal {
	e := refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "the sign-in service cannot be reached now; try again in a moment").because(err)
	e.retry = 5 * time.Second
	return e
}

// isForPerson reports whether the answer is shown by the browser, and not read by a script.
func isForPerson(r *http.Request) bool {
	if r.Header.Get(guard.Header) != "" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only plain values get here
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // if the client has gone, there is nobody to tell
}
