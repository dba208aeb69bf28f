package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage"
)

// TestFormat2: each identity is found by its user, however many there are, and however long its key.
func TestFormat2(t *testing.T) {
	s := storeOfFormatOne(t)
	const users, each = 60, 4
	var writes []storage.Write
	for u := range users {
		for i := range each {
			key := fmt.Sprintf("https://idp%d.example.com %d %s", i, u, strings.Repeat("s", 900))
			writes = append(writes, storage.Identities.Put(key, &storage.Identity{UserID: fmt.Sprint("user", u), Connector: "corp"}, storage.Absent, later))
		}
	}
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	if due, err := storage.Current.Check(t.Context(), s); err != nil || !due {
		t.Fatalf("due %v, %v", due, err)
	}
	for range 2 { // the second time nothing is left to do
		if err := storage.Current.Run(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	for u := range users {
		user := fmt.Sprint("user", u)
		found, err := storage.UserIdentities.Scan(t.Context(), s, user+"/", "", 100)
		if err != nil || len(found) != each {
			t.Fatalf("%s has %d identities, %v", user, len(found), err)
		}
		for _, entry := range found {
			id, _, err := storage.Identities.Get(t.Context(), s, entry.Value.Identity)
			if err != nil || id.UserID != user || entry.Key != storage.UserIdentityKey(user, entry.Value.Identity) {
				t.Errorf("%s leads to %+v, %v", entry.Key, id, err)
			}
		}
	}
}
