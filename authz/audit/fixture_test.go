package audit

import (
	"crypto/hmac"
	"crypto/sha256"
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
