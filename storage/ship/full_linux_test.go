package ship

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/authzd/authzd/storage/storagetest"
)

// TestFullDisk: the directory is on a disk that is full.
func TestFullDisk(t *testing.T) {
	disk := storagetest.SmallDisk(t, "size=64m")
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
		storagetest.FillDisk(t, disk)
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
