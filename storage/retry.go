package storage

import (
	"errors"
	"fmt"
)

// maxAttempts bounds how often a change that lost a race is computed again. The second attempt sees
// what the winner wrote and nearly always ends there. Where every racer has something to add, such as
// many apps that join one session at once, one gets through each time, and all of them must.
const maxAttempts = 100

// ErrContention: others were faster in every attempt of Retry. It is an ErrUnavailable too, and no
// conflict: the caller of a Retry does not try all of it again.
var ErrContention = fmt.Errorf("too many changes at once: %w", ErrUnavailable)

// Retry runs a change that reads, decides and ends with one Apply. If that Apply loses a
// compare-and-set, the change starts again from what won: a code that is used, a token that has its
// successor. It waits for nothing in between, because each time another request has got its work done.
//
// Retry returns the first error that is no conflict, nil included, or an ErrContention after
// maxAttempts conflicts. The change must not keep what it read from one attempt to the next.
func Retry(change func() error) error {
	var err error
	for range maxAttempts {
		if err = change(); !IsConflict(err) {
			return err
		}
	}
	return fmt.Errorf("%w: %v", ErrContention, err)
}

// IsConflict reports whether an Apply failed because the condition of a write did not hold: the error
// is, or wraps, a *ConflictError.
func IsConflict(err error) bool {
	return errors.As(err, new(*ConflictError))
}
