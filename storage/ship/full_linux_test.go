package ship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: the directory is on a disk that is full.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "size=64m")
	to := directory(filepath.Join(disk, "shipped"))
	if err := Make(to); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	fullDestination(t, to, func(full bool) {
		if !full {
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			return
		}
		fill(t, filler)
		if err := to.Put(t.Context(), claimName(99), make([]byte, 64<<10)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("put: %v", err)
		}
		if names, err := to.List(t.Context(), generationFolder(99)); err != nil || len(names) > 0 {
			t.Errorf("left: %v, %v", names, err)
		}
		if numbers, err := listNumbers(t.Context(), to, generationsFolder); err != nil || numbers[len(numbers)-1] == 99 {
			t.Errorf("generations: %v, %v", numbers, err)
		}
	})
}

// smallDisk mounts a file system of its own, which takes root.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "mode=0700,"+options); err != nil {
		missing := fmt.Sprintf("NOT TESTED: this needs a disk of its own, and mounting one failed: %v", err)
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fill takes all the space that is left.
func fill(t *testing.T, filler string) {
	t.Helper()
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
}
