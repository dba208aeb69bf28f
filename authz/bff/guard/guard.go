// Package guard keeps other sites from using a session of cookie mode (RFC 10017 section 6.1.3.3). A browser sends the
// session's cookie by itself; each request must show something that only a page of the frontend's own origin can
// send:
//
//	API          header X-Authzd-BFF: 1      another origin would need a preflight for it, which is never answered
//	EventStream  Sec-Fetch-Site: same-origin  EventSource can send no header; no page can set this one
//	Handshake    Origin of the frontend       WebSocket can send no header either; it also needs a ticket
//	Form         a token of the page          the caller checks it; browsers without script
//
// Sec-Fetch-Site and Origin, where they are sent, must always say the frontend's own origin. Another subdomain of the
// same site is foreign.
package guard

import (
	"net/http"
)

// Header is the header that API calls must have, with the value Value.
const (
	Header = "X-Authzd-BFF"
	Value  = "1"
)

// Kind is a kind of request.
type Kind int

const (
	API Kind = iota
	EventStream
	Handshake
	Form
)

// Error is why a request was refused. Answer 403, without any header of CORS.
type Error struct {
	Reason string // for the log and for the developer of the page; it quotes nothing of the request
}

func (e *Error) Error() string { return e.Reason }

// Check returns an *Error unless the request comes from a page of the origin, as far as its kind can show that. origin
// is the frontend's own, as browsers write it.
func Check(r *http.Request, origin string, kind Kind) error {
	site, sites := r.Header.Get("Sec-Fetch-Site"), len(r.Header.Values("Sec-Fetch-Site"))
	from, froms := r.Header.Get("Origin"), len(r.Header.Values("Origin"))
	own := r.Header.Values(Header)
	switch {
	case sites > 1 || froms > 1 || len(own) > 1:
		return &Error{"a header of the browser is there twice"}
	case sites == 1 && site != "same-origin":
		return &Error{"Sec-Fetch-Site is not same-origin: the request comes from another site"}
	case froms == 1 && from != origin:
		return &Error{"Origin is not the frontend's own"}
	case kind == API && (len(own) == 0 || own[0] != Value):
		return &Error{"the header " + Header + ": " + Value + " is missing"}
	case kind == EventStream && sites == 0:
		return &Error{"Sec-Fetch-Site is missing: the browser is too old for an event stream without the header " + Header}
	case kind == Handshake && froms == 0:
		return &Error{"Origin is missing"}
	case kind == Form && sites+froms == 0:
		return &Error{"Origin and Sec-Fetch-Site are missing"}
	}
	return nil
}
