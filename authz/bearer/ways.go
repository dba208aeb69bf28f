package bearer

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The ways in which a request may prove whom it acts for.
const (
	WayToken   = "token"   // an access token that was accepted
	WaySession = "session" // the application's old session (Verifier.Either)
	WayRefused = "refused" // credentials that were not accepted
	WayNone    = "none"    // no credentials
)

// Ways counts, route by route, in which way requests came, so that a migration from sessions to tokens can be
// watched: when a route has seen no session for some days, Either becomes Protect. Give one to Config.Ways. A route
// is the pattern of http.ServeMux; with another router it is empty.
//
// The zero value is ready. It is safe for concurrent use, and an http.Handler for Prometheus.
type Ways struct {
	mu     sync.Mutex
	counts map[routeWay]*WayCount
}

type routeWay struct{ route, way string }

// WayCount is how many requests came to a route in one way, and when the last one came.
type WayCount struct {
	Route    string
	Way      string
	Requests uint64
	Last     time.Time
}

func (w *Ways) add(route, way string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = make(map[routeWay]*WayCount)
	}
	c := w.counts[routeWay{route, way}]
	if c == nil {
		c = &WayCount{Route: route, Way: way}
		w.counts[routeWay{route, way}] = c
	}
	c.Requests++
	c.Last = time.Now()
}

// Counts returns the counts of now, sorted by route and way.
func (w *Ways) Counts() []WayCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []WayCount
	for _, c := range w.counts {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b WayCount) int { return cmp.Or(cmp.Compare(a.Route, b.Route), cmp.Compare(a.Way, b.Way)) })
	return all
}

// ServeHTTP writes the counts in the text format of Prometheus. They name the API's routes: do not show them to
// everybody.
func (w *Ways) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	var requests, last strings.Builder
	for _, c := range w.Counts() {
		labels := fmt.Sprintf(`{route="%s",way="%s"}`, labelText.Replace(c.Route), c.Way)
		fmt.Fprintf(&requests, "bearer_requests_total%s %d\n", labels, c.Requests)
		fmt.Fprintf(&last, "bearer_last_request_timestamp_seconds%s %d\n", labels, c.Last.Unix())
	}
	rw.Header().Set("Content-Type", metricsType)
	_, _ = fmt.Fprintf(rw, "# TYPE bearer_requests_total counter\n%s# TYPE bearer_last_request_timestamp_seconds gauge\n%s", &requests, &last) // the client may have gone
}

// count counts a request once its route is known: before the handler runs, or after it if a ServeMux stands inside.
// It returns what to call after the handler.
func (w *Ways) count(outer, inner *http.Request, way string) (after func()) {
	if w == nil {
		return func() {}
	}
	if outer.Pattern != "" {
		w.add(outer.Pattern, way)
		return func() {}
	}
	return func() { w.add(inner.Pattern, way) }
}
