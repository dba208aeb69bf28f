// Package observe makes authzd visible to an operator: one structured event for each request, metrics,
// security alarms and health.
//
//	request -> Handler --- request id, client address --> next handler
//	              |                                          |  Event(ctx).SetRoute, SetClient, …
//	              |                                          |  Alarm(ctx, RefreshTokenReuse)
//	              +<-- status, bytes, or a panic ------------+
//	              +--> one event "request" in the log
//	              +--> authzd_http_requests_total, authzd_http_request_duration_seconds, …
//
// Handlers enrich the event; they do not log the result of a request themselves. Each value in an event has a
// fixed name, so that nothing gets in by accident: no path, no query, no header, no body. Free text (causes,
// panics, added values) is shortened, and control characters and everything that looks like a credential are
// removed.
//
// NewHealth serves liveness and readiness, NewLogger builds the logger.
package observe

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is the input of New. The zero value is usable.
type Config struct {
	// Logger receives the events. nil: slog.Default().
	Logger *slog.Logger

	// Registry receives the metrics, including those of the Go runtime and the process, which it must not
	// have yet. nil: a new one.
	Registry *prometheus.Registry

	// TrustedProxies are the networks of reverse proxies whose X-Forwarded-For, Forwarded and X-Request-Id
	// headers are trusted. Empty: none.
	TrustedProxies []netip.Prefix

	// Routes, LoginMethods and GrantTypes are the values that the labels route, method (of a login) and grant_type may
	// have. Any
	// other value is counted as "other"; the event still has it.
	Routes       []string
	LoginMethods []string
	GrantTypes   []string
	// AccountEvents are the events about people's accounts that are counted, each with its details.
	AccountEvents map[string][]string

	// Panicked writes the answer if a handler panicked before it answered. nil: 500 with the request id in
	// plain text.
	Panicked http.Handler
}

// Observer watches requests. Its methods are safe for concurrent use.
type Observer struct {
	logger   slog.Handler
	proxies  proxies
	metrics  *metrics
	registry *prometheus.Registry
	panicked http.Handler
}

// New registers the metrics and returns the observer. It fails if the registry already has one of
// the metrics.
func New(cfg Config) (*Observer, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.Panicked == nil {
		cfg.Panicked = http.HandlerFunc(plainPanicAnswer)
	}
	m, err := newMetrics(cfg)
	if err != nil {
		return nil, err
	}
	return &Observer{
		logger:   cfg.Logger.Handler(),
		proxies:  proxies(cfg.TrustedProxies),
		metrics:  m,
		registry: cfg.Registry,
		panicked: cfg.Panicked,
	}, nil
}

// exchange is one watched request: what its handlers set, and what is seen of its answer. It is not pooled,
// because a handler's goroutine may outlive the request and must not write to another's event.
type exchange struct {
	entry    Entry
	response response
	request  *http.Request
	start    time.Time
}

// Handler watches next: it gives the request an id (sent back as X-Request-Id), finds the client's address,
// turns a panic into a 500, and emits one event and the metrics when the answer is done.
func (o *Observer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{start: time.Now()}
		x.response.ResponseWriter = w
		x.entry.observer = o
		x.entry.remote, x.entry.requestID = o.proxies.identify(r)
		w.Header().Set(requestIDHeader, x.entry.requestID)
		x.request = r.WithContext(context.WithValue(r.Context(), entryKey{}, &x.entry))

		defer x.finish()
		x.serve(next)
	})
}

// unfinished are headers that a handler may have set for an answer that it could not write.
var unfinished = []string{"Content-Encoding", "Content-Length", "Content-Type", "Etag", "Last-Modified", "Location", "Set-Cookie"}

// serve runs the handler, and answers if it panics.
func (x *exchange) serve(next http.Handler) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		x.entry.setPanic(v)
		if v == http.ErrAbortHandler || x.response.status != 0 {
			// The handler wants to cut the connection, or the client has the beginning of an answer and must
			// not take it for the whole.
			panic(http.ErrAbortHandler)
		}
		for _, name := range unfinished {
			x.response.Header().Del(name)
		}
		x.entry.observer.panicked.ServeHTTP(&x.response, x.request)
	}()
	next.ServeHTTP(&x.response, x.request)
}

func (x *exchange) finish() {
	o, elapsed := x.entry.observer, time.Since(x.start)
	x.entry.mu.Lock()
	x.entry.done = true
	x.entry.mu.Unlock()
	status := x.response.status
	if status == 0 { // net/http answers 200 if a handler wrote nothing
		status = http.StatusOK
	}
	o.metrics.request(&x.entry, x.request.Method, status, elapsed)
	o.emit(x, status, elapsed)
}

func plainPanicAnswer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "internal server error, request id "+Event(r.Context()).RequestID(), http.StatusInternalServerError)
}
