package gate

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/observe"
)

// itself is how a Go program asks: by the request itself.
var itself = contract{name: "go", toLogin: redirect, broken: http.StatusServiceUnavailable}

// Middleware guards next as a proxy would, within a Go program that serves its own files. It also answers /gate/enter, where
// a sign-in comes back to. next gets the identity headers, and no cookie of the gate.
//
// Whether a request came by https is known from its connection, or from X-Forwarded-Proto of one of TrustedProxies.
func (g *Gate) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gate/enter" {
			g.serveEnter(w, r)
			return
		}
		var d decision
		if request, err := g.readItself(r); err != nil {
			d = refuse("unreadable_request", err)
		} else {
			d = g.decide(r, request)
		}
		if d.verdict != allowed {
			g.answer(w, r, &itself, d)
			return
		}
		note(r.Context(), d)
		inner, err := g.inner(r, d)
		if err != nil {
			g.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, inner)
	})
}

// readItself reads a request as next will.
func (g *Gate) readItself(r *http.Request) (*Request, error) {
	scheme := value{"http", "the connection"}
	if r.TLS != nil {
		scheme.text = "https"
	} else if g.trusts(r) {
		var err error
		if scheme, err = one(r.Header, "X-Forwarded-Proto"); err != nil {
			return nil, err
		}
	}
	target := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	request, err := newRequest(r.Header, value{r.Method, "the method"}, scheme, value{r.Host, "Host"}, value{target, "the path"})
	if err == nil && request.Path != r.URL.Path { // an earlier handler has changed one and not the other
		err = &ReadError{"the path", "has two readings"}
	}
	return request, err
}

type sessionKey struct{}

// inner is the request that next gets.
func (g *Gate) inner(r *http.Request, d decision) (*http.Request, error) {
	inner := r.WithContext(context.WithValue(r.Context(), sessionKey{}, d.session))
	inner.Header = maps.Clone(r.Header)
	for name := range inner.Header {
		if g.impersonates(name) {
			delete(inner.Header, name)
		}
	}
	inner.Header.Del("Cookie")
	for _, c := range r.Cookies() {
		if c.Name != g.Sessions.CookieName() && !strings.HasPrefix(c.Name, g.transactionPrefix()) {
			inner.AddCookie(c)
		}
	}
	if err := g.identify(inner.Header, d.site, d.session); err != nil {
		observe.Event(r.Context()).SetError("identity", "", err)
		return nil, err
	}
	return inner, nil
}

// SessionOf returns the session of a request that Middleware has let through, nil if its rule is for anonymous.
func SessionOf(ctx context.Context) *websession.Session {
	session, _ := ctx.Value(sessionKey{}).(*websession.Session)
	return session
}
