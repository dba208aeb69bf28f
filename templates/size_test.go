package templates

import (
	"net/http/httptest"
	"testing"
)

// maxPage bounds, in bytes, a page with its style sheet, as they are sent without compression.
const maxPage = 20_000

// TestPagesAreSmall: every page is small, but for the lists of a person's account, which are as long as they are.
func TestPagesAreSmall(t *testing.T) {
	r := newRenderer(t, Branding{})
	w := httptest.NewRecorder()
	r.Assets().ServeHTTP(w, httptest.NewRequest("GET", r.assets.urls["style.css"], nil))
	css := w.Body.Len()
	largest, at := 0, ""
	for name, page := range everyPage() {
		if list := page.meta().template; list == "account" || list == "account-passkeys" {
			continue
		}
		for _, lang := range languages {
			size := css + len(draw(t, r, lang, page).source)
			if size > maxPage {
				t.Errorf("%s in %s has %d bytes with its style sheet, want at most %d", name, lang, size, maxPage)
			}
			if size > largest {
				largest, at = size, name+" in "+lang
			}
		}
	}
	t.Logf("style sheet %d bytes; the largest is %s, %d bytes", css, at, largest)
}
