package templates

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"
)

const someIssuer = "https://id.example.com"

// Gallery has each page with all that it can show. The package gallery imports this one, so that gallery_test.go must
// put it here.
var Gallery func() map[string]Page

func everyPage() map[string]Page { return Gallery() }

// The apps that these pages are about.
func someClient() *Client    { return clientOf("consent") }
func unknownClient() *Client { return clientOf("consent, unknown client") }

func clientOf(consent string) *Client {
	client := everyPage()[consent].(Consent).Client
	return &client
}

// plain is a renderer without branding. Tests share it, because preparing all pages takes time.
var plain = sync.OnceValues(func() (*Renderer, error) { return New(someIssuer, Branding{}) })

func newRenderer(t testing.TB, brand Branding) *Renderer {
	t.Helper()
	if reflect.DeepEqual(brand, Branding{}) {
		r, err := plain()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r, err := New(someIssuer, brand)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// draw renders a page and parses it.
func draw(t testing.TB, r *Renderer, lang string, page Page) document {
	t.Helper()
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("Accept-Language", lang)
	return answer(t, r, req, 400, page)
}

// answer renders a page that answers req, and parses it.
func answer(t testing.TB, r *Renderer, req *http.Request, status int, page Page) document {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "r-1")
	if err := r.Render(w, req, status, page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return document{t, root, w.Body.String(), w.Header().Get("Content-Security-Policy")}
}

// document is a page as a browser sees it.
type document struct {
	t      testing.TB
	root   *html.Node
	source string
	policy string
}

// all returns the elements with one of these names, or every element.
func (d document) all(names ...string) []*html.Node {
	var found []*html.Node
	for n := range d.root.Descendants() {
		if n.Type == html.ElementNode && (len(names) == 0 || slices.Contains(names, n.Data)) {
			found = append(found, n)
		}
	}
	return found
}

// class returns the elements of a class.
func (d document) class(class string) []*html.Node {
	return slices.DeleteFunc(d.all(), func(n *html.Node) bool { return !slices.Contains(strings.Fields(attr(n, "class")), class) })
}

// id returns the element with this id, or fails.
func (d document) id(id string) *html.Node {
	d.t.Helper()
	for _, n := range d.all() {
		if attr(n, "id") == id {
			return n
		}
	}
	d.t.Fatalf("no element has the id %q in\n%s", id, d.source)
	return nil
}

func (d document) has(id string) bool {
	return slices.ContainsFunc(d.all(), func(n *html.Node) bool { return attr(n, "id") == id })
}

// heading is the text of the only h1.
func (d document) heading() string {
	d.t.Helper()
	headings := d.all("h1")
	if len(headings) != 1 {
		d.t.Fatalf("%d h1 elements, want one", len(headings))
	}
	return text(headings[0])
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// text is what a reader sees of an element, with single blanks.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" && d.Parent.Data != "style" {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// element checks an element's text and some of its attributes, given as pairs.
func element(t *testing.T, n *html.Node, wantText string, pairs ...string) {
	t.Helper()
	if got := text(n); got != wantText {
		t.Errorf("%s#%s reads %q, want %q", n.Data, attr(n, "id"), got, wantText)
	}
	for i := 0; i < len(pairs); i += 2 {
		if got := attr(n, pairs[i]); got != pairs[i+1] {
			t.Errorf("%s#%s has %s=%q, want %q", n.Data, attr(n, "id"), pairs[i], got, pairs[i+1])
		}
	}
}
