package storage_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// TestFormat4: logout tokens that wait are deliveries afterwards, due when they were, with the attempts that were made.
// One that can't be read is gone.
func TestFormat4(t *testing.T) {
	s := newStore(t)
	const tokens = 250
	began := time.Date(2026, 11, 29, 22, 5, 0, 0, time.UTC)
	writes := []storage.Write{
		storage.Formats.Put(storage.FormatKey, &storage.Format{Number: 3}, storage.Any, time.Time{}),
		{Table: storage.Logouts.Table, Key: storage.DueKey(began, "spoilt"), Value: []byte(`[`), If: storage.Absent},
		{Table: storage.Logouts.Table, Key: storage.DueKey(began, "spoilt2"), Value: []byte(`{"ended_at":1}`), If: storage.Absent},
	}
	for i := range tokens {
		writes = append(writes, storage.Write{Table: storage.Logouts.Table, Key: storage.DueKey(began, fmt.Sprintf("jti%03d", i)), If: storage.Absent,
			Value: fmt.Appendf(nil, `{"client_id":"app","user_id":"alice","sid":"sid%d","attempts":%d,"ended_at":"2026-11-29T22:05:00Z"}`, i, i)})
	}
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is left to do
		if err := storage.Current.Run(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.Scan(t.Context(), storage.Logouts.Table, "", "", 10)
	if err != nil || len(left) != 0 {
		t.Errorf("%d logouts are left, %v", len(left), err)
	}
	found, err := storage.Deliveries.Scan(t.Context(), s, "", "", 1000)
	if err != nil || len(found) != tokens {
		t.Fatalf("%d deliveries, %v", len(found), err)
	}
	for i, e := range found {
		want := &storage.Delivery{QueuedAt: began, Attempts: i, Logout: &storage.Logout{
			ClientID: "app", UserID: "alice", Session: fmt.Sprint("sid", i), EndedAt: began,
		}}
		if e.Key != storage.DueKey(began, fmt.Sprintf("jti%03d", i)) || !reflect.DeepEqual(e.Value, want) {
			t.Errorf("%s is %+v %+v", e.Key, e.Value, e.Value.Logout)
		}
	}
}
