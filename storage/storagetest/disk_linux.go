package storagetest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// SmallDisk returns a folder on a separate disk, of tmpfs with these mount options ("size=16m"). It needs
// root. The path is short enough for a socket.
func SmallDisk(t testing.TB, options string) (folder string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "authzd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(folder) })
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "mode=0700,"+options); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a separate disk could not be mounted: %v", err)
		}
		t.Skipf("SKIPPED: this needs a separate disk, which only root may mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// FillDisk fills the disk of a folder, and returns the file that does.
func FillDisk(t testing.TB, folder string) (filler string) {
	t.Helper()
	filler = filepath.Join(folder, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return filler
}
