package inspect

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// optional are the ids of links that a page can do without.
var optional = []string{"help", "imprint", "privacy", "client-policy", "client-tos", "show-password"}

// needed are the ids of what people must get to see: what failed, who asks, what they shall keep.
var needed = []string{
	"problem", "error-code", "request-id", "unknown-client", "new-password-refused", "passkey-status",
	"totp-secret", "recovery-codes", "link-identity", "link-account", "begun-username", "begun-at", "begun-from",
}

// document is a page: what one can do there.
type document struct {
	elements []*html.Node
	ids      map[string]*html.Node
}

func read(root *html.Node) *document {
	d := &document{ids: map[string]*html.Node{}}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		d.elements = append(d.elements, n)
		if id := attr(n, "id"); id != "" && d.ids[id] == nil {
			d.ids[id] = n
		}
	}
	return d
}

// compare notes what a page lacks, and what a browser would block.
func (p *pageCheck) compare(d *document) {
	p.blocked(d)
	for _, n := range p.needs.elements {
		id := attr(n, "id")
		switch {
		case isControl(n):
			p.wantControl(d, n)
		case n.Data == "a" && id != "" && !slices.Contains(optional, id):
			if found := d.ids[id]; found == nil || found.Data != "a" || attr(found, "href") != attr(n, "href") {
				p.lacks("ours is "+startTag(n), fmt.Sprintf("has no link with the id %q that leads to %s", id, attr(n, "href")))
			}
		case slices.Contains(needed, id) && d.ids[id] == nil:
			p.lacks("ours is "+startTag(n), fmt.Sprintf("has no element with the id %q", id))
		case n.Data == "script" && !slices.ContainsFunc(d.elements, func(m *html.Node) bool { return sameScript(m, n) }):
			p.lacks("ours is "+startTag(n), "lacks the script")
		}
		p.wantData(d, n)
	}
}

// isControl reports whether people type or tick something there, or send it.
func isControl(n *html.Node) bool {
	switch n.Data {
	case "input":
		return attr(n, "type") != "hidden"
	case "button", "select", "textarea":
		return true
	}
	return false
}

// wantControl looks for a field or a button of ours, in a form that goes to the same place with the same hidden fields.
func (p *pageCheck) wantControl(d *document, want *html.Node) {
	var found *html.Node
	for _, n := range d.elements {
		if n.Data == want.Data && same(n, want, "id") && same(n, want, "name") && (fixed(want) == "" || same(n, want, fixed(want))) && sameType(n, want) {
			found = n
			break
		}
	}
	if found == nil {
		p.lacks("ours is "+startTag(want), "has no "+describe(want))
		return
	}
	form, ours := formOf(found), formOf(want)
	switch {
	case ours == nil, form != nil && !p.weHave(form, "action"): // which is told of the form itself
		return
	case form == nil || attr(form, "action") != attr(ours, "action") || !strings.EqualFold(attr(form, "method"), attr(ours, "method")):
		p.lacks("put it into a form as ours is in", fmt.Sprintf("the %s is not in a form that goes to %q by %s", describe(want), attr(ours, "action"), attr(ours, "method")))
		return
	}
	has := hidden(form)
	for name, value := range hidden(ours) {
		if has[name] != value {
			p.lacks(`write {{template "hidden" .Hidden}} into each form, and the hidden fields that ours has`,
				fmt.Sprintf("the form of the %s lacks the hidden field %q", describe(want), name))
		}
	}
}

// wantData looks for what the script of passkeys is told by attributes.
func (p *pageCheck) wantData(d *document, want *html.Node) {
	for _, a := range want.Attr {
		if !strings.HasPrefix(a.Key, "data-passkey") {
			continue
		}
		if !slices.ContainsFunc(d.elements, func(n *html.Node) bool { return n.Data == want.Data && has(n, a.Key) && attr(n, a.Key) == a.Val }) {
			p.lacks("ours is "+startTag(want), fmt.Sprintf("has no %s with the attribute %s", want.Data, a.Key))
		}
	}
}

// fixed is the attribute that a control sends, unless people type it.
func fixed(n *html.Node) string {
	if n.Data == "button" || slices.Contains([]string{"checkbox", "radio"}, attr(n, "type")) {
		return "value"
	}
	return ""
}

func sameType(a, b *html.Node) bool { return a.Data != "input" || same(a, b, "type") }

func same(a, b *html.Node, key string) bool { return attr(a, key) == attr(b, key) }

func sameScript(a, b *html.Node) bool {
	return a.Data == "script" && same(a, b, "src") && content(a) == content(b)
}

func content(n *html.Node) string {
	if n.FirstChild == nil {
		return ""
	}
	return n.FirstChild.Data
}

func formOf(n *html.Node) *html.Node {
	for n := range n.Ancestors() {
		if n.Data == "form" {
			return n
		}
	}
	return nil
}

// hidden returns the hidden fields of a form.
func hidden(form *html.Node) map[string]string {
	fields := map[string]string{}
	for n := range form.Descendants() {
		if n.Data == "input" && attr(n, "type") == "hidden" {
			fields[attr(n, "name")] = attr(n, "value")
		}
	}
	return fields
}

// describe names a control by what tells it from others.
func describe(n *html.Node) string {
	text := n.Data
	if kind := attr(n, "type"); n.Data == "input" {
		text += " of type " + kind
	}
	for _, key := range []string{"id", "name", fixed(n)} {
		if value := attr(n, key); value != "" {
			text += fmt.Sprintf(", %s %q", key, value)
		}
	}
	return text
}

// startTag writes an element as it begins.
func startTag(n *html.Node) string {
	alone := &html.Node{Type: n.Type, Data: n.Data, DataAtom: n.DataAtom, Attr: n.Attr}
	var b strings.Builder
	if err := html.Render(&b, alone); err != nil {
		return n.Data
	}
	return strings.TrimSuffix(b.String(), "</"+n.Data+">")
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
