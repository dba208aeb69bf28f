package bolt

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

// reads are those of a record: by its name, and among others.
var reads = map[string]func(ctx context.Context, s *Store, key string) error{
	"get": func(ctx context.Context, s *Store, key string) error {
		_, err := s.Get(ctx, table, key)
		return err
	},
	"scan": func(ctx context.Context, s *Store, key string) error {
		_, err := s.Scan(ctx, table, key, "", 10)
		return err
	},
}

// prepared has two records, and returns writes that change one and delete the other.
func prepared(t *testing.T) (s *Store, writes []storage.Write) {
	t.Helper()
	s = newStore(t, Options{})
	for _, key := range []string{"changed", "deleted", "other"} {
		if err := s.Apply(t.Context(), write(key, "before", storage.Absent)); err != nil {
			t.Fatal(err)
		}
	}
	return s, []storage.Write{write("changed", "after", storage.Any), {Table: table, Key: "deleted", If: storage.Any}}
}

// A reader of what the disk has not stored yet waits until it has; a reader of anything else does not.
func TestReadWaitsForTheDisk(t *testing.T) {
	s, writes := prepared(t)
	written, sync := make(chan struct{}), make(chan struct{})
	s.g.commit = func(tx *bbolt.Tx) error {
		err := tx.Commit()
		close(written)
		<-sync
		return err
	}
	applied := make(chan error)
	go func() { applied <- s.Apply(context.Background(), writes...) }()
	<-written
	var waiting []chan error
	for name, read := range reads {
		for _, key := range []string{"changed", "deleted"} {
			impatient, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- read(impatient, s, key) }()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s of %s: %v before it is durable", name, key, err)
			}
			patient := make(chan error, 1)
			go func() { patient <- read(t.Context(), s, key) }()
			waiting = append(waiting, patient)
		}
		for _, key := range []string{"other", "unknown"} {
			if err := read(t.Context(), s, key); err != nil && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s of %s: %v", name, key, err)
			}
		}
	}
	close(sync)
	if err := <-applied; err != nil {
		t.Error(err)
	}
	for _, patient := range waiting {
		if err := <-patient; err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
	}
	s.g.commit = (*bbolt.Tx).Commit
	wantValue(t, s, "changed", "after")
}

// If the disk failed after a write, nobody may rely on its records, present or deleted. Other records can be read.
func TestNothingRestsOnAFailedCommit(t *testing.T) {
	s, writes := prepared(t)
	f := breakable(s)
	f.fault.Store(&fault{err: syscall.EIO, moved: true})
	wantUnavailable(t, "apply", s.Apply(t.Context(), writes...))
	for name, read := range reads {
		for _, key := range []string{"changed", "deleted"} {
			wantUnavailable(t, name+" of "+key, read(t.Context(), s, key))
		}
		if err := read(t.Context(), s, "other"); err != nil {
			t.Errorf("%s of another record: %v", name, err)
		}
	}
}

// An undone write leaves no trace.
func TestReadAfterAnUndoneCommit(t *testing.T) {
	s, writes := prepared(t)
	f := breakable(s)
	f.fault.Store(&fault{err: syscall.ENOSPC})
	wantUnavailable(t, "apply", s.Apply(t.Context(), slices.Clone(writes)...))
	wantValue(t, s, "changed", "before")
	wantValue(t, s, "deleted", "before")
}
