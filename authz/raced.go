package authz

import (
	"errors"

	"github.com/authzd/authzd/storage"
)

// maxAttempts bounds how often a request that lost a race is computed again. The second attempt
// sees what the winner wrote and nearly always ends there. Where every racer has something to add, as
// many apps that join one session at once, one gets through each time, and all of them must.
const maxAttempts = 100

// raced runs a request that reads, decides and ends with one Apply. If that loses a compare-and-set,
// the request starts again from what won: a code that is used, a token that has its successor.
func raced(request func() error) error {
	var err error
	for range maxAttempts {
		err = request()
		if lost := new(storage.ConflictError); !errors.As(err, &lost) {
			break
		}
	}
	return err
}
