package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/storagetest"
)

// TestKilledWhileCompacting kills a process under traffic at each stage of a compaction, again and again on the same
// file. All writes that it reported are there.
func TestKilledWhileCompacting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	run := 0
	for range 3 {
		for _, stage := range bolt.CompactStages {
			cmd, _, stdout := startChild(t, "compact", path, fmt.Sprint(run), stage)
			acknowledged := make(map[string]bool)
			for lines := bufio.NewScanner(stdout); lines.Scan(); { // until it has killed itself
				acknowledged[lines.Text()] = true
			}
			_ = cmd.Wait()
			if killed := !cmd.ProcessState.Exited(); !killed {
				t.Fatalf("%s: %v", stage, cmd.ProcessState)
			}
			checkUnits(t, path, fmt.Sprintf("%d/", run), acknowledged)
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
				t.Errorf("%s: left over: %v, %v", stage, entries, err)
			}
			checkPages(t, path)
			run++
		}
	}
	checkUnits(t, path, "", nil)
}

// TestCompactOnFullDisk: a copy that there is no room for is not begun, and one that loses its room on
// the way leaves everything as it was.
func TestCompactOnFullDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=32m")
	path := filepath.Join(folder, "store.db")
	var atStage func()
	s, err := bolt.Open(path, bolt.AtStage(bolt.CompactStages[0], func() { atStage() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range 1000 {
		apply(t, s, put(fmt.Sprint("key", i), strings.Repeat("v", 2000)))
	}
	filler := storagetest.FillDisk(t, folder)
	if _, err := s.Compact(context.Background()); err == nil || !strings.Contains(err.Error(), "the copy needs") {
		t.Errorf("on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	written := 0
	atStage = func() { // the copy is there; now somebody takes the rest, and what was free in the file is used
		filler = storagetest.FillDisk(t, folder)
		for s.Apply(context.Background(), put(fmt.Sprint("late", written), strings.Repeat("v", 2000))) == nil {
			written++
		}
	}
	if _, err := s.Compact(context.Background()); err == nil {
		t.Error("compacted on a disk that was full")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	for i := range 1000 {
		wantValue(t, s, fmt.Sprint("key", i), strings.Repeat("v", 2000))
	}
	for i := range written {
		wantValue(t, s, fmt.Sprint("late", i), strings.Repeat("v", 2000))
	}
	atStage = func() {}
	if _, err := s.Compact(context.Background()); err != nil {
		t.Error(err)
	}
	apply(t, s, put("after", "all"))
}
