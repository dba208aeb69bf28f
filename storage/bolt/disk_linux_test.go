package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/storagetest"
)

// TestFullDisk fills the disk under a store, twice. Writes then fail, all that was acknowledged can
// be read, and when there is space again so can writes be made, with nobody having done anything.
func TestFullDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=16m")
	path := filepath.Join(folder, "store.db")
	var log bytes.Buffer
	s, err := bolt.Open(path, bolt.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	acknowledged, refused := make(map[string]bool), make(map[string]bool)
	write := func(key string) error {
		err := s.Apply(context.Background(), put(key, strings.Repeat("v", 2000)))
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			acknowledged[key] = true
		} else {
			refused[key] = true
		}
		return err
	}
	for n := range 100 {
		if err := write(fmt.Sprint("before ", n)); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 2 {
		filler := storagetest.FillDisk(t, folder)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for n, failures := 0, 0; failures < 3; n++ {
					err := write(fmt.Sprintf("%d/%d/%d", round, w, n))
					if err != nil && !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("apply: %v; want ErrUnavailable", err)
					}
					if err != nil {
						failures++
					}
				}
			})
		}
		wg.Wait()
		wantNotReady(t, s)
		wantNotReady(t, s)
		checkRecords(t, s, acknowledged, refused)

		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if err := s.Ready(t.Context()); err != nil {
				t.Errorf("ready with space again: %v", err)
			}
		}
		if err := write(fmt.Sprint("after ", round)); err != nil { // whether Ready was asked or not
			t.Errorf("apply with space again: %v", err)
		}
	}
	for what, n := range map[string]int{"takes no writes": 2, "no space left on device": 2, "takes writes again": 1} {
		if strings.Count(log.String(), what) != n {
			t.Errorf("log does not say %q %d times: %s", what, n, log.String())
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkPages(t, path)
	checkRecords(t, openStore(t, path), acknowledged, refused)
}

// checkRecords looks for each record. A refused one might be there, says the contract; that this
// engine's are not, as long as it is space that lacked, is what makes it safe to go on.
func checkRecords(t *testing.T, s *bolt.Store, acknowledged, refused map[string]bool) {
	t.Helper()
	if len(acknowledged) == 0 || len(refused) == 0 {
		t.Fatalf("%d writes succeeded, %d failed; want some of both", len(acknowledged), len(refused))
	}
	recs, err := s.Scan(context.Background(), storage.Users.Table, "", "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != len(acknowledged) {
		t.Errorf("%d records are there, %d were acknowledged", len(recs), len(acknowledged))
	}
	for _, rec := range recs {
		if !acknowledged[rec.Key] || refused[rec.Key] || len(rec.Value) != 2000 {
			t.Errorf("record %s of %d bytes is there", rec.Key, len(rec.Value))
		}
	}
}

// TestCreateOnFullDisk leaves nothing behind.
func TestCreateOnFullDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=64k")
	filler := storagetest.FillDisk(t, folder)
	path := filepath.Join(folder, "store.db")
	wantRefused(t, path, "no space left on device")
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	openStore(t, path)
}

func TestReadOnlyDisk(t *testing.T) {
	folder := storagetest.SmallDisk(t, "size=4m")
	path := filepath.Join(folder, "store.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "read-only file system")
	wantRefused(t, filepath.Join(folder, "new.db"), "read-only file system")
}

// TestNoPermission opens files as a user who may not.
func TestNoPermission(t *testing.T) {
	path := newFile(t)
	if os.Getuid() == 0 {
		asNobody(t, filepath.Dir(path))
	}
	for _, mode := range []os.FileMode{0o444, 0o000} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, path, "permission denied")
	}
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, filepath.Join(filepath.Dir(path), "new.db"), "permission denied")
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
}

// asNobody gives folder and what is in it to an ordinary user, and lets the rest of the test act on
// files as that user.
func asNobody(t *testing.T, folder string) {
	t.Helper()
	const nobody = 65534
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Chown(filepath.Join(folder, e.Name()), nobody, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(folder, nobody, -1); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(folder), 0o711); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the thread has the user, and must not serve other tests
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
		runtime.UnlockOSThread()
	})
}
