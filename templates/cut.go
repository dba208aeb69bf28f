package templates

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
