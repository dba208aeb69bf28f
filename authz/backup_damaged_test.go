package authz_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/backup"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// messages is a log of which somebody wants to hear.
type messages chan slog.Record

func (messages) Enabled(context.Context, slog.Level) bool { return true }
func (m messages) WithAttrs([]slog.Attr) slog.Handler     { return m }
func (m messages) WithGroup(string) slog.Handler          { return m }
func (m messages) Handle(_ context.Context, r slog.Record) error {
	if strings.HasSuffix(r.Message, " a backup") {
		select {
		case m <- r:
		default: // nobody listens any more
		}
	}
	return nil
}

// wait returns the error of the next backup, nil if it was made.
func (m messages) wait(t *testing.T) (err error) {
	t.Helper()
	select {
	case r := <-m:
		r.Attrs(func(a slog.Attr) bool {
			if failed, ok := a.Value.Any().(error); ok {
				err = failed
			}
			return true
		})
		return err
	case <-time.After(2 * time.Minute):
		t.Fatal("no backup was tried")
		return nil
	}
}

// TestScheduledBackupOfDamage: as long as the database is damaged, each scheduled backup fails and no older one is
// removed; once it is whole again, the next backup is made and takes the place of the old ones.
func TestScheduledBackupOfDamage(t *testing.T) {
	t.Parallel()
	path, folder := filepath.Join(t.TempDir(), "authzd.db"), t.TempDir()
	old := []string{"authzd-20200101T000000Z.backup", "authzd-20200102T000000Z.backup"}
	for _, name := range old {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("good"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		t.Helper()
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	user := storage.User{ID: "bartholomew", Username: "bart"}
	if err := errors.Join(store.Apply(t.Context(), storage.Users.Put(user.ID, &user, storage.Absent, time.Time{})), store.Close()); err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	// serve runs a server on the database, with backups that are due.
	serve := func(t *testing.T, every time.Duration) messages {
		store, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		log := make(messages, 10)
		authztest.Start(t, authz.Config{Store: store, Secret: secret, Logger: slog.New(log), Backup: &backup.Config{Folder: folder, Every: every, Keep: 1}}, nil)
		return log
	}

	overwrite(t, path, `"username":"bart"`, `"username":"bert"`)
	t.Run("damaged", func(t *testing.T) {
		log := serve(t, 20*time.Millisecond)
		for range 3 {
			if err := log.wait(t); !errors.As(err, new(*storage.RecordError)) {
				t.Errorf("a backup of a damaged record: %v", err)
			}
		}
	})
	if got := left(); !slices.Equal(got, old) {
		t.Errorf("there is %q", got)
	}
	overwrite(t, path, `"username":"bert"`, `"username":"bart"`)
	t.Run("whole", func(t *testing.T) {
		if err := serve(t, time.Hour).wait(t); err != nil {
			t.Error(err)
		}
	})
	if got := left(); len(got) != 1 || slices.Contains(old, got[0]) {
		t.Errorf("there is %q", got)
	}
}

// overwrite changes a text in a file, wherever it is, as a disk that fails does.
func overwrite(t *testing.T, path, from, to string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%s is not in the file", from)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600); err != nil {
		t.Fatal(err)
	}
}
