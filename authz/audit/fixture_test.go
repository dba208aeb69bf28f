package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

func newStore(t *testing.T) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// macUnder is a MAC as the server has it.
func macUnder(key string) func([]byte) []byte {
	return func(message []byte) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(message)
		return mac.Sum(nil)
	}
}

// newLog is a log on a new store, of a server with a new secret.
func newLog(t *testing.T, store storage.Store) *Log {
	t.Helper()
	return New(Config{
		Store: store, MAC: macUnder("the server secret"), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Tampered: func(_ context.Context, found string) { t.Log("tampered:", found) },
	})
}

// signIn is the event of a user who signed in.
func signIn(user string) Event {
	return Event{Type: SignedIn, Outcome: Success, Actor: Actor{ByUser, user}, UserID: user}
}

// fillBlocks seals blocks of some events each.
func fillBlocks(t *testing.T, l *Log, blocks, events int) {
	t.Helper()
	for b := range blocks {
		var writes []storage.Write
		for e := range events {
			writes = append(writes, l.Put(t.Context(), signIn(fmt.Sprintf("user-%d-%d", b, e))))
		}
		if err := l.config.Store.Apply(t.Context(), writes...); err != nil {
			t.Fatal(err)
		}
		if err := l.sealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// verifyAll is what an operator does: all pages of Verify.
func verifyAll(t *testing.T, l *Log) (sum Report) {
	t.Helper()
	for after := 0; ; {
		report, next, err := l.Verify(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Blocks == 0 {
			sum.First = report.First
		}
		if report.Blocks > 0 {
			sum.Last = report.Last
		}
		sum.Blocks += report.Blocks
		sum.Events += report.Events
		sum.Problems = append(sum.Problems, report.Problems...)
		if next == 0 {
			return sum
		}
		after = next
	}
}

// export is the whole log as a file.
func export(t *testing.T, l *Log) []byte {
	t.Helper()
	var file bytes.Buffer
	for after := 0; ; {
		last, err := l.Export(t.Context(), &file, after)
		if err != nil {
			t.Fatal(err)
		}
		if last == 0 {
			return file.Bytes()
		}
		after = last
	}
}

func waiting(t *testing.T, store storage.Store) int {
	t.Helper()
	recs, err := store.Scan(t.Context(), storage.AuditEvents.Table, "", "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return len(recs)
}
