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

// hosts returns a text whose host names may go on in the next line behind a dot, and not in the middle of a word.
func hosts(text string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(text), ".", ".<wbr>"))
}
