package storage

import (
	"errors"
	"fmt"
)

// maxAttempts bounds how often a change that lost a race is computed again. The second attempt sees the
// winner's records and nearly always succeeds. But if each racer adds something, such as many apps that join
// one session at once, one succeeds in each round, and all of them must.
const maxAttempts = 100

// ErrContention says that others were faster in every attempt of Retry. It is also an ErrUnavailable, and not
// a conflict, so that an outer Retry does not start again.
var ErrContention = fmt.Errorf("too many changes at once: %w", ErrUnavailable)

// Retry runs a change that reads, decides and ends with one Apply. If that Apply loses a compare-and-set, the
// change starts again and reads what the winner wrote. Retry does not wait in between, because after each
// conflict another request has finished its work.
//
// Retry returns nil, the first error that is not a conflict, or an ErrContention after maxAttempts conflicts.
// The change must not keep what it read from one attempt to the next.
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
