package passhash

import (
	"strconv"
	"strings"
)

// Kind returns a hash that costs what another one costs, or slightly more, and has nothing of it but that: its salt and
// its tag are zero. So few kinds stand for all hashes of a store, and a kind is verified to learn what they cost. No
// password is known to match it. The error is that of Parse.
func Kind(s string) (string, error) {
	if _, err := Parse(s); err != nil {
		return "", err
	}
	fields := strings.Split(s, "$")
	if strings.HasPrefix(fields[1], "2") {
		return "$2b$" + fields[2] + "$" + strings.Repeat(".", 53), nil
	}
	tag := len(strings.TrimRight(fields[len(fields)-1], "="))
	params := fields[2 : len(fields)-2]
	if strings.HasPrefix(fields[1], "pbkdf2") {
		digits, _, _ := strings.Cut(strings.TrimPrefix(params[0], "i="), ",")
		iterations, err := strconv.Atoi(digits)
		if err != nil {
			return "", err
		}
		params = []string{"i=" + strconv.Itoa(roundUp(iterations))} // some systems vary the number from hash to hash
	}
	return "$" + fields[1] + "$" + strings.Join(params, "$") + "$" + zero(base64Salt) + "$" + zero(tag), nil
}

// base64Salt is the length of the salt of New in base64.
const base64Salt = 22

func zero(characters int) string { return strings.Repeat("A", characters) }

// roundUp returns the next number that has two digits and then zeros.
func roundUp(n int) int {
	unit := 1
	for n > 99*unit {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}
