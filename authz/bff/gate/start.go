package gate

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// serveStart answers on the gate's own host: it hands the session over to the site, or sends a person without one to sign
// in first. What it is given it does not trust: a code is worth nothing without the transaction's cookie.
func (g *Gate) serveStart(w http.ResponseWriter, r *http.Request) {
	event := observe.Event(r.Context())
	event.SetRoute("gate_start")
	if !onHost(r, g.host) {
		http.NotFound(w, r)
		return
	}
	if !isVisit(w, r) {
		return
	}
	query := r.URL.Query()
	s := g.sites[query.Get("host")]
	id := query.Get("tx")
	if s == nil || len(id) != transactionIDLen || len(query["host"]) != 1 || len(query["tx"]) != 1 {
		event.SetError("invalid_request", "", nil)
		writePage(w, http.StatusBadRequest, pageUnknown)
		return
	}
	session, err := g.Sessions.Find(r)
	switch {
	case errors.Is(err, websession.ErrNone) && query.Has("again"):
		event.SetError("cookies_refused", "", nil)
		writePage(w, http.StatusBadRequest, pageNoCookies)
		return
	case errors.Is(err, websession.ErrNone):
		back := url.Values{"host": {s.host}, "tx": {id}, "again": {"1"}}
		w.Header().Set("Location", g.Login("/gate/start?"+back.Encode()))
		w.WriteHeader(http.StatusSeeOther)
		return
	case err != nil:
		g.fail(w, r, err)
		return
	}
	event.SetSubject(session.Subject)
	code, err := g.handOver(r.Context(), s, session, id)
	if err != nil {
		g.fail(w, r, err)
		return
	}
	w.Header().Set("Location", s.url+"/gate/enter?"+url.Values{"code": {code}, "tx": {id}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// serveFront answers at the root of the gate's own host, where people come after they have signed out.
func (g *Gate) serveFront(w http.ResponseWriter, r *http.Request) {
	observe.Event(r.Context()).SetRoute("gate_front")
	if !isVisit(w, r) {
		return
	}
	_, err := g.Sessions.Find(r)
	switch {
	case errors.Is(err, websession.ErrNone):
		writePage(w, http.StatusOK, pageOut)
	case err != nil:
		g.fail(w, r, err)
	default:
		writePage(w, http.StatusOK, pageIn)
	}
}

// transactionIDLen is the length of a SHA-256 as unpadded base64url.
const transactionIDLen = 43

// isVisit reports whether a person visits a page of the gate; if not, it has answered. A frame, an image or a script
// cannot start or end a hand-over.
func isVisit(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet {
		h.Set("Allow", "GET")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return false
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		observe.Event(r.Context()).SetError("no_navigation", "", nil)
		http.Error(w, "this address is for people only", http.StatusForbidden)
		return false
	}
	return true
}

// onHost reports whether a request is for a host, under either scheme: the proxy in front may have ended TLS.
func onHost(r *http.Request, host string) bool {
	for _, scheme := range []string{"https", "http"} {
		if normal, ok := normalHost(r.Host, scheme); ok && normal == host {
			return true
		}
	}
	return false
}

// fail answers that the gate cannot do its work now.
func (g *Gate) fail(w http.ResponseWriter, r *http.Request, err error) {
	observe.Event(r.Context()).SetError("unavailable", "", err)
	w.Header().Set("Retry-After", "1")
	writePage(w, http.StatusServiceUnavailable, pageBroken)
}
