package templates

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Each page says the id under which the log has its request.
func TestRequestID(t *testing.T) {
	r := newRenderer(t, Branding{})
	for name, page := range everyPage() {
		for _, lang := range languages {
			if got := text(draw(t, r, lang, page).id("request-id")); got != "r-1" {
				t.Errorf("%s: request id %q", name, got)
			}
		}
	}
	w := httptest.NewRecorder()
	if err := r.Render(w, httptest.NewRequest("GET", "/", nil), 200, Home{}); err != nil || strings.Contains(w.Body.String(), "request-id") {
		t.Errorf("without a request id: %v %s", err, w.Body)
	}
}
