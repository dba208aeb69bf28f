package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealth(t *testing.T) {
	good := Check{"signing keys", func(context.Context) error { return nil }}
	bad := Check{"storage", func(context.Context) error { return errors.New("open /secret/path: no space left on device") }}
	slow := Check{"upstream", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	for _, test := range []struct {
		name     string
		checks   []Check
		draining bool
		status   int
		body     string
	}{
		{"none", nil, false, 200, `{"status":"ok"}`},
		{"good", []Check{good}, false, 200, `{"status":"ok"}`},
		{"bad", []Check{good, bad}, false, 503, `{"status":"unavailable","failing":["storage"]}`},
		{"two bad", []Check{bad, slow, good}, false, 503, `{"status":"unavailable","failing":["storage","upstream"]}`},
		{"taken over", []Check{{"storage", func(context.Context) error { return fmt.Errorf("fenced: %w", takenOver{}) }}}, false, 503,
			`{"status":"unavailable","failing":["storage"],"primary":"id2"}`},
		{"draining", []Check{good}, true, 503, `{"status":"draining"}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := NewHealth(test.checks...)
			if test.draining {
				h.SetDraining()
			}
			start, rec := time.Now(), httptest.NewRecorder()
			h.Ready(rec, httptest.NewRequest("GET", "/readyz", nil))
			if took := time.Since(start); took > checkTimeout {
				t.Errorf("%s: took %v", test.name, took)
			}
			if body := strings.TrimSpace(rec.Body.String()); rec.Code != test.status || body != test.body ||
				rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %s %v", test.name, rec.Code, body, rec.Header())
			}
			rec = httptest.NewRecorder()
			h.Live(rec, httptest.NewRequest("GET", "/livez", nil))
			if rec.Code != 200 {
				t.Errorf("%s: not alive: %d", test.name, rec.Code)
			}
		})
	}
}

type takenOver struct{}

func (takenOver) Error() string       { return "another one serves" }
func (takenOver) TakenOverBy() string { return "id2" }

// The log has the reason that the prober does not get.
func TestHealthCauseIsLogged(t *testing.T) {
	h := NewHealth(Check{"storage", func(context.Context) error { return errors.New("disk full") }})
	event, _ := newWatch(t).event(t, httptest.NewRequest("GET", "/readyz", nil), http.HandlerFunc(h.Ready))
	if event["cause"] != "storage: disk full" || event["level"] != "ERROR" {
		t.Errorf("event %v", event)
	}
}
