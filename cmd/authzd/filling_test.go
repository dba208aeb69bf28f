package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKeptBeside: several restores in one second keep what each has replaced.
func TestKeptBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authzd.db")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for range 5 {
		kept, err := keepBeside(path)
		if err != nil || names[kept] {
			t.Fatalf("kept as %q: %v", kept, err)
		}
		names[kept] = true
	}
}
