package inspect

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// ownLook says how a page gets another look without what the policy blocks.
const ownLook = "remove it: pages have the classes of our style sheet, and the colours of branding.css"

// blocked notes what the Content-Security-Policy of the page forbids, and forms that lead elsewhere, which it can't.
func (p *pageCheck) blocked(d *document) {
	for _, n := range d.elements {
		switch n.Data {
		case "style", "object", "embed", "base", "applet", "audio", "video", "track", "portal":
			p.refuse(n, ownLook, fmt.Sprintf("has a %s element, which the policy of the page blocks", n.Data))
		case "script":
			if !slices.ContainsFunc(p.needs.elements, func(m *html.Node) bool { return sameScript(m, n) }) {
				p.refuse(n, "remove it: pages work without scripts of an operator's", "has a script that is none of ours, which the policy of the page blocks")
			}
		case "iframe", "frame":
			if !p.weHave(n, "src") {
				p.refuse(n, "remove it", "has a frame, which the policy of the page blocks")
			}
		case "img", "source", "link", "image", "use":
			p.loads(n)
		case "meta":
			if has(n, "http-equiv") {
				p.refuse(n, "remove it: the server sends the headers", "has a meta element with http-equiv")
			}
		case "form":
			if !p.weHave(n, "action") {
				p.refuse(n, "write action=\"{{.Action}}\"", fmt.Sprintf("has a form that posts to %q, which none of ours does", attr(n, "action")))
			}
		}
		p.attributes(n)
	}
}

// weHave reports whether our page has an element of the same kind with the same value of an attribute.
func (p *pageCheck) weHave(n *html.Node, key string) bool {
	return slices.ContainsFunc(p.needs.elements, func(m *html.Node) bool { return m.Data == n.Data && same(m, n, key) })
}

// loads refuses what comes from another host, unless our page has it from there.
func (p *pageCheck) loads(n *html.Node) {
	for _, key := range []string{"src", "srcset", "href", "xlink:href"} {
		if url := attr(n, key); url != "" && url[0] != '#' && !ownURL(url) && !p.weHave(n, key) {
			p.refuse(n, "use {{asset \"logo\"}} and the other files of ours", fmt.Sprintf("loads %q, which the policy of the page blocks", url))
		}
	}
}

// ownURL reports whether a URL is a path of this server, as all files of ours are.
func ownURL(url string) bool {
	return strings.HasPrefix(url, "/") && !strings.HasPrefix(url, "//") && !strings.ContainsAny(url, "\\\t\r\n,")
}

// attributes refuses styles and scripts in attributes.
func (p *pageCheck) attributes(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case a.Key == "style":
			p.refuseAttribute(a.Key, ownLook, fmt.Sprintf("has the attribute style on %s, which the policy of the page blocks", n.Data))
		case strings.HasPrefix(a.Key, "on"):
			p.refuseAttribute(a.Key, "remove it", fmt.Sprintf("has the attribute %s on %s, which the policy of the page blocks", a.Key, n.Data))
		case a.Key == "formaction", a.Key == "ping", a.Key == "background":
			p.refuseAttribute(a.Key, "remove it", fmt.Sprintf("has the attribute %s on %s", a.Key, n.Data))
		case slices.Contains([]string{"href", "src", "action"}, a.Key) && runsScript(a.Val):
			p.refuseAttribute(a.Key, "remove it", fmt.Sprintf("has a %s that is a script, which the policy of the page blocks", a.Key))
		}
	}
}

// runsScript reads the scheme of a URL as browsers do: without blanks and control characters.
func runsScript(url string) bool {
	url = strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, url))
	return strings.HasPrefix(url, "javascript:") || strings.HasPrefix(url, "vbscript:") || strings.HasPrefix(url, "data:")
}

// refuse notes an element, at the first line that has one of its kind.
func (p *pageCheck) refuse(n *html.Node, hint, reason string) {
	p.refuseAt("<", n.Data, `\b`, hint, reason)
}

func (p *pageCheck) refuseAttribute(key, hint, reason string) {
	p.refuseAt(`[\s"'/]`, key, `\s*=`, hint, reason)
}

// refuseAt notes a flaw at the first line of the operator's templates that has a text.
func (p *pageCheck) refuseAt(before, text, after, hint, reason string) {
	for _, name := range p.files() {
		if line := p.line(name, before, text, after); line > 0 {
			p.add(name, line, hint, reason, p.in())
			return
		}
	}
	p.add(p.blamed(), 1, hint, reason, p.in())
}
