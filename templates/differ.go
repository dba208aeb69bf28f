package templates

// maxDiffer bounds the work of comparing two values, in pairs of characters.
const maxDiffer = 1 << 20

// Part is a piece of a value. It is either shared with the other value, or the value's alone.
type Part struct {
	Text string
	Own  bool
}

// differ divides value into parts that it shares with other, by their longest common subsequence, and parts
// that it has alone. Without another value, or if they are too long to compare, everything is shared.
func differ(value, other string) []Part {
	a, b := []rune(value), []rune(other)
	if len(b) == 0 || len(a)*len(b) > maxDiffer {
		return []Part{{Text: value}}
	}
	common := subsequences(a, b)
	var parts []Part
	for i, j := 0, 0; i < len(a); {
		switch {
		case j < len(b) && a[i] == b[j]:
			parts = extend(parts, a[i], false)
			i, j = i+1, j+1
		case j < len(b) && common[i][j+1] > common[i+1][j]:
			j++
		default:
			parts = extend(parts, a[i], true)
			i++
		}
	}
	return parts
}

// subsequences holds at [i][j] the length of the longest common subsequence of a[i:] and b[j:].
func subsequences(a, b []rune) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}

// extend adds a character to the last part, or begins a new one.
func extend(parts []Part, r rune, own bool) []Part {
	if last := len(parts) - 1; last >= 0 && parts[last].Own == own {
		parts[last].Text += string(r)
		return parts
	}
	return append(parts, Part{string(r), own})
}
