package observe

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// other is the label value of everything that was not named beforehand, so that a client can't add a time
// series.
const other = "other"

var (
	httpMethods = []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodHead,
		http.MethodPut, http.MethodPatch, http.MethodDelete}
	loginOutcomes = []string{LoginSuccess, LoginFailure}
	// From a memory lookup to a client that gives up, with a password hash in the middle.
	buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

// label is the set of values that a label may have.
type label map[string]bool

func newLabel(values []string) label {
	l := make(label, len(values))
	for _, v := range values {
		l[v] = true
	}
	return l
}

func (l label) bound(v string) string {
	if l[v] {
		return v
	}
	return other
}

// metrics are the counters of one Observer. Children of the label vectors are looked up once and kept,
// because the look-up by label costs as much as the rest of a request's bookkeeping.
type metrics struct {
	routes, methods, logins, outcomes label

	requests  *requestCounters
	durations map[string]prometheus.Observer // by route
	tokens    map[string]prometheus.Counter  // by grant type
	alarms    map[string]prometheus.Counter  // by name
	loginVec  *prometheus.CounterVec
	panics    prometheus.Counter
	logouts   deliveryMetrics
	mails     deliveryMetrics
	leaks     map[string]prometheus.Counter // look-ups of passwords, by outcome
	accounts  accountMetrics
	sealed    prometheus.Gauge // records under an earlier secret
}

// liveHeap adds the metric go_gc_heap_live_bytes: the memory in use at the last garbage collection. It shows
// a leak, while the memory of the process shows how busy it was.
var liveHeap = collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{
	Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`),
})

func newMetrics(cfg Config) (*metrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_http_requests_total", Help: "Requests answered.",
	}, []string{"route", "method", "code"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "authzd_http_request_duration_seconds", Help: "Time from a request to the end of its answer.",
		Buckets: buckets,
	}, []string{"route"})
	tokens := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_tokens_issued_total", Help: "Token requests that were granted.",
	}, []string{"grant_type"})
	logins := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_logins_total", Help: "Login attempts that came to an end.",
	}, []string{"method", "outcome"})
	alarms := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authzd_alarms_total", Help: "Security alarms.",
	}, []string{"name"})
	panics := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "authzd_panics_total", Help: "Handlers that panicked: mistakes in the program.",
	})

	sealed := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "authzd_sealed_under_earlier_secret", Help: "Records that are not sealed under the newest server secret, counted every minute.",
	})

	for _, c := range []prometheus.Collector{requests, durations, tokens, logins, alarms, panics, sealed,
		collectors.NewGoCollector(liveHeap), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := cfg.Registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}

	logouts, err := newLogoutMetrics(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	mails, err := newMailMetrics(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	leaks, err := newLeakMetrics(cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	accounts, err := newAccountMetrics(cfg.Registry, cfg.AccountEvents)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	m := &metrics{
		routes:    newLabel(cfg.Routes),
		methods:   newLabel(httpMethods),
		logins:    newLabel(cfg.LoginMethods),
		outcomes:  newLabel(loginOutcomes),
		requests:  newRequestCounters(requests),
		durations: make(map[string]prometheus.Observer),
		tokens:    counters(tokens, cfg.GrantTypes),
		alarms:    counters(alarms, alarmNames),
		loginVec:  logins,
		panics:    panics,
		logouts:   logouts,
		mails:     mails,
		leaks:     leaks,
		accounts:  accounts,
		sealed:    sealed,
	}
	for _, route := range append([]string{other}, cfg.Routes...) {
		m.durations[route] = durations.WithLabelValues(route)
	}
	return m, nil
}

// counters makes all children of a vector with one label, so that they are exported from the start: an alert
// on an increase needs the zero before it.
func counters(vec *prometheus.CounterVec, values []string) map[string]prometheus.Counter {
	m := map[string]prometheus.Counter{other: vec.WithLabelValues(other)}
	for _, v := range values {
		m[v] = vec.WithLabelValues(v)
	}
	return m
}

// request counts a finished request. e no longer changes.
func (m *metrics) request(e *Entry, method string, status int, elapsed time.Duration) {
	route := m.routes.bound(e.route)
	m.requests.get(requestKey{route, m.methods.bound(method), status}).Inc()
	m.durations[route].Observe(elapsed.Seconds())
	if e.stack != "" {
		m.panics.Inc()
	}
	if e.grantType != "" && status == http.StatusOK {
		count(m.tokens, e.grantType)
	}
	if e.loginMethod != "" {
		m.loginVec.WithLabelValues(m.logins.bound(e.loginMethod), m.outcomes.bound(e.loginOutcome)).Inc()
	}
}

func (m *metrics) alarm(name string) { count(m.alarms, name) }

func count(children map[string]prometheus.Counter, value string) {
	c, ok := children[value]
	if !ok {
		c = children[other]
	}
	c.Inc()
}

// requestKey holds bounded label values.
type requestKey struct {
	route, method string
	status        int
}

// requestCounters keeps used counters in a map that is replaced, never changed, so that readers take no lock.
type requestCounters struct {
	vec  *prometheus.CounterVec
	mu   sync.Mutex // serialises replacing
	seen atomic.Pointer[map[requestKey]prometheus.Counter]
}

func newRequestCounters(vec *prometheus.CounterVec) *requestCounters {
	c := &requestCounters{vec: vec}
	c.seen.Store(&map[requestKey]prometheus.Counter{})
	return c
}

func (c *requestCounters) get(k requestKey) prometheus.Counter {
	if counter, ok := (*c.seen.Load())[k]; ok {
		return counter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := maps.Clone(*c.seen.Load())
	seen[k] = c.vec.WithLabelValues(k.route, k.method, strconv.Itoa(k.status))
	c.seen.Store(&seen)
	return seen[k]
}

// MetricsHandler serves the registry in the Prometheus formats. Use it on a listener that the public can't
// reach.
func (o *Observer) MetricsHandler() http.Handler {
	h := promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Event(r.Context()).SetQuiet()
		h.ServeHTTP(w, r)
	})
}

// SetEarlierSecretRecords sets how many records are not sealed under the newest server secret.
func (o *Observer) SetEarlierSecretRecords(n int) { o.metrics.sealed.Set(float64(n)) }
