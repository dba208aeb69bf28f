package fetch

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBody(t *testing.T) {
	const limit = 100
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string // of the body; empty: an error
	}{
		"short": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("document")) }, "document"},
		"full":  {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("x", limit))) }, strings.Repeat("x", limit)},
		"long":  {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("x", limit+1))) }, ""},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}, ""},
		"missing": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "MARKER", http.StatusNotFound) }, ""},
		"created": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }, ""},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			w.Write([]byte("MARKER"))
		}, ""},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	} {
		server := httptest.NewServer(test.answer)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, header, err := Body(server.Client(), req, limit)
		if (err == nil) != (test.want != "") || string(body) != test.want || err == nil && header.Get("Date") == "" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		if err != nil && strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: the error quotes the answer: %v", name, err)
		}
		server.Close()
	}
	req, _ := http.NewRequest(http.MethodGet, "https://a.example/", nil)
	down := errors.New("down")
	if _, _, err := Body(&http.Client{Transport: failing{down}}, req, limit); !errors.Is(err, down) {
		t.Errorf("nobody answers: %v", err)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
