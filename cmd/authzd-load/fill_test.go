package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// A store that was filled has what was asked for, and a server takes it for its own.
func TestFill(t *testing.T) {
	const grants = 700
	store, err := openStore(t.Context(), filepath.Join(t.TempDir(), "authzd.db"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tokens, err := fill{grants, defaultAccount, time.Now()}.into(t.Context(), store)
	if err != nil || len(tokens) != grants {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	for table, want := range map[storage.Table]int{
		storage.Users.Table: grants, storage.Usernames.Table: grants, storage.Grants.Table: grants,
		storage.Sessions.Table: grants / 2, storage.UserSessions.Table: grants / 2, storage.RefreshTokens.Table: grants,
	} {
		records, err := store.Scan(t.Context(), table, "", "", 2*grants)
		if err != nil || len(records) != want {
			t.Errorf("%d of %s, want %d: %v", len(records), table, want, err)
		}
	}
}

// Keys are of the form that authz demands, and in order.
func TestSpread(t *testing.T) {
	f := fill{grants: 1000}
	for _, bytes := range []int{16, 32} {
		last := ""
		for i := range f.grants {
			key := f.spread(i, bytes)
			if b, err := base64.RawURLEncoding.Strict().DecodeString(key); err != nil || len(b) != bytes || key <= last {
				t.Fatalf("key %q after %q: %v", key, last, err)
			}
			last = key
		}
	}
}

// One run from end to end, with hardly more grants than none.
func TestScale(t *testing.T) {
	var out bytes.Buffer
	if _, err := run(t.Context(), options{grants: baseline, connections: []int{4}, duration: 200 * time.Millisecond}, io.MultiWriter(&out, os.Stderr)); err != nil {
		t.Fatal(err)
	}
	for _, figure := range []string{"size of a grant", "start", "refresh, p99", "backup"} {
		if n := strings.Count(out.String(), "  "+figure+"  "); n != 2 {
			t.Errorf("%q is there %d times", figure, n)
		}
	}
}
