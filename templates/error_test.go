package templates

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestError(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	for name, want := range map[string][]string{
		"error": {"it hasn’t registered with us", "Code 400 redirect_uri_mismatch", "Back to Orders", "Request r-1"},
		"error, explained": {"It is not registered.", "redirect_uri https://app.example.com/calback", "http://localhost/",
			"https://app.example.com/callback Nearest match", "authzd client update spa", "Request r-1"},
	} {
		d := draw(t, r, "en", pages[name])
		if got := d.heading(); got != "We couldn’t send you back to the app" {
			t.Errorf("%s: heading %q", name, got)
		}
		if got := text(d.id("error-code")); got != "400 redirect_uri_mismatch" {
			t.Errorf("%s: error code %q", name, got)
		}
		for _, s := range want {
			if !strings.Contains(text(d.root), s) {
				t.Errorf("%s: page does not say %q", name, s)
			}
		}
	}
	marks := draw(t, r, "en", pages["error, explained"]).all("mark")
	if len(marks) != 1 || text(marks[0]) != "l" {
		t.Errorf("the missing letter is not marked: %d marks", len(marks))
	}
	for code, want := range map[string]string{"made_up": "couldn’t be completed", "server_error": "our side"} {
		if got := text(draw(t, r, "en", Error{Code: code}).root); !strings.Contains(got, want) {
			t.Errorf("error %s reads %q", code, got)
		}
	}
}

// A page whose link brings an answer to a client says where the link leads, in place of the name that the
// client gave itself.
func TestErrorAnswer(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["error, unknown client"])
	element(t, d.id("back"), "Go on to app.example.net", "href", "https://app.example.net/cb?error=invalid_scope&state=s")
	d.id("unknown-client")
	if got := text(d.id("leads-to")); !strings.Contains(got, "leads to app.example.net.") {
		t.Errorf("the page says %q", got)
	}
	d = draw(t, r, "en", pages["error, to be posted"])
	element(t, d.id("back"), "Go on to app.example.net", "type", "submit")
	forms := slices.DeleteFunc(d.all("form"), func(f *html.Node) bool { return !has(f, "action") }) // but that of the language
	if len(forms) != 1 || attr(forms[0], "action") != "com.example.app:/cb" || len(d.all("script")) != 0 {
		t.Errorf("%s", d.source)
	}
	element(t, draw(t, r, "en", pages["logged out, unknown client"]).id("back"), "Go on to app.example.net", "href", "https://app.example.net/bye")
	for name, page := range map[string]Error{
		"a script":  {Client: unknownClient(), Answer: &Answer{URL: "javascript:alert(1)"}},
		"no client": {Answer: &Answer{URL: "https://app.example.net/cb"}},
	} {
		if err := r.Render(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), 400, page); err == nil {
			t.Errorf("%s: the page is drawn", name)
		}
	}
	if got := text(draw(t, r, "en", pages["error, no redirect_uri"]).root); !strings.Contains(got, "redirect_uri is missing") {
		t.Errorf("the page says %q", got)
	}
}
