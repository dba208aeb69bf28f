package templates

import (
	"slices"

	"golang.org/x/net/html"
)

// isQR reports whether a drawing is a QR code: paths with a colour, and nothing else.
func isQR(n *html.Node) bool {
	if attr(n, "class") != "qr" {
		return false
	}
	for path := n.FirstChild; path != nil; path = path.NextSibling {
		if path.Data != "path" || path.FirstChild != nil || slices.ContainsFunc(path.Attr, func(a html.Attribute) bool { return a.Key != "stroke" && a.Key != "d" }) {
			return false
		}
	}
	return true
}
