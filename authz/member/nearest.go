package member

import "strings"

// Nearest returns the candidate that was probably meant by a word, or nothing: one that differs by a slip of the
// fingers, by its case or hyphens, or that contains the word whole.
func Nearest(word string, candidates []string) string {
	word = plain(word)
	best, bestDistance := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(word, plain(c)); d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	if best != "" || len(word) < 4 {
		return best
	}
	for _, c := range candidates {
		if strings.Contains(plain(c), word) {
			return c
		}
	}
	return ""
}

// Distance counts the bytes to insert, delete or replace to get from one word to the other. Styles of writing do not
// count.
func Distance(a, b string) int { return distance(plain(a), plain(b)) }

// plain forgets what separates the styles of writing: redirectUris, redirect-uris, REDIRECT_URIS.
func plain(word string) string {
	const longest = 64 // no key is longer, and distance takes quadratic time
	word = word[:min(len(word), longest)]
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(word))
}

// distance counts the bytes to insert, delete or replace to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
