//go:build !unix

package bolt

import "os"

func unlockAndClose(f *os.File) error { return f.Close() }
