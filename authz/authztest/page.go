package authztest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Page is an HTML page, or any other answer.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string

	ids map[string]*html.Node
}

func (p *Page) index(n *html.Node) {
	if id := attribute(n, "id"); id != "" {
		p.ids[id] = n
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.index(c)
	}
}

// Has reports whether the page has an element with this id.
func (p *Page) Has(id string) bool { return p.ids[id] != nil }

// Link is where the link with this id leads, "" if there is none.
func (p *Page) Link(id string) string {
	if p.ids[id] == nil {
		return ""
	}
	return attribute(p.ids[id], "href")
}

// Text is what the element with this id says, "" if there is none.
func (p *Page) Text(id string) string {
	if p.ids[id] == nil {
		return ""
	}
	return strings.Join(strings.Fields(text(p.ids[id])), " ")
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	said := ""
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		said += text(c)
	}
	return said
}

// Submit returns the request that a click on a button makes: the hidden fields of its form, the
// button's own value, and the given fields.
func (p *Page) Submit(t testing.TB, buttonID string, fields url.Values) *http.Request {
	t.Helper()
	button := p.ids[buttonID]
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		t.Fatalf("no button %s in a form on %s", buttonID, p.URL.Path)
	}
	action, err := p.URL.Parse(attribute(form, "action"))
	if err != nil {
		t.Fatal(err)
	}
	values := url.Values{}
	hidden(form, values)
	if name := attribute(button, "name"); name != "" {
		values.Set(name, attribute(button, "value"))
	}
	maps.Copy(values, fields)
	request, err := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", action.Scheme+"://"+action.Host)
	return request
}

// Asked returns the options that the form of a button has for navigator.credentials, as JSON. The button sends the answer
// in the field passkey-answer.
func (p *Page) Asked(t testing.TB, buttonID string) string {
	t.Helper()
	form := p.ids[buttonID]
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		t.Fatalf("no button %s in a form on %s: %d %.300s", buttonID, p.URL.Path, p.Status, p.Body)
	}
	var ask struct {
		Options string `json:"options"`
	}
	if err := json.Unmarshal([]byte(attribute(form, "data-passkey")), &ask); err != nil {
		t.Fatalf("the form of %s asks for no passkey: %v", buttonID, err)
	}
	return ask.Options
}

// Passkey returns the request that the script makes with the answer of an authenticator.
func (p *Page) Passkey(t testing.TB, buttonID, answer string) *http.Request {
	t.Helper()
	return p.Submit(t, buttonID, url.Values{"passkey-answer": {answer}})
}

// hidden collects the hidden fields below a node.
func hidden(n *html.Node, values url.Values) {
	if n.Type == html.ElementNode && n.Data == "input" && attribute(n, "type") == "hidden" {
		values.Set(attribute(n, "name"), attribute(n, "value"))
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		hidden(c, values)
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Redirect returns the parameters that the page sends to RedirectURI, and fails the test if it does not lead there.
func (p *Page) Redirect(t testing.TB) url.Values {
	t.Helper()
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), RedirectURI) {
		t.Fatalf("no redirect to the client: %d %q\n%.300s", p.Status, u, p.Body)
	}
	return u.Query()
}

// LedTo returns the path of the server's page that this one redirects to, "" if it does not redirect.
func (p *Page) LedTo(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}
