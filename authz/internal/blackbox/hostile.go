package blackbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz/authztest"
)

// Hostile is a request that must be refused: with this status and error code, in the form of its endpoint,
// and without a trace in the store.
type Hostile struct {
	Name   string
	Method string // POST if there is a body, else GET
	Path   string
	Query  string
	Header http.Header
	Body   string
	Status int
	Code   string // in JSON, in the redirect to the client, or on the error page
}

// oddPunctuation is the end of a sentence that ended before, or of one that is empty.
var oddPunctuation = regexp.MustCompile(`"error_description":"[^"]*([?!.,:;]\.|:"|[^.?]")`)

// Attack sends hostile requests. Each must get its answer, no answer may show one of the leaks or anything of our
// code, and nothing in the store may change.
func Attack(t *testing.T, s *authztest.Server, b *authztest.Browser, rows []Hostile, leaks ...string) {
	t.Helper()
	t.Logf("%d hostile requests", len(rows))
	before := Dump(t, s.Store)
	for _, row := range rows {
		t.Run(row.Name, func(t *testing.T) {
			status, code, answer := row.send(t, b)
			if status != row.Status || code != row.Code {
				t.Errorf("got %d %q, want %d %q\n%.400s", status, code, row.Status, row.Code, answer)
			}
			if odd := oddPunctuation.FindString(answer); odd != "" {
				t.Errorf("the answer has %q: %.400s", odd, answer)
			}
			for _, leak := range append(leaks, "goroutine ", ".go:", "fosite", "go-jose") {
				if strings.Contains(answer, leak) {
					t.Errorf("the answer shows %.20q", leak)
				}
			}
		})
	}
	if after := Dump(t, s.Store); after != before {
		t.Errorf("the store has changed:\nbefore %s\nafter  %s", before, after)
	}
}

// send returns the status and the error code of the answer, wherever it stands.
func (h Hostile) send(t *testing.T, b *authztest.Browser) (status int, code, answer string) {
	t.Helper()
	method := h.Method
	if method == "" {
		method = http.MethodGet
		if h.Body != "" || (h.Header.Get("Content-Type") != "" && h.Path != "/userinfo") {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, b.Server.URL, strings.NewReader(h.Body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Path, request.URL.RawQuery = h.Path, h.Query
	for name, values := range h.Header {
		request.Header[name] = values
	}
	response, err := b.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer = string(body)
	if location := response.Header.Get("Location"); location != "" {
		u, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if fragment, _ := url.ParseQuery(u.Fragment); fragment.Has("error") {
			return response.StatusCode, fragment.Get("error"), location
		}
		if !strings.HasPrefix(location, authztest.RedirectURI) {
			t.Errorf("redirected to %s", location)
		}
		return response.StatusCode, u.Query().Get("error"), location
	}
	var document struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &document) == nil {
		if strings.HasPrefix(h.Path, "/token") && response.Header.Get("Cache-Control") != "no-store" {
			t.Error("the answer may be cached")
		}
		return response.StatusCode, document.Error, answer
	}
	if _, after, ok := strings.Cut(answer, fmt.Sprintf(`id="error-code">%d `, response.StatusCode)); ok {
		code, _, _ = strings.Cut(after, "<")
	}
	return response.StatusCode, code, answer
}
