package templates

import "unicode/utf8"

// Difference is a value cut into what it shares with another one and what it does not.
type Difference struct{ Before, Own, After string }

// differ marks in value the part that is not in other, between their common beginning and their
// common end. Without another value nothing is marked.
func differ(value, other string) Difference {
	if other == "" {
		return Difference{Before: value}
	}
	start := 0
	for start < len(value) && start < len(other) && value[start] == other[start] {
		start++
	}
	for start > 0 && start < len(value) && !utf8.RuneStart(value[start]) {
		start--
	}
	end := len(value)
	for o := len(other); end > start && o > start && value[end-1] == other[o-1]; o-- {
		end--
	}
	for end < len(value) && !utf8.RuneStart(value[end]) {
		end++
	}
	return Difference{value[:start], value[start:end], value[end:]}
}
