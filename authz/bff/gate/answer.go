package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// verdict is what a gate decides.
type verdict int

const (
	refused   verdict = iota // nobody may do that; the zero value, so that nothing is allowed by mistake
	needLogin                // perhaps allowed, if the person signs in
	broken                   // cannot be decided now
	allowed
)

// decision is a verdict with what led to it.
type decision struct {
	verdict
	request *Request            // nil: it could not be read
	site    *site               // nil: the host is unknown
	session *websession.Session // nil: there is none, or it does not matter
	code    string              // for the log: unreadable, host, rule, …
	cause   error
}

func refuse(code string, cause error) decision {
	return decision{verdict: refused, code: code, cause: cause}
}

const (
	// patience is how long the store may take. With what else is done, the gate answers within a second.
	patience = 900 * time.Millisecond
	// maxAsking bounds how many requests wait for the store at once. More could not be answered in time.
	maxAsking = 4096
)

// decide decides about a request. asked is what carries the cookies: the proxy's question, or the request itself.
func (g *Gate) decide(asked *http.Request, request *Request) decision {
	s := g.sites[request.Host]
	if s == nil || s.scheme() != request.Scheme {
		return refuse("unknown_host", nil)
	}
	d := decision{request: request, site: s}
	rule := s.rule(request)
	if rule == nil {
		d.code = "no_rule"
		return d
	}
	switch rule.Allow {
	case Anonymous:
		d.verdict = allowed
		return d
	case Nobody:
		d.code = "nobody"
		return d
	}
	session, err := g.find(asked, s)
	switch {
	case errors.Is(err, websession.ErrNone):
		d.verdict, d.code = needLogin, "no_session"
	case errors.Is(err, websession.ErrCookies):
		d.code, d.cause = "cookies", err
	case err != nil:
		d.verdict, d.code, d.cause = broken, "sessions_unavailable", err
	case !rule.allows(session):
		d.code, d.session = "not_allowed", session
	default:
		d.verdict, d.session = allowed, session
	}
	return d
}

var errSlow = errors.New("the store does not answer")

// find returns the session of a request at a site. It answers in time, whether the store does or not.
func (g *Gate) find(r *http.Request, s *site) (*websession.Session, error) {
	if !g.Sessions.HasCookie(r) {
		return nil, websession.ErrNone
	}
	select {
	case g.asking <- struct{}{}:
	default:
		return nil, errSlow
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	type result struct {
		session *websession.Session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-g.asking }()
		session, err := g.Sessions.FindAt(r.WithContext(ctx), s.host)
		done <- result{session, err}
	}()
	select {
	case got := <-done:
		return got.session, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errSlow, ctx.Err())
	}
}

// ask answers a proxy.
func (g *Gate) ask(w http.ResponseWriter, r *http.Request, c *contract) {
	event := observe.Event(r.Context())
	event.SetRoute("gate_" + c.name)
	var d decision
	if !g.trusts(r) {
		g.alarm(r.Context())
		d = refuse("untrusted_proxy", nil)
	} else if alias := g.alias(r.Header); alias != "" {
		d = refuse("header_alias", &ReadError{alias, "could be taken for an identity header"})
	} else if request, err := c.read(r); err != nil {
		d = refuse("unreadable_request", err)
	} else {
		d = g.decide(r, request)
	}
	g.answer(w, r, c, d)
}

// answer writes what the proxy understands.
func (g *Gate) answer(w http.ResponseWriter, r *http.Request, c *contract, d decision) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if d.verdict == allowed {
		if err := g.identify(h, d.site, d.session); err != nil {
			d.verdict, d.code, d.cause = broken, "identity", err
		}
	}
	note(r.Context(), d)
	switch {
	case d.verdict == allowed:
		w.WriteHeader(http.StatusOK)
	case d.verdict == needLogin && d.request.Navigation:
		h.Set("Location", g.depart(w, r, d))
		writePage(w, c.toLogin(d.request.Method), pageSignIn)
	case d.verdict == needLogin:
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"login_required"}`)
	case d.verdict == broken:
		h.Set("Retry-After", "1")
		writePage(w, c.broken, pageBroken)
	default:
		writePage(w, http.StatusForbidden, pageRefused)
	}
}

// alarmEvery bounds alarms about strangers: they decide how often they ask, and each request has its event anyway.
const alarmEvery = time.Second

func (g *Gate) alarm(ctx context.Context) {
	now, last := time.Now().UnixNano(), g.alarmed.Load()
	if now-last >= int64(alarmEvery) && g.alarmed.CompareAndSwap(last, now) {
		observe.Alarm(ctx, observe.GateStranger)
	}
}

// note puts the decision into the event of the request.
func note(ctx context.Context, d decision) {
	event := observe.Event(ctx)
	if d.session != nil {
		event.SetSubject(d.session.Subject)
	}
	if d.site != nil {
		event.Add("site", d.site.host)
	}
	if d.verdict != allowed {
		event.SetError(d.code, "", d.cause)
	}
}
