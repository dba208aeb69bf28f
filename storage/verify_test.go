package storage_test

import (
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// TestCheckOfKeptHead: a copy of the audit log's head is checked as such, although its table is that of the format.
func TestCheckOfKeptHead(t *testing.T) {
	good := storage.KeptHeads.Put(storage.KeptHeadKey, &storage.AuditHead{First: 1, Last: 2, Sealed: time.Unix(1, 0)}, storage.Any, time.Time{})
	if err := storage.CheckRecord(good.Table, storage.Record{Key: good.Key, Value: good.Value}); err != nil {
		t.Error(err)
	}
	for _, value := range []string{`{"last":"2"}`, `{"mac":7}`, `[]`} {
		if err := storage.CheckRecord(good.Table, storage.Record{Key: good.Key, Value: []byte(value)}); err == nil {
			t.Errorf("%s is good", value)
		}
	}
}
