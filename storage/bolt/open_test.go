package bolt_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// newFile makes a database with some records, closed, and returns its path.
func newFile(t testing.TB) string {
	t.Helper()
	return newFileBy(t, bolt.Options{})
}

func newFileBy(t testing.TB, opts bolt.Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	var writes []storage.Write
	for i := range 120 {
		for _, table := range []storage.Table{storage.Users.Table, storage.RefreshTokens.Table} {
			writes = append(writes, storage.Write{Table: table, Key: fmt.Sprintf("key%03d", i), Value: []byte(strings.Repeat("v", 100)), If: storage.Any})
		}
	}
	apply(t, s, writes...)
	apply(t, s, put("big", strings.Repeat("v", 20_000)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenRefuses is what may be found at the path instead of a database.
func TestOpenRefuses(t *testing.T) {
	good, err := os.ReadFile(newFile(t))
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(good, "\x00"))
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"nothing in it", nil, "is empty, not a database"},
		{"a few bytes", []byte("hello"), "is not an authzd database, or only a part of one"},
		{"a page of text", bytes.Repeat([]byte("hello "), 1000), "is not an authzd database, or only a part of one"},
		{"zeros", make([]byte, 1<<16), "is not an authzd database, or only a part of one"},
		{"another database", append([]byte("SQLite format 3\x00"), make([]byte, 1<<14)...), "is not an authzd database, or only a part of one"},
		{"both meta pages broken", append(bytes.Repeat([]byte{0xa5}, 8192), good[8192:]...), "is not an authzd database, or only a part of one"},
		{"meta pages with flipped bits", flip(good, 60, 4096+60), "is damaged"},
		{"cut in the first page", good[:100], "is not an authzd database, or only a part of one"},
		{"cut after the first page", good[:4096], "is not an authzd database, or only a part of one"},
		{"cut after the meta pages", good[:8192], "is damaged"},
		{"cut in half", good[:used/2], "is damaged"},
		{"meta pages and then garbage", append(bytes.Clone(good[:8192]), bytes.Repeat([]byte{0xa5}, len(good)-8192)...), "is damaged"},
		{"meta pages and then zeros", append(bytes.Clone(good[:8192]), make([]byte, len(good)-8192)...), "is damaged"},
		{"another program's bbolt file", boltFile(t, "widgets", "format", "1"), "is a bbolt database of another program"},
		{"a newer format", boltFile(t, "authzd.meta", "format", "2"), "has format 2, written by a newer authzd"},
		{"no format", boltFile(t, "authzd.meta", "other", "1"), "has no known format"},
		{"strange format", boltFile(t, "authzd.meta", "format", "one"), "has no known format"},
		{"format zero", boltFile(t, "authzd.meta", "format", "0"), "has no known format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time shows that the first let go of the file
				wantRefused(t, path, test.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, test.content) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func wantRefused(t *testing.T, path, want string) {
	t.Helper()
	wantRefusedBy(t, bolt.Options{}, path, want)
}

func wantRefusedBy(t *testing.T, opts bolt.Options, path, want string) {
	t.Helper()
	s, err := bolt.Open(path, opts)
	if err == nil {
		s.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %q; want it to name the file and say %q", err, want)
	}
}

func flip(b []byte, at ...int) []byte {
	b = bytes.Clone(b)
	for _, i := range at {
		b[i] ^= 0x10
	}
	return b
}

// boltFile is a bbolt file as another program, or another version of this one, could leave it. It
// has no list of free pages, which bbolt would add as soon as it opened it for writing.
func boltFile(t *testing.T, bucket, key, value string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenFolder(t *testing.T) {
	wantRefused(t, t.TempDir(), "is a folder")
}

func TestOpenBelowFile(t *testing.T) {
	wantRefused(t, filepath.Join(newFile(t), "store.db"), "not a directory")
}

func TestOpenDanglingLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.Symlink("nowhere", path); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "no such file")
}

func TestOpenTwice(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	start := time.Now()
	wantRefused(t, path, "is already open in this process")
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v to say so", d)
	}
	apply(t, s, put("k", "v"))
}

func TestOpenInTwoProcesses(t *testing.T) {
	path := newFile(t)
	cmd, stdin, stdout := startChild(t, "hold", path)
	if _, err := fmt.Fscanln(stdout, new(string)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, fmt.Sprintf("is in use by process %d: most likely another authzd is running on it", cmd.Process.Pid))
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the one that was first: %v", err)
	}
	openStore(t, path)
}

// TestCreateRace: of many who find no database one makes it, and nobody's writes are lost.
func TestCreateRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "store.db")
	var wg sync.WaitGroup
	var mu sync.Mutex
	opened := 0
	for i := range 8 {
		wg.Go(func() {
			s, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				if !strings.Contains(err.Error(), "already open") {
					t.Error(err)
				}
				return
			}
			apply(t, s, put(fmt.Sprint(i), "v"))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			mu.Lock()
			opened++
			mu.Unlock()
		})
	}
	wg.Wait()
	recs, err := openStore(t, path).Scan(context.Background(), storage.Users.Table, "", "", 100)
	if err != nil || opened == 0 || len(recs) != opened {
		t.Errorf("%d opened it and wrote, %d records are there, %v", opened, len(recs), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	versions := make(map[uint64]bool)
	expires := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for i := range 5 {
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			wantValue(t, s, "kept", "v")
		}
		apply(t, s, put("kept", "v"),
			storage.Write{Table: storage.Users.Table, Key: "dies", Value: []byte("v"), If: storage.Absent, Expires: expires})
		rec, err := s.Get(t.Context(), storage.Users.Table, "dies")
		if err != nil || versions[rec.Version] || !rec.Expires.Equal(expires) {
			t.Errorf("round %d: %+v, %v; versions so far %v", i, rec, err, versions)
		}
		versions[rec.Version] = true
		apply(t, s, storage.Write{Table: storage.Users.Table, Key: "dies", If: storage.At(rec.Version)})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkPages(t, path)
}

// TestOlderFile: a file of the same format that lacks tables which came later gets them.
func TestOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, boltFile(t, "authzd.meta", "format", "1"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, path)
	for _, table := range storage.Tables {
		apply(t, s, storage.Write{Table: table, Key: "k", Value: []byte("v")})
	}
}

func TestModes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "data")
	path := filepath.Join(folder, "store.db")
	var log bytes.Buffer
	open := func() {
		t.Helper()
		log.Reset()
		s, err := bolt.Open(path, bolt.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	open()
	for p, want := range map[string]fs.FileMode{filepath.Dir(folder): 0o700, folder: 0o700, path: 0o600} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", p, info.Mode(), want)
		}
	}
	if log.Len() > 0 {
		t.Errorf("complaint about a new database: %s", log.String())
	}
	for p, mode := range map[string]fs.FileMode{folder: 0o755, path: 0o640} {
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	open()
	for _, want := range []string{"mode=0755", "chmod 0700 " + folder, "mode=0640", "chmod 0600 " + path} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log does not say %q: %s", want, log.String())
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("open changed the operator's mode to %v", info.Mode())
	}
}

// TestReadyNoticesReplacement: writes to a file without a name would be lost with the process.
func TestReadyNoticesReplacement(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	wantNotReady(t, s)
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantNotReady(t, s)
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
