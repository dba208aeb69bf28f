package bolt

import (
	"errors"
	"io/fs"
	"syscall"
)

// hinted is an error that the operator can do something about.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint says what the operator can do.
func (h hinted) Hint() string { return h.hint }

// withHint adds a hint to an error of the system, unless it has one.
func withHint(err error) error {
	switch {
	case errors.As(err, new(interface{ Hint() string })):
		return err
	case errors.Is(err, syscall.EROFS):
		return hinted{err, "the disk is read-only: mount it for writing, and look in the system's log for a failure"}
	case errors.Is(err, fs.ErrPermission):
		return hinted{err, "make the file and its folder belong to the user that authzd runs as"}
	case lacksSpace(err):
		return hinted{err, "the disk is full: free some space"}
	}
	return err
}
