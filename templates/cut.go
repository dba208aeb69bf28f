package templates

import (
	"html/template"
	"strings"
)

// cutText is the beginning of a text, and how many characters are missing.
type cutText struct {
	Text string
	More int
}

// cut limits a value to the part that a page shows.
func cut(value string) cutText {
	runes := []rune(value)
	n := min(len(runes), MaxDetailValue)
	return cutText{string(runes[:n]), len(runes) - n}
}

// named returns a text with the host that it names as one word, which goes on in the next line behind a dot if it has to.
func named(text, host string) template.HTML {
	word := "<bdi>" + strings.ReplaceAll(template.HTMLEscapeString(host), ".", ".<wbr>") + "</bdi>"
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), template.HTMLEscapeString(host), word))
}
