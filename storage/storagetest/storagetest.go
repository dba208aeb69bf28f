// Package storagetest is the suite that every engine of package storage must pass. It has no options. It
// asserts what storage.Store promises and nothing else.
package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// Two tables that every engine has. The content of their records does not matter here.
var (
	red  = storage.Users.Table
	blue = storage.Sessions.Table
)

// Run tests an engine. open returns a new, empty store, which Run closes.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, storage.Store)
	}{
		{"values come back as they were", values},
		{"keys of any bytes", keys},
		{"tables are apart", tables},
		{"conditions", conditions},
		{"a lost condition changes nothing", conflicts},
		{"versions are never used twice", versions},
		{"a version does not come back after a delete", aba},
		{"two writes to one record are refused", duplicates},
		{"limits", limits},
		{"unknown table", unknownTable},
		{"no writes", noWrites},
		{"slices are the caller's", slicesAreOwned},
		{"cancelled context", cancelled},

		{"scan: byte order", scanOrder},
		{"scan: prefix", scanPrefix},
		{"scan: pages", scanPages},
		{"scan: limit must be positive", scanLimit},
		{"scan: one moment", scanSnapshot},

		{"export: everything, in order", exportAll},
		{"export: many", exportMany},
		{"export: one moment", exportMoment},
		{"export: while everything changes", exportWhileWriting},
		{"export: ends when it is told to", exportEnds},
		{"export: close", exportWhileClosing},

		{"expiry by the clock", expiry},
		{"expired on arrival", expiredOnArrival},
		{"expiry is kept to the millisecond", expiryPrecision},
		{"expiry can be put off", expiryExtended},

		{"race: one winner", oneWinner},
		{"race: counter", counter},
		{"race: all or nothing", allOrNothing},
		{"race: read what was written", readYourWrites},

		{"ready", ready},
		{"closed", closed},
		{"close waits for writes", closeWaits},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// put is a write without a condition.
func put(table storage.Table, key, value string) storage.Write {
	return storage.Write{Table: table, Key: key, Value: []byte(value), If: storage.Any}
}

func apply(t *testing.T, s storage.Store, writes ...storage.Write) {
	t.Helper()
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func get(t *testing.T, s storage.Store, table storage.Table, key string) storage.Record {
	t.Helper()
	rec, err := s.Get(t.Context(), table, key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return rec
}

func scan(t *testing.T, s storage.Store, prefix, after string, limit int) []storage.Record {
	t.Helper()
	recs, err := s.Scan(t.Context(), red, prefix, after, limit)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return recs
}

func wantAbsent(t *testing.T, s storage.Store, table storage.Table, key string) {
	t.Helper()
	if rec, err := s.Get(t.Context(), table, key); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("get %q: %q, %v; want ErrNotFound", key, rec.Value, err)
	}
}

// wantRefused demands an error that blames the call, not the store or the state of a record.
func wantRefused(t *testing.T, err error) {
	t.Helper()
	if err == nil || storage.IsConflict(err) || errors.Is(err, storage.ErrNotFound) ||
		errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrClosed) {
		t.Errorf("error is %v; want a refusal of the call", err)
	}
}

// waitUntilAbsent waits until a record has expired.
func waitUntilAbsent(t *testing.T, s storage.Store, table storage.Table, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		switch _, err := s.Get(ctx, table, key); {
		case errors.Is(err, storage.ErrNotFound):
			return
		case err != nil:
			t.Fatalf("waiting for the end of %q: %v", key, err)
		}
		<-tick.C
	}
}
