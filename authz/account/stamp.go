package account

import (
	"strconv"

	"github.com/authzd/authzd/storage"
)

// Stamp names what a user's sign-ins rest on: the password as it was last set, the factors, and the epoch. A hash that
// is renewed at a login does not change it.
func Stamp(user *storage.User) string {
	set := ""
	switch n := len(user.PastHashes); {
	case user.PasswordHash == "":
	case n > 0:
		set = user.PastHashes[n-1]
	default:
		set = digest(user.PasswordHash)
	}
	return digest(set + "/" + strconv.Itoa(user.Epoch) + "/" + strconv.Itoa(user.FactorEpoch))
}
