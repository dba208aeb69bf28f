package gate

import (
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// serveEnter answers on a site's host: it gives the browser that began the transaction a cookie of the
// site. Another browser has no
// cookie of it, so a link with somebody's code signs nobody in.
func (g *Gate) serveEnter(w http.ResponseWriter, r *http.Request) {
	event := observe.Event(r.Context())
	event.SetRoute("gate_enter")
	s := g.siteOf(r)
	if s == nil {
		http.NotFound(w, r)
		return
	}
	if !isVisit(w, r) {
		return
	}
	t := g.transactionWith(r, s, r.URL.Query().Get("tx"))
	if t == nil {
		if err := g.burn(r.Context(), r.URL.Query().Get("code")); err != nil {
			g.fail(w, r, err)
			return
		}
		g.withoutTransaction(w, r, s)
		return
	}
	g.setCookie(w, t.name, "", -1)
	session, err := g.redeem(r.Context(), s, r.URL.Query().Get("code"), t)
	if err == nil {
		err = g.Sessions.Lend(r.Context(), w, session, s.host)
	}
	switch {
	case errors.Is(err, websession.ErrNone):
		event.SetError("invalid_handover", "", nil)
		g.Refused(r, "invalid_handover")
		writePage(w, http.StatusBadRequest, pageStale)
	case err != nil:
		g.fail(w, r, err)
	default:
		event.SetSubject(session.Subject)
		w.Header().Set("Location", s.url+t.Target)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// siteOf returns the site whose host a request is for, nil if it is none.
func (g *Gate) siteOf(r *http.Request) *site {
	for _, scheme := range []string{"https", "http"} {
		host, ok := normalHost(r.Host, scheme)
		if s := g.sites[host]; ok && s != nil && s.scheme() == scheme {
			return s
		}
	}
	return nil
}

// transactionWith returns the transaction with an id that this browser has begun at a site, nil if there is none.
func (g *Gate) transactionWith(r *http.Request, s *site, id string) *transaction {
	all, _ := g.transactions(r)
	for _, t := range all {
		if t.id() == id && t.live(s) {
			return t
		}
	}
	return nil
}

// withoutTransaction answers a browser that has no such transaction: it took longer than ten minutes, another tab was
// faster, or the link is somebody else's. If the browser is signed in, there is nothing to do.
func (g *Gate) withoutTransaction(w http.ResponseWriter, r *http.Request, s *site) {
	if _, err := g.find(r, s); err == nil {
		w.Header().Set("Location", s.url+"/")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	observe.Event(r.Context()).SetError("no_transaction", "", nil)
	g.Refused(r, "no_transaction")
	writePage(w, http.StatusBadRequest, pageStale)
}
