package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// browser is a user agent without scripts: cookies, redirects and forms.
type browser struct {
	issuer   string
	client   *http.Client
	username string // what it fills in; of Alice, unless a test says otherwise
	password string
	from     string // network address that a proxy tells the server; "": none does
	logins   int    // how often it was asked for a password
}

func newBrowser(t *testing.T, s *server) *browser {
	t.Helper()
	return openBrowser(s)
}

func openBrowser(s *server) *browser {
	jar, _ := cookiejar.New(nil) // fails only for its options
	return &browser{issuer: s.issuer, username: "alice", password: password, client: &http.Client{
		Jar:           jar,
		Transport:     s.route,
		Timeout:       5 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// cookies are those that the issuer gets, by name.
func (b *browser) cookies() map[string]string {
	found := make(map[string]string)
	for _, c := range b.client.Jar.Cookies(b.root()) {
		found[c.Name] = c.Value
	}
	return found
}

func (b *browser) setCookies(values map[string]string) {
	var cookies []*http.Cookie
	for name, value := range values {
		cookies = append(cookies, &http.Cookie{Name: name, Value: value, Path: "/"})
	}
	b.client.Jar.SetCookies(b.root(), cookies)
}

func (b *browser) root() *url.URL {
	root, err := url.Parse(b.issuer + "/")
	if err != nil {
		panic(err) // the issuer is ours
	}
	return root
}

// authorize opens an authorization URL and does what the pages ask for: the user signs in and allows.
// It returns the URL outside the issuer that the browser was sent to in the end.
func (b *browser) authorize(authURL string) (*url.URL, error) {
	last, err := b.follow(authURL)
	if err != nil {
		return nil, err
	}
	if last.location == nil {
		return nil, fmt.Errorf("status %d, and a page that leads nowhere: %s", last.status, last.text())
	}
	return last.location, nil
}

// follow is authorize for pages that may lead to no app: it returns the last one.
func (b *browser) follow(start string) (*page, error) {
	req, err := http.NewRequest(http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	for range 10 {
		p, err := b.open(req)
		if err != nil {
			return nil, err
		}
		switch {
		case p.location != nil && !strings.HasPrefix(p.location.String(), b.issuer+"/"):
			return p, nil
		case p.location != nil:
			req, err = http.NewRequest(http.MethodGet, p.location.String(), nil)
		case p.byID("login-submit") != nil && p.byID("problem") == nil:
			b.logins++
			req, err = p.submit("login-submit", map[string]string{"username": b.username, "password": b.password})
		case p.byID("consent-allow") != nil:
			req, err = p.submit("consent-allow", nil)
		case p.byID("device-submit") != nil:
			req, err = p.submit("device-submit", nil) // the code is filled in
		default:
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the pages go round in circles")
}

// page is an answer: a redirect, or a document.
type page struct {
	url      *url.URL
	status   int
	location *url.URL // nil: not a redirect
	root     *html.Node
}

func (b *browser) open(req *http.Request) (*page, error) {
	if b.from != "" {
		req.Header.Set("X-Forwarded-For", b.from)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	p := &page{url: req.URL, status: resp.StatusCode}
	if p.location, err = resp.Location(); err != nil && !errors.Is(err, http.ErrNoLocation) {
		return nil, err
	}
	p.root, err = html.Parse(bytes.NewReader(body))
	return p, err
}

// submit presses the button with that id: the request carries what its form holds, with the
// inputs named in fields (by their ids, or their names) filled in.
func (p *page) submit(buttonID string, fields map[string]string) (*http.Request, error) {
	button := p.byID(buttonID)
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		return nil, fmt.Errorf("no form around %q", buttonID)
	}
	values := url.Values{}
	for n := range form.Descendants() {
		if name := attr(n, "name"); name != "" && n.Data == "input" && sent(n) {
			value, filled := fields[attr(n, "id")]
			if !filled {
				value, filled = fields[name]
			}
			if !filled {
				value = attr(n, "value")
			}
			values.Add(name, value)
		}
	}
	if name := attr(button, "name"); name != "" {
		values.Add(name, attr(button, "value"))
	}
	action, err := p.url.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(attr(form, "method"), http.MethodPost) {
		return nil, fmt.Errorf("the form of %q is not sent by POST", buttonID)
	}
	req, err := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Chromium sends this from a page whose Referrer-Policy is same-origin.
	req.Header.Set("Origin", action.Scheme+"://"+action.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req, nil
}

// sent reports whether a form sends this input although nobody has touched it.
func sent(input *html.Node) bool {
	switch attr(input, "type") {
	case "submit", "button", "image", "reset", "file":
		return false
	case "checkbox", "radio":
		return hasAttr(input, "checked")
	}
	return !hasAttr(input, "disabled")
}

func (p *page) byID(id string) *html.Node {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && attr(n, "id") == id {
			return n
		}
	}
	return nil
}

// text is what the page says, in one line.
func (p *page) text() string {
	var words []string
	for n := range p.root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}
