package bolt

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage"
)

// TestTrim reads much more than may stay in memory, and trims while others read.
func TestTrim(t *testing.T) {
	s := newStore(t, Options{})
	value := bytes.Repeat([]byte("v"), storage.MaxValue)
	const records = mapLimit/storage.MaxValue + 12
	for i := range records {
		if err := s.Apply(t.Context(), storage.Write{Table: table, Key: fmt.Sprint(i), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	readAll := func() {
		for i := range records {
			rec, err := s.Get(t.Context(), table, fmt.Sprint(i))
			if err != nil || !bytes.Equal(rec.Value, value) {
				t.Errorf("record %d: %d bytes, %v", i, len(rec.Value), err)
			}
		}
	}
	readAll()
	if n := mappedBytes(); n < mapLimit {
		t.Fatalf("only %d bytes are mapped after reading %d records: the test shows nothing", n, records)
	}
	s.g.trim()
	if n := mappedBytes(); n > mapLimit {
		t.Errorf("%d bytes are mapped after trim", n)
	}
	var readers sync.WaitGroup
	readers.Go(readAll)
	for range 20 {
		s.g.trim()
	}
	readers.Wait()
}
