package observe

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// value reads one series as Prometheus would scrape it.
func (w *watch) value(t testing.TB, series string) float64 {
	t.Helper()
	rec := httptest.NewRecorder()
	w.MetricsHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no %s in\n%s", series, rec.Body)
	return 0
}

func (w *watch) request(method, route string, status int, more func(*Entry)) {
	w.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e := Event(r.Context())
		e.SetRoute(route)
		if more != nil {
			more(e)
		}
		rw.WriteHeader(status)
	})).ServeHTTP(httptest.NewRecorder(), &http.Request{Method: method, Header: http.Header{}, RemoteAddr: "192.0.2.1:1"})
}

func TestMetrics(t *testing.T) {
	w := newWatch(t)
	for range 3 {
		w.request("POST", "token", 200, func(e *Entry) { e.SetGrantType("refresh_token") })
	}
	w.request("POST", "token", 400, func(e *Entry) { e.SetGrantType("refresh_token") })
	w.request("POST", "token", 200, func(e *Entry) { e.SetGrantType("urn:made-up") })
	w.request("BREW", "coffee", 418, nil)
	w.request("POST", "login", 303, func(e *Entry) { e.SetLogin("google", LoginSuccess) })
	w.request("POST", "login", 401, func(e *Entry) { e.SetLogin("password", LoginFailure) })
	w.request("POST", "login", 401, func(e *Entry) { e.SetLogin("carrier pigeon", "lost") })
	for series, want := range map[string]float64{
		`authzd_http_requests_total{code="200",method="POST",route="token"}`:  4,
		`authzd_http_requests_total{code="400",method="POST",route="token"}`:  1,
		`authzd_http_requests_total{code="418",method="other",route="other"}`: 1,
		`authzd_http_request_duration_seconds_count{route="token"}`:           5,
		`authzd_http_request_duration_seconds_count{route="other"}`:           1,
		`authzd_http_request_duration_seconds_bucket{route="token",le="10"}`:  5,
		`authzd_tokens_issued_total{grant_type="refresh_token"}`:              3,
		`authzd_tokens_issued_total{grant_type="authorization_code"}`:         0,
		`authzd_tokens_issued_total{grant_type="other"}`:                      1,
		`authzd_logins_total{method="google",outcome="success"}`:              1,
		`authzd_logins_total{method="password",outcome="failure"}`:            1,
		`authzd_logins_total{method="other",outcome="other"}`:                 1,
	} {
		if got := w.value(t, series); got != want {
			t.Errorf("%s %v, want %v", series, got, want)
		}
	}
	if w.value(t, "go_goroutines") < 1 || w.value(t, "process_start_time_seconds") < 1 {
		t.Error("no runtime metrics")
	}
}

// Clients can't change the number of series.
func TestMetricsAreBounded(t *testing.T) {
	w := newWatch(t)
	flood := func(from int) {
		for i := range 500 {
			x := fmt.Sprint(from + i)
			w.request(x, x, 200, func(e *Entry) {
				e.SetGrantType(x)
				e.SetLogin(x, x)
				e.SetClient(x)
				e.SetError(x, x, io.EOF)
			})
		}
	}
	series := func() (n int) {
		families, err := w.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += len(f.GetMetric())
		}
		return n
	}
	flood(0)
	before := series()
	flood(500)
	if after := series(); after != before {
		t.Errorf("%d series, then %d", before, after)
	}
}

func TestMetricsTwiceInOneRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := New(Config{Registry: registry}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Registry: registry}); err == nil {
		t.Error("no error")
	}
}

// Metrics that are counted in the background, without a request.
func TestBackgroundMetrics(t *testing.T) {
	w := newWatch(t)
	w.CountLogout(Delivered)
	w.CountLogout(DeliveryFailed)
	w.CountLogout(DeliveryFailed)
	w.CountLogout("lost")
	w.SetLogoutBacklog(7)
	w.SetEarlierSecretRecords(3)
	w.Alarm(t.Context(), LogoutUndelivered)
	for series, want := range map[string]float64{
		`authzd_logout_tokens_total{outcome="delivered"}`: 1,
		`authzd_logout_tokens_total{outcome="failed"}`:    2,
		`authzd_logout_tokens_total{outcome="given_up"}`:  0,
		`authzd_logout_tokens_total{outcome="other"}`:     1,
		`authzd_logout_backlog`:                           7,
		`authzd_sealed_under_earlier_secret`:              3,
		`authzd_alarms_total{name="logout_undelivered"}`:  1,
	} {
		if got := w.value(t, series); got != want {
			t.Errorf("%s %v, want %v", series, got, want)
		}
	}
}
