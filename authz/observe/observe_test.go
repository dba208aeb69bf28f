package observe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// watch is an Observer whose log and metrics can be read.
type watch struct {
	*Observer
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func newWatch(t testing.TB, change ...func(*Config)) *watch {
	t.Helper()
	log := new(lockedBuffer)
	logger, err := NewLogger(log, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Logger: logger, Routes: []string{"token", "login"}, LoginMethods: []string{"password", "google"}, GrantTypes: []string{"authorization_code", "refresh_token"}}
	for _, c := range change {
		c(&cfg)
	}
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &watch{o, log}
}

// events returns and forgets what has been logged.
func (w *watch) events(t testing.TB) []map[string]any {
	t.Helper()
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var events []map[string]any
	lines := bufio.NewScanner(&w.log.Buffer)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e map[string]any
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

// event serves one request and returns its only event.
func (w *watch) event(t testing.TB, r *http.Request, h http.HandlerFunc) (map[string]any, *httptest.ResponseRecorder) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.Handler(h).ServeHTTP(rec, r)
	events := w.events(t)
	if len(events) != 1 || events[0]["msg"] != "request" {
		t.Fatalf("events %v, want one request", events)
	}
	return events[0], rec
}

func post() *http.Request { return httptest.NewRequest(http.MethodPost, "/token", nil) }

func TestEvent(t *testing.T) {
	w := newWatch(t)
	event, rec := w.event(t, post(), func(w http.ResponseWriter, r *http.Request) {
		e := Event(r.Context())
		e.SetRoute("token")
		e.SetClient("spa")
		e.SetSubject("u1")
		e.SetGrant("g1")
		e.SetGrantType("refresh_token")
		e.SetLogin("password", LoginFailure)
		e.SetError("invalid_grant", "The code is unknown.", errors.New("record not found"))
		e.Add("connector", "google")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "12345")
	})
	for _, key := range []string{"time", "request_id", "duration_ms"} {
		if event[key] == nil {
			t.Errorf("%s is missing", key)
		}
	}
	if id := rec.Header().Get("X-Request-Id"); event["request_id"] != id || len(id) != 36 {
		t.Errorf("request_id %v, X-Request-Id %q", event["request_id"], id)
	}
	maps.DeleteFunc(event, func(k string, _ any) bool { return k == "time" || k == "request_id" || k == "duration_ms" })
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "POST", "route": "token", "status": 400.0,
		"outcome": "refused", "bytes": 5.0, "remote": "192.0.2.1", "client_id": "spa", "sub": "u1",
		"gid": "g1", "grant_type": "refresh_token", "login_method": "password", "login_outcome": "failure",
		"error": "invalid_grant", "error_description": "The code is unknown.", "cause": "record not found", "connector": "google",
	}
	if !maps.Equal(event, want) {
		t.Errorf("event %v\nwant  %v", event, want)
	}
}

func TestEventOfAnAnswer(t *testing.T) {
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
			}
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		status  float64
		outcome string
		level   string
	}{
		"nothing written":  {func(http.ResponseWriter, *http.Request) {}, 200, "ok", "INFO"},
		"body only":        {write(0, "x"), 200, "ok", "INFO"},
		"redirect":         {write(303, ""), 303, "ok", "INFO"},
		"client's mistake": {write(401, "x"), 401, "refused", "INFO"},
		"our failure":      {write(503, "x"), 503, "failed", "ERROR"},
		"status twice":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); w.WriteHeader(200) }, 404, "refused", "INFO"},
		"early hints":      {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, 404, "refused", "INFO"},
		"error in a redirect": {func(w http.ResponseWriter, r *http.Request) {
			Event(r.Context()).SetError("access_denied", "", nil)
			w.WriteHeader(303)
		}, 303, "refused", "INFO"},
		"own outcome": {func(w http.ResponseWriter, r *http.Request) {
			Event(r.Context()).SetOutcome("consent_needed")
		}, 200, "consent_needed", "INFO"},
		"probe": {func(w http.ResponseWriter, r *http.Request) {
			Event(r.Context()).SetQuiet()
			Event(r.Context()).SetError("not_ready", "", nil)
			w.WriteHeader(503)
		}, 503, "failed", "ERROR"},
	} {
		event, _ := newWatch(t).event(t, post(), test.handler)
		if event["status"] != test.status || event["outcome"] != test.outcome || event["level"] != test.level {
			t.Errorf("%s: %v", name, event)
		}
	}
}

// secrets are put wherever a request and an error can hold one.
var secrets = []string{
	"azr_Zk3yQ0refresh", "azc_Zk3yQ0code", "Zk3yQ0state", "Zk3yQ0verifier", "Zk3yQ0password",
	"Zk3yQ0client-secret", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.Zk3yQ0", "Zk3yQ0assertion",
	"Zk3yQ0cookie", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "ya29.Zk3yQ0google", "GOCSPX-Zk3yQ0", "Zk3yQ0opaque",
}

func TestEventHoldsNoSecret(t *testing.T) {
	query := url.Values{"code": {secrets[1]}, "state": {secrets[2]}, "id_token_hint": {secrets[6]}}.Encode()
	form := url.Values{"refresh_token": {secrets[0]}, "code_verifier": {secrets[3]}, "password": {secrets[4]},
		"client_secret": {secrets[5]}, "client_assertion": {secrets[7]}}.Encode()
	causes := []error{
		errors.New("upstream: " + form),
		errors.New("upstream: " + url.QueryEscape(query)),
		&url.Error{Op: "Get", URL: "https://id.example/callback?" + query, Err: io.ErrUnexpectedEOF},
		errors.New("bad token " + secrets[0] + ", then " + secrets[1] + " and " + secrets[6]),
		errors.New("header Authorization: Bearer " + secrets[12] + " and BASIC " + secrets[9]),
		errors.New(`response {"access_token": "` + secrets[10] + `", "client_secret":"` + secrets[5] + `"}`),
		errors.New("configured with " + secrets[11] + " and " + secrets[10]),
	}
	for _, format := range []string{"json", "text"} {
		var log bytes.Buffer
		logger, err := NewLogger(&log, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		w := newWatch(t, func(c *Config) { c.Logger = logger })
		for _, cause := range causes {
			for _, panics := range []bool{false, true} {
				r := httptest.NewRequest(http.MethodPost, "/callback/"+secrets[1]+"?"+query, strings.NewReader(form))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Authorization", "Basic "+secrets[9])
				r.Header.Set("Cookie", "__Host-session="+secrets[8])
				r.Header.Set("Referer", "https://id.example/?"+query)
				r.Header.Set("User-Agent", secrets[10])
				w.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e := Event(r.Context())
					e.SetClient(secrets[11])
					e.SetSubject(secrets[0])
					e.SetError("server_error", cause.Error(), cause)
					e.Add("detail", cause.Error())
					Alarm(r.Context(), CodeReuse, slog.Any("cause", cause), slog.String("code", secrets[1]))
					if panics {
						panic(cause)
					}
				})).ServeHTTP(httptest.NewRecorder(), r)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 4*len(causes) {
			t.Errorf("%s: %d lines, want an alarm and a request each time", format, n)
		}
		for _, secret := range append(secrets, "Zk3yQ0") {
			if at := strings.Index(log.String(), secret); at >= 0 {
				t.Errorf("%s: %s in the log: …%.200s", format, secret, log.String()[max(0, at-100):])
			}
		}
	}
}

func TestEventIsBounded(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	event, _ := newWatch(t).event(t, post(), func(w http.ResponseWriter, r *http.Request) {
		e := Event(r.Context())
		e.SetClient(long)
		e.SetSubject(long)
		e.SetGrant(long)
		e.SetGrantType(long)
		e.SetOutcome(long)
		e.SetLogin(long, long)
		e.SetError(long, long, errors.New(long))
		for range 2 * maxAdded {
			e.Add("added", long)
		}
	})
	for key, value := range event {
		limit := maxName
		if key == "error_description" || key == "cause" || key == "added" {
			limit = maxText
		}
		if text, ok := value.(string); ok && len(text) > limit {
			t.Errorf("%s has %d bytes", key, len(text))
		}
	}
}

func TestEventAfterTheAnswer(t *testing.T) {
	w := newWatch(t)
	var kept *Entry
	event, _ := w.event(t, post(), func(w http.ResponseWriter, r *http.Request) { kept = Event(r.Context()) })
	kept.SetClient("late")
	kept.Add("late", "late")
	if event["client_id"] != nil || kept.clientID != "" || kept.RequestID() != event["request_id"] {
		t.Errorf("event %v, entry %+v", event, kept)
	}
	// The next request has another entry.
	event, _ = w.event(t, post(), func(w http.ResponseWriter, r *http.Request) { kept.SetClient("late") })
	if event["client_id"] != nil {
		t.Errorf("another request's client: %v", event)
	}
}

func TestEventFromSeveralGoroutines(t *testing.T) {
	w := newWatch(t)
	var wg sync.WaitGroup
	w.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 20 {
			wg.Go(func() { // some of them outlive the request
				e := Event(r.Context())
				e.SetClient("spa")
				e.Add("k", "v")
				e.SetError("x", "", io.EOF)
				Alarm(r.Context(), CodeReuse)
			})
		}
	})).ServeHTTP(httptest.NewRecorder(), post())
	wg.Wait()
	if n := len(w.events(t)); n != 21 {
		t.Errorf("%d events", n)
	}
}

// Outside Handler there is no event, and handlers need not care.
func TestNoEvent(t *testing.T) {
	e := Event(t.Context())
	e.SetRoute("x")
	e.SetError("x", "", io.EOF)
	e.Add("x", "x")
	if e != nil || e.RequestID() != "" || e.Remote().IsValid() {
		t.Errorf("entry %v", e)
	}

	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	Alarm(t.Context(), CodeReuse)
	if !strings.Contains(log.String(), CodeReuse) {
		t.Errorf("log %q", log.String())
	}
}

func TestQuietEventsAreDebug(t *testing.T) {
	w := newWatch(t)
	health, draining := NewHealth(), NewHealth()
	draining.SetDraining()
	for name, h := range map[string]http.Handler{
		"live": http.HandlerFunc(health.Live), "ready": http.HandlerFunc(health.Ready),
		"draining": http.HandlerFunc(draining.Ready), "metrics": w.MetricsHandler(),
	} {
		w.Handler(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if events := w.events(t); len(events) != 0 {
			t.Errorf("%s: events %v", name, events)
		}
	}
}

// http.ResponseController can do with our ResponseWriter what it can do with a server's.
func TestResponseController(t *testing.T) {
	w := newWatch(t)
	flushed := make(chan struct{})
	var errs []error
	server := httptest.NewServer(w.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		c := http.NewResponseController(w)
		errs = append(errs, c.SetWriteDeadline(time.Now().Add(time.Minute)), c.Flush())
		<-flushed
		w.(http.Flusher).Flush()
	})))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
		t.Errorf("%q, %v", first, err)
	}
	close(flushed)
	if _, err := io.ReadAll(res.Body); err != nil || errors.Join(errs...) != nil {
		t.Errorf("%v, %v", err, errs)
	}
}

func TestAlarm(t *testing.T) {
	w := newWatch(t)
	rec := httptest.NewRecorder()
	w.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		Event(r.Context()).SetClient("spa")
		Event(r.Context()).SetGrant("g1")
		Alarm(r.Context(), RefreshTokenReuse, slog.Int("age_s", 61), slog.String("note", "a\nb"))
		Alarm(r.Context(), "unheard_of")
	})).ServeHTTP(rec, post())
	events := w.events(t)
	if len(events) != 3 {
		t.Fatalf("events %v", events)
	}
	a := events[0]
	if a["level"] != "WARN" || a["msg"] != "alarm" || a["alarm"] != RefreshTokenReuse || a["client_id"] != "spa" ||
		a["gid"] != "g1" || a["age_s"] != 61.0 || a["note"] != `a\u000ab` || a["request_id"] != rec.Header().Get("X-Request-Id") {
		t.Errorf("alarm %v", a)
	}
	for series, want := range map[string]float64{
		`authzd_alarms_total{name="refresh_token_reuse"}`: 1, `authzd_alarms_total{name="other"}`: 1, `authzd_alarms_total{name="code_reuse"}`: 0,
	} {
		if n := w.value(t, series); n != want {
			t.Errorf("%s %v, want %v", series, n, want)
		}
	}
}

func TestNewLogger(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var log bytes.Buffer
		logger, err := NewLogger(&log, "warn", format)
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("no")
		logger.Warn("yes")
		if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "yes") {
			t.Errorf("%s: %q", format, s)
		}
	}
	for _, bad := range [][2]string{{"", "json"}, {"loud", "json"}, {"INFO", "json"}, {"info", ""}, {"info", "xml"}} {
		if _, err := NewLogger(io.Discard, bad[0], bad[1]); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// A request's bookkeeping must not become what the server spends its time on.
func TestHandlerAllocations(t *testing.T) {
	w := newWatch(t, func(c *Config) { c.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	h, r, out := w.Handler(http.HandlerFunc(tokenHandler)), post(), &sink{http.Header{}}
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(out, r) }); n > 15 { // 8, and some more under the race detector
		t.Errorf("%v allocations per request", n)
	}
}
