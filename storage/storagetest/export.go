package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// export returns the live records of a whole store, by table.
func export(t *testing.T, s storage.Store) map[storage.Table][]storage.Record {
	t.Helper()
	now, got := time.Now(), map[storage.Table][]storage.Record{}
	err := s.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		if rec.Expires.IsZero() || rec.Expires.After(now) {
			got[table] = append(got[table], rec)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	return got
}

func exportAll(t *testing.T, s storage.Store) {
	want := map[storage.Table][]string{}
	end := time.Now().Add(time.Hour)
	for i, table := range storage.Tables {
		var writes []storage.Write
		for b := range 256 { // every byte in one table, and every fifth in the others
			if i > 0 && b%5 > 0 {
				continue
			}
			w := put(table, string([]byte{byte(b)})+"key", fmt.Sprint(table, b))
			if b%3 == 0 {
				w.Expires = end
			}
			writes = append(writes, w)
			want[table] = append(want[table], w.Key)
		}
		slices.Reverse(writes)
		apply(t, s, writes...)
		apply(t, s,
			storage.Write{Table: table, Key: "dead", Value: []byte("v"), If: storage.Any, Expires: time.Now().Add(-time.Minute)},
			put(table, "deleted", "v"))
		apply(t, s, storage.Write{Table: table, Key: "deleted", If: storage.Any})
	}

	var order []storage.Table
	got := map[storage.Table][]string{}
	err := s.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		if len(order) == 0 || order[len(order)-1] != table {
			order = append(order, table)
		}
		if rec.Key == "dead" {
			if rec.Expires.IsZero() || rec.Expires.After(time.Now()) {
				t.Errorf("%s: the expired record says that it ends %v", table, rec.Expires)
			}
			return nil
		}
		if table == storage.Formats.Table && rec.Key == storage.FormatKey {
			return nil // a table of the store itself
		}
		got[table] = append(got[table], rec.Key)
		one, err := s.Get(t.Context(), table, rec.Key)
		if err != nil || one.Version != rec.Version || string(one.Value) != string(rec.Value) || !one.Expires.Equal(rec.Expires) {
			t.Errorf("%s %q: export says %+v, get %+v, %v", table, rec.Key, rec, one, err)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	if !slices.Equal(order, storage.Tables) {
		t.Errorf("tables come as %v", order)
	}
	for _, table := range storage.Tables {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s: keys %q, want %q", table, got[table], want[table])
		}
	}
}

// exportMany has more records in a table than any engine reads at a time, of all sizes.
func exportMany(t *testing.T, s storage.Store) {
	const n = 5000
	var writes []storage.Write
	for i := range n {
		writes = append(writes, put(red, fmt.Sprintf("%06d", i), string(make([]byte, i%500))))
	}
	apply(t, s, writes...)
	apply(t, s, put(red, "large", string(make([]byte, storage.MaxValue))), put(blue, "k", "v"))
	got := export(t, s)
	if len(got[red]) != n+1 || len(got[blue]) != 1 {
		t.Fatalf("%d and %d records, want %d and 1", len(got[red]), len(got[blue]), n+1)
	}
	for i, rec := range got[red][:n] {
		if rec.Key != writes[i].Key || len(rec.Value) != len(writes[i].Value) {
			t.Fatalf("record %d is %q with %d bytes", i, rec.Key, len(rec.Value))
		}
	}
}

// exportMoment moves marbles between two tables, back and forth. No export may see one twice, or not at all,
// even if it takes long.
func exportMoment(t *testing.T, s storage.Store) {
	const marbles = 40
	for i := range marbles {
		apply(t, s, put(red, fmt.Sprint(i), "marble"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	moved := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			from, to := red, blue
			if i/marbles%2 == 1 {
				from, to = blue, red
			}
			key := fmt.Sprint(i % marbles)
			if err := s.Apply(t.Context(), storage.Write{Table: from, Key: key, If: storage.Any}, put(to, key, "marble")); err != nil {
				moved <- err
				return
			}
		}
		moved <- nil
	}()
	for range 20 {
		got := export(t, s)
		seen := map[string]bool{}
		for _, rec := range slices.Concat(got[red], got[blue]) {
			seen[rec.Key] = true
		}
		if n := len(got[red]) + len(got[blue]); n != marbles || len(seen) != marbles {
			t.Errorf("export saw %d marbles, %d of them different", n, len(seen))
		}
	}
	cancel()
	if err := <-moved; err != nil {
		t.Error(err)
	}
}

// exportWhileWriting changes everything from within the export. Neither waits, and the export does not see
// the changes.
func exportWhileWriting(t *testing.T, s storage.Store) {
	for i := range 100 {
		apply(t, s, put(red, fmt.Sprintf("%03d", i), "old"), put(blue, fmt.Sprintf("%03d", i), "old"))
	}
	n := 0
	err := s.Export(t.Context(), func(table storage.Table, rec storage.Record) error {
		if table == storage.Formats.Table {
			return nil
		}
		if n++; n == 1 {
			for i := range 100 {
				apply(t, s, put(red, fmt.Sprintf("%03d", i), "new"), put(red, fmt.Sprintf("%03dx", i), "new"),
					storage.Write{Table: blue, Key: fmt.Sprintf("%03d", i), If: storage.Any})
			}
		}
		if string(rec.Value) != "old" {
			t.Errorf("%s %q is %q", table, rec.Key, rec.Value)
		}
		return nil
	})
	if err != nil || n != 200 {
		t.Errorf("export of %d records, want 200: %v", n, err)
	}
	if got := export(t, s); len(got[red]) != 200 || len(got[blue]) != 0 {
		t.Errorf("the next has %d and %d records, want 200 and 0", len(got[red]), len(got[blue]))
	}
}

func exportEnds(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "1", "v"), put(red, "2", "v"))
	enough := errors.New("enough")
	n := 0
	err := s.Export(t.Context(), func(storage.Table, storage.Record) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("export ended with %v after %d records", err, n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = s.Export(ctx, func(storage.Table, storage.Record) error {
		t.Error("a record came although the context was cancelled")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("export with a cancelled context: %v", err)
	}
	apply(t, s, put(red, "3", "v"))
}

// exportWhileClosing closes the store during an export. Both come to an end.
func exportWhileClosing(t *testing.T, s storage.Store) {
	for i := range 20 {
		var writes []storage.Write
		for j := range 500 {
			writes = append(writes, put(red, fmt.Sprintf("%d/%d", i, j), "v"))
		}
		apply(t, s, writes...)
	}
	closed := make(chan error, 1)
	once := false
	err := s.Export(t.Context(), func(storage.Table, storage.Record) error {
		if !once {
			once = true
			go func() { closed <- s.Close() }()
		}
		return nil
	})
	if err != nil && !errors.Is(err, storage.ErrClosed) {
		t.Errorf("export: %v; want nil or ErrClosed", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}
