package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestStreamIsCut: nobody takes the beginning of an answer for the whole, and what fails before it has
// begun is a problem like any other.
func TestStreamIsCut(t *testing.T) {
	gone := errors.New("the store is gone")
	var failed int
	h, err := NewHandler(Config{
		Routes: []Route{
			NewRoute("begun", "GET", "/begun", "", Stream("text/plain", func(_ context.Context, _ *Call, w http.ResponseWriter) error {
				_, err := io.WriteString(w, "beginning")
				return errors.Join(err, gone)
			})),
			NewRoute("silent", "GET", "/silent", "", Stream("text/plain", func(context.Context, *Call, http.ResponseWriter) error { return gone })),
		},
		Authorize: func(http.ResponseWriter, *http.Request) (Actor, error) { return Actor{}, nil },
		AsProblem: func(error) *Problem { return &Problem{Status: 500, Code: CodeServerError} },
		Started:   func(*http.Request, string) {}, Failed: func(*http.Request, *Problem) { failed++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	resp, err := http.Get(server.URL + "/begun")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer that failed half-way ended like a whole one")
	}
	resp, err = http.Get(server.URL + "/silent")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Content-Type") != problemType {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if failed != 2 {
		t.Errorf("%d failures were told", failed)
	}
}
