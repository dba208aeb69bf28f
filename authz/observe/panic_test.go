package observe

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPanic(t *testing.T) {
	w := newWatch(t)
	event, rec := w.event(t, post(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "half=done")
		w.Header().Set("Content-Length", "99")
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		panic("the teapot is empty")
	})
	body := rec.Body.String()
	if rec.Code != 500 || !strings.Contains(body, event["request_id"].(string)) || strings.Contains(body, "teapot") || strings.Contains(body, "goroutine") {
		t.Errorf("answer %d %q", rec.Code, body)
	}
	if h := rec.Header(); h.Get("Set-Cookie") != "" || h.Get("Content-Length") != "" || h.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("header %v", h)
	}
	stack, _ := event["stack"].(string)
	if event["cause"] != "the teapot is empty" || event["outcome"] != "panic" || event["level"] != "ERROR" || !strings.Contains(stack, "TestPanic") {
		t.Errorf("event %v", event)
	}
	if n := w.value(t, "authzd_panics_total"); n != 1 {
		t.Errorf("%v panics counted", n)
	}
}

func TestPanicAnswer(t *testing.T) {
	w := newWatch(t, func(c *Config) {
		c.Panicked = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "our page, "+Event(r.Context()).RequestID())
		})
	})
	event, rec := w.event(t, post(), func(http.ResponseWriter, *http.Request) { panic(errors.New("x")) })
	if want := "our page, " + event["request_id"].(string); rec.Body.String() != want {
		t.Errorf("answer %q", rec.Body)
	}
}

// An answer that has begun must not look complete: the connection is cut. The event is there all
// the same, and a handler that cuts the connection itself is no panic.
func TestPanicAfterTheAnswerBegan(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		outcome string
	}{
		"panic": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "half an ans")
			_ = http.NewResponseController(w).Flush()
			panic("x")
		}, "panic"},
		"abort":                   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "aborted"},
		"panic in the 500's page": {func(http.ResponseWriter, *http.Request) { panic("x") }, "panic"},
	} {
		w := newWatch(t, func(c *Config) {
			if name == "panic in the 500's page" {
				c.Panicked = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("again") })
			}
		})
		server := httptest.NewUnstartedServer(w.Handler(test.handler))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.Start()
		res, err := http.Get(server.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		server.Close() // waits for the handler
		events := w.events(t)
		if err == nil || len(events) != 1 || events[0]["outcome"] != test.outcome {
			t.Errorf("%s: client's error %v, events %v", name, err, events)
		}
	}
}
