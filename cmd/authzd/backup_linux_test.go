package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/archive"
	"github.com/authzd/authzd/storage/bolt"
	"github.com/authzd/authzd/storage/postgres/pgtest"
	"github.com/authzd/authzd/storage/storagetest"
)

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

// site is a folder with a configuration, a secret and a database of many records.
type site struct {
	t      *testing.T
	folder string
}

func newSite(t *testing.T, records int) site {
	t.Helper()
	s := site{t, t.TempDir()}
	s.write("authzd.yaml", "issuer: http://localhost:9010\nstorage: {bolt: {path: ./authzd.db}}\n")
	s.write("secret", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	store, err := bolt.Open(s.path("authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for n := 0; n < records; {
		var writes []storage.Write
		for range min(5000, records-n) {
			n++
			expires := time.Now().Add(time.Hour)
			if n%3 == 0 {
				writes = append(writes, storage.Grants.Put(rand.Text(), &storage.Grant{
					Authorization: storage.Authorization{ClientID: "spa", UserID: rand.Text(), Scopes: []string{"openid", "offline_access"}, AuthTime: time.Now()},
					Offline:       true, CreatedAt: time.Now(), ExpiresAt: expires,
				}, storage.Absent, expires))
				continue
			}
			writes = append(writes, storage.RefreshTokens.Put(rand.Text(), &storage.RefreshToken{GrantID: rand.Text(), RenewedAt: time.Now()}, storage.Absent, expires))
		}
		if err := store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s site) path(name string) string { return filepath.Join(s.folder, name) }

func (s site) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// command is authzd in the site's folder.
func (s site) command(ctx context.Context, args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stderr = s.folder, new(bytes.Buffer)
	return cmd
}

// run demands that authzd succeeds.
func (s site) run(args ...string) {
	s.t.Helper()
	cmd := s.command(s.t.Context(), args...)
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("authzd %s: %v\n%s", strings.Join(args, " "), err, cmd.Stderr)
	}
}

// cut runs authzd, kills it after a while, and reports whether it was faster.
func (s site) cut(after time.Duration, args ...string) (done bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), after)
	defer cancel()
	cmd := s.command(ctx, args...)
	err := cmd.Run()
	if err != nil && ctx.Err() == nil {
		s.t.Fatalf("authzd %s: %v\n%s", strings.Join(args, " "), err, cmd.Stderr)
	}
	return err == nil
}

// tables is what a backup says of its records.
func (s site) tables(name string) map[storage.Table]archive.Table {
	s.t.Helper()
	f, err := os.Open(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r, err := archive.Open(f)
	if err != nil {
		s.t.Fatal(err)
	}
	sum, err := r.Records(func(storage.Table, storage.Record) error { return nil })
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return sum.Tables
}

// exists reports whether a file is there.
func (s site) exists(name string) bool {
	_, err := os.Stat(s.path(name))
	return err == nil
}

// took is how long authzd takes.
func (s site) took(args ...string) time.Duration {
	start := time.Now()
	s.run(args...)
	return time.Since(start)
}

// TestKilledBackup: whenever it is killed, there is the old file or the new one, each whole; and what it
// leaves is cleared away by the next.
func TestKilledBackup(t *testing.T) {
	s := newSite(t, many(12_000, 30_000))
	takes := s.took("backup", "b")
	want, made := s.tables("b"), 0
	for range many(6, 50) {
		if err := os.Remove(s.path("b")); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if done := s.cut(mathrand.N(takes*5/4), "backup", "b"); done && !s.exists("b") {
			t.Error("it succeeded and made nothing")
		}
		if s.exists("b") {
			made++
			if !maps.Equal(s.tables("b"), want) {
				t.Error("a backup that was killed has other records")
			}
		}
	}
	s.run("backup", "--force", "b")
	if parts, _ := filepath.Glob(s.path(".b.part-*")); len(parts) > 0 {
		t.Errorf("left %q", parts)
	}
	t.Logf("%d backups were whole when they were killed", made)
}

// TestKilledRestore: whenever it is killed, there is no database or all of it, and it can be run again.
func TestKilledRestore(t *testing.T) {
	s := newSite(t, many(12_000, 30_000))
	s.run("backup", "b")
	want := s.tables("b")
	takes := s.took("restore", "--replace", "b")
	for i := range many(4, 50) {
		if err := os.Remove(s.path("authzd.db")); err != nil {
			t.Fatal(err)
		}
		tries := 1
		for !s.cut(takes/4+mathrand.N(takes*2), "restore", "b") && !s.exists("authzd.db") {
			tries++
		}
		s.run("backup", "--force", "c")
		if !maps.Equal(s.tables("c"), want) {
			t.Error("what was restored is another")
		}
		t.Logf("round %d: %d attempts", i+1, tries)
	}
}

// TestKilledMigrate: whenever it is killed, it goes on when it is run again, and until then no server
// starts on what has arrived.
func TestKilledMigrate(t *testing.T) {
	url := pgtest.Database(t)
	s := newSite(t, many(12_000, 30_000))
	s.run("backup", "b")
	want := s.tables("b")
	takes, half, tries := time.Second, 0, 1
	for ; !s.cut(takes/8+mathrand.N(takes/2), "migrate", "--to", url); tries++ {
		if tries > 40 {
			t.Fatal("it does not come to its end")
		}
		takes += takes / 10 // for a machine that has much else to do
		// A backup refuses for the same reason as a server, which would make an empty store its own.
		cmd := s.command(t.Context(), "backup", "--config", s.postgres(url), "--force", "half")
		if err := cmd.Run(); err != nil {
			if !strings.Contains(fmt.Sprint(cmd.Stderr), "the store is half filled") {
				t.Errorf("%v: %s", err, cmd.Stderr)
			}
			half++
		} else if arrived := s.tables("half"); maps.Equal(arrived, want) {
			break // its work was done when it was killed
		} else if delete(arrived, storage.Formats.Table); len(arrived) > 0 { // beside the format of an empty store
			t.Error("what is half filled can be backed up")
		}
	}
	if half == 0 {
		t.Log("it was never killed half way")
	}
	s.run("backup", "--config", s.postgres(url), "c")
	if !maps.Equal(s.tables("c"), want) {
		t.Error("what has arrived is another")
	}
	t.Logf("%d attempts, %d of which left half of it", tries, half)
}

// postgres writes a configuration for a database, and returns its name.
func (s site) postgres(url string) string {
	s.write("postgres.yaml", "issuer: http://localhost:9010\nsecret_file: ./secret\nlisten: 127.0.0.1:0\nadmin: {socket: \"\"}\nstorage: {postgres: {url: \""+url+"\"}}\n")
	return "postgres.yaml"
}

// TestBackupFullDisk: nothing is left of a backup for which there is no room.
func TestBackupFullDisk(t *testing.T) {
	s := newSite(t, many(12_000, 30_000))
	disk := storagetest.SmallDisk(t, "size=128k")
	cmd := s.command(t.Context(), "backup", filepath.Join(disk, "b"))
	err := cmd.Run()
	said := fmt.Sprint(cmd.Stderr)
	if err == nil || !strings.Contains(said, "no space left on device") || !strings.Contains(said, "hint: free some space") {
		t.Errorf("%v: %s", err, said)
	}
	if entries, err := os.ReadDir(disk); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// TestBackupScale: neither a backup nor a restore takes memory for what it copies.
func TestBackupScale(t *testing.T) {
	records := many(40_000, 1_000_000)
	s := newSite(t, records)
	for _, args := range [][]string{{"backup", "b"}, {"backup", "verify", "b"}, {"restore", "--replace", "b"}} {
		cmd := s.command(t.Context(), args...)
		start := time.Now()
		peak, err := runWatched(cmd)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, cmd.Stderr)
		}
		t.Logf("%v: %d records in %v, peak %d MiB", args, records, time.Since(start).Round(time.Millisecond), peak>>20)
		if peak > 200<<20 {
			t.Errorf("%v took %d MiB", args, peak>>20)
		}
	}
	for _, name := range []string{"authzd.db", "b"} {
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes a record", name, info.Size()/int64(records))
	}
}

// TestKilledBetweenNames: a restore that was killed when the database had its own name already, and still
// the other, is in nobody's way.
func TestKilledBetweenNames(t *testing.T) {
	s := newSite(t, 100)
	s.run("backup", "b")
	if err := os.Link(s.path("authzd.db"), s.path(".authzd.db.filling")); err != nil {
		t.Fatal(err)
	}
	s.run("restore", "--replace", "b")
	s.run("backup", "c")
	if !maps.Equal(s.tables("c"), s.tables("b")) || s.exists(".authzd.db.filling") {
		t.Error("the second name was not removed")
	}
}

// runWatched runs a command, and returns the most memory that it was seen to have in use, in bytes. What
// the kernel accounts to it in the end is no less than what this process had when it made it.
func runWatched(cmd *exec.Cmd) (peak int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return peak, err
		case <-look.C:
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // gone: it is done
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		kib := 0
		if _, err := fmt.Sscan(rest, &kib); err == nil {
			peak = max(peak, kib<<10)
		}
	}
}
