package bolt_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// formatOne are the options of an authzd that knows one format.
var formatOne = bolt.Stepwise(storage.Migrations{}, "")

// twoSteps are migrations of the users table: each appends to every value.
var twoSteps = storage.Migrations{
	{{Table: storage.Users.Table, Convert: appending("+2")}},
	{{Table: storage.Users.Table, Convert: appending("+3")}},
}

func appending(s string) func(storage.Record) ([]storage.Write, error) {
	return func(rec storage.Record) ([]storage.Write, error) {
		if strings.HasSuffix(string(rec.Value), "spoilt") {
			return nil, errors.New("not what it should be")
		}
		value := append(rec.Value, s...)
		return []storage.Write{{Table: storage.Users.Table, Key: rec.Key, Value: value, If: storage.At(rec.Version), Expires: rec.Expires}}, nil
	}
}

// snapshots are the databases that migrations have left beside the one at path.
func snapshots(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + ".format-*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUpgrade(t *testing.T) {
	path := newFileBy(t, formatOne)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	opts := bolt.Stepwise(twoSteps, "")
	opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, s, "key007", strings.Repeat("v", 100)+"+2+3")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept := snapshots(t, path)
	if len(kept) != 1 || !strings.Contains(kept[0], ".format-1-") || !strings.Contains(log.String(), kept[0]) {
		t.Fatalf("kept %v; log:\n%s", kept, &log)
	}
	if after, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database that was kept is not what it was, %v", err)
	}
	for _, name := range append(kept, path) {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	checkPages(t, path)

	upgraded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantRefusedBy(t, formatOne, path, "has format 3, written by a newer authzd; this one knows formats up to 1")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(upgraded, after) {
		t.Errorf("an older authzd changed the file, %v", err)
	}
	wantValue(t, openStoreBy(t, formatOne, kept[0]), "key007", strings.Repeat("v", 100)) // and the kept one serves it
}

// TestUpgradeTwice: a database that takes the place of one that has just been migrated is kept too.
func TestUpgradeTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for range 3 {
		if err := os.Rename(newFileBy(t, formatOne), path); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(path, bolt.Stepwise(twoSteps, ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if kept := snapshots(t, path); len(kept) != 3 {
		t.Errorf("kept %v", kept)
	}
}

// TestUpgradeNothing: a new database has nothing to be migrated, and nothing is kept of it.
func TestUpgradeNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for range 2 {
		s, err := bolt.Open(path, bolt.Stepwise(twoSteps, ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if kept := snapshots(t, path); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
	wantRefusedBy(t, formatOne, path, "has format 3")
}

// TestUpgradeKilled: wherever it is killed, what has the database's name is whole, and the next start
// ends what was begun.
func TestUpgradeKilled(t *testing.T) {
	for _, stage := range bolt.UpgradeStages {
		t.Run(stage, func(t *testing.T) {
			path := newFileBy(t, formatOne)
			for range 2 {
				cmd, _, _ := startChild(t, "upgrade", path, stage)
				_ = cmd.Wait()
				checkPages(t, path)
				if stage == bolt.UpgradeStages[3] {
					break
				}
				s, err := bolt.Open(path, formatOne) // an authzd of its time
				if err != nil {
					t.Fatal(err)
				}
				wantValue(t, s, "key007", strings.Repeat("v", 100))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s, err := bolt.Open(path, bolt.Stepwise(twoSteps, ""))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			wantValue(t, s, "key007", strings.Repeat("v", 100)+"+2+3")
			if kept := snapshots(t, path); len(kept) != 1 {
				t.Errorf("kept %v", kept)
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
				t.Errorf("in the folder: %v, %v", entries, err)
			}
		})
	}
}

// TestUpgradeTooLate: a database that took the place of the one being migrated stays there.
func TestUpgradeTooLate(t *testing.T) {
	path, other := newFileBy(t, formatOne), newFileBy(t, formatOne)
	before, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	opts := bolt.StepwiseAt(twoSteps, bolt.UpgradeStages[1], func() {
		if err := os.Rename(other, path); err != nil {
			t.Error(err)
		}
	})
	if s, err := bolt.Open(path, opts); err == nil {
		s.Close()
		t.Error("opened")
	} else if !strings.Contains(err.Error(), "is not the file that was opened") {
		t.Errorf("error is %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was replaced, %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}

func TestUpgradeFails(t *testing.T) {
	path := newFileBy(t, formatOne)
	s, err := bolt.Open(path, formatOne)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, put("zzz", "spoilt"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(path, bolt.Stepwise(twoSteps, "")); err == nil || !strings.Contains(err.Error(), "convert users record") {
		t.Errorf("error is %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database was changed, %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
	wantValue(t, openStoreBy(t, formatOne, path), "zzz", "spoilt")
}
