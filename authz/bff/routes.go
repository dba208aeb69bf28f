package bff

import (
	"net/http"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/bff/gate"
	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/observe"
)

// protection is what a route demands of a request before its handler sees it.
type protection int

const (
	open protection = iota // anybody may ask: a browser on its way, or a program without a cookie
	page                   // a page of the own origin, by the header (guard.API)
	form                   // the handler takes the header, or the form of a page with its token
)

// handler answers a request. Its error becomes the answer: see answer.
type handler func(w http.ResponseWriter, r *http.Request) error

type route struct {
	name, path string
	get, post  handler
	protection protection
}

// table is every path that this package answers, with its guard. Everything else goes to the relay, which guards its
// routes by the same package guard.
func (f *frontend) table() []route {
	all := []route{
		{"bff_login", "/bff/login", f.login, nil, open},
		{"bff_callback", "/bff/callback", f.callback, nil, open},
		{"bff_logout", "/bff/logout", f.logoutPage, f.logout, form},
		{"bff_session", "/bff/session", f.session, nil, page},
		{"bff_activity", "/bff/activity", nil, f.activity, page},
		{"bff_ticket", "/bff/ticket", nil, f.ticket, page},
		{"bff_backchannel", "/bff/backchannel", nil, f.backchannel, open},
		{"bff_jwks", "/bff/jwks.json", f.jwks, nil, open},
	}
	if f.bff.Diagnostics {
		all = append(all, route{"bff_diagnostics", "/bff/diagnostics", f.diagnostics, nil, open})
	}
	return all
}

// Routes returns the names of all routes, for the metrics.
func Routes() []string {
	names := slices.Clone(relay.RouteNames)
	for _, one := range (&frontend{bff: &BFF{Config: Config{Diagnostics: true}}}).table() {
		names = append(names, one.name)
	}
	return append(names, gate.Routes()...)
}

// ServeHTTP leads a request to its route. Paths are compared as they were sent, so that none has two readings.
func (f *frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	below, ok := strings.CutPrefix(raw, f.path)
	if !ok || !strings.HasPrefix(below, "/bff/") {
		f.relay.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the URL of a callback has a code in it
	if err := f.dispatch(w, r, below); err != nil {
		f.refused(r, known(err))
		f.bff.answer(w, r, err)
	}
}

func (f *frontend) dispatch(w http.ResponseWriter, r *http.Request, path string) error {
	for i := range f.routes {
		one := &f.routes[i]
		if one.path != path {
			continue
		}
		event := observe.Event(r.Context())
		event.SetRoute(one.name)
		event.SetClient(f.ClientID)
		event.Add("frontend", f.Name)
		return f.guarded(w, r, one)
	}
	return refuse(http.StatusNotFound, "not_found", "there is nothing at this path")
}

func (f *frontend) guarded(w http.ResponseWriter, r *http.Request, one *route) error {
	h := map[string]handler{http.MethodGet: one.get, http.MethodPost: one.post}[r.Method]
	if h == nil {
		allow := map[bool]string{true: http.MethodPost, false: http.MethodGet}[one.get == nil]
		if one.get != nil && one.post != nil {
			allow = "GET, POST"
		}
		w.Header().Set("Allow", allow)
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "only "+allow+" is possible here")
	}
	if one.protection == page {
		if err := guard.Check(r, f.origin, guard.API); err != nil {
			return err
		}
	}
	return h(w, r)
}
