package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// TestKilledUnderTraffic kills a process in the middle of its writes, again and again on the same file. All writes
// that it reported must be there, and each unit whole or absent.
func TestKilledUnderTraffic(t *testing.T) {
	const kills = 50
	path := filepath.Join(t.TempDir(), "store.db")
	for run := range kills {
		cmd, _, stdout := startChild(t, "traffic", path, fmt.Sprint(run))
		acknowledged := make(map[string]bool)
		lines := bufio.NewScanner(stdout)
		for enough := 1 + rand.IntN(150); len(acknowledged) < enough && lines.Scan(); {
			acknowledged[lines.Text()] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // said before it died
			acknowledged[lines.Text()] = true
		}
		_ = cmd.Wait()
		if len(acknowledged) == 0 {
			t.Fatal("the child wrote nothing")
		}
		checkUnits(t, path, fmt.Sprintf("%d/", run), acknowledged)
	}
	checkUnits(t, path, "", nil)
	checkPages(t, path)
}

// checkUnits opens the database and looks at the units whose names begin with prefix.
func checkUnits(t *testing.T, path, prefix string, acknowledged map[string]bool) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	defer s.Close()
	scan := func(table storage.Table) map[string]string {
		found := make(map[string]string)
		for after := ""; ; {
			recs, err := s.Scan(context.Background(), table, prefix, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range recs {
				found[r.Key] = string(r.Value)
				after = r.Key
			}
			if len(recs) < 1000 {
				return found
			}
		}
	}
	codes, tokens, newest := scan(storage.Codes.Table), scan(storage.RefreshTokens.Table), scan(storage.Grants.Table)
	for unit := range acknowledged {
		if codes[unit] != unit || tokens[unit] != unit {
			t.Errorf("unit %s was acknowledged and is not there", unit)
		}
	}
	if len(codes) != len(tokens) {
		t.Errorf("%d first and %d last halves of units", len(codes), len(tokens))
	}
	perWorker := make(map[string]int)
	for unit := range codes {
		if tokens[unit] != unit {
			t.Errorf("unit %s is half there", unit)
		}
		perWorker[filepath.Dir(unit)]++
	}
	for worker, n := range perWorker {
		if want := fmt.Sprintf("%s/%d", worker, n-1); newest[worker] != want {
			t.Errorf("worker %s has %d units, and the newest is said to be %s", worker, n, newest[worker])
		}
	}
}

// checkPages has bbolt check each page of a closed database.
func checkPages(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("page check: %v", err)
		}
		return nil
	})
}

// TestKilledWhileCreating kills a process while it makes a new database. Under the final name there
// is then nothing or a whole database, and the next start clears up.
func TestKilledWhileCreating(t *testing.T) {
	whole := 0
	const kills = 30
	for i := range kills {
		folder := t.TempDir()
		path := filepath.Join(folder, "store.db")
		cmd, _, _ := startChild(t, "create", path)
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		waitForFile(t, folder, ended)
		// Each kill comes a little later than the one before.
		for moment := time.Now().Add(time.Duration(i*i) * 50 * time.Microsecond); time.Now().Before(moment); {
			runtime.Gosched()
		}
		_ = cmd.Process.Kill()
		<-ended

		if _, err := os.Stat(path); err == nil {
			whole++
			checkPages(t, path)
		}
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatalf("after a kill while creating: %v", err)
		}
		apply(t, s, put("k", "v"))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) != 1 {
			t.Errorf("left over: %v, %v", entries, err)
		}
	}
	t.Logf("%d of %d kills came after the database had its name", whole, kills)
}

// waitForFile waits until there is anything in a folder, or the process has ended.
func waitForFile(t *testing.T, folder string, ended <-chan struct{}) {
	t.Helper()
	for {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			return
		}
		select {
		case <-ended:
			return
		default:
			runtime.Gosched()
		}
	}
}

// TestLeftoversOfOthersStay: only what create left for this very database is removed.
func TestLeftoversOfOthersStay(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{".store.db.new-1", ".other.db.new-1", "store.db.new-1", "notes"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openStore(t, filepath.Join(folder, "store.db"))
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), ".other.db.new-1 notes store.db store.db.new-1"; got != want {
		t.Errorf("folder holds %s; want %s", got, want)
	}
}
