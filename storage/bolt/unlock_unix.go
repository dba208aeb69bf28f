//go:build unix

package bolt

import (
	"errors"
	"os"
	"syscall"
)

// unlockAndClose closes a file that bbolt has mapped and will never unmap. Closing alone would not
// release the lock, which lasts as long as the map does.
func unlockAndClose(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
