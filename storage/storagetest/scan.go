package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

func keysOf(recs []storage.Record) []string {
	keys := make([]string, len(recs))
	for i, r := range recs {
		keys[i] = r.Key
	}
	return keys
}

func scanOrder(t *testing.T, s storage.Store) {
	var want []string
	var writes []storage.Write
	for b := range 256 {
		for _, key := range []string{string([]byte{byte(b)}), string([]byte{byte(b), 0}), string([]byte{byte(b), 0xff})} {
			want = append(want, key)
			writes = append(writes, put(red, key, "of "+key))
		}
	}
	slices.Reverse(writes)
	apply(t, s, writes...)
	apply(t, s, put(blue, "m", "another table"))

	recs := scan(t, s, "", "", 10_000)
	if got := keysOf(recs); !slices.Equal(got, want) {
		t.Fatalf("keys are not in byte order: %q", got)
	}
	for _, rec := range recs {
		if string(rec.Value) != "of "+rec.Key || rec.Version == 0 || !rec.Expires.IsZero() {
			t.Errorf("record is %+v", rec)
		}
		if one := get(t, s, red, rec.Key); one.Version != rec.Version {
			t.Errorf("%q: scan says version %d, get %d", rec.Key, rec.Version, one.Version)
		}
	}
}

func scanPrefix(t *testing.T, s storage.Store) {
	all := []string{"a", "a\x00", "a/", "a/1", "a/2", "a0", "a\xff", "a\xff\xff", "b", "b%", "b_", "bx", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff"}
	for _, k := range all {
		apply(t, s, put(red, k, "v"))
	}
	for _, prefix := range []string{"", "a", "a/", "a/1", "a/1x", "a\xff", "b", "b%", "b_", "c", "\xfe", "\xff", "\xff\xff", "\xff\xff\xff", "\xff\xff\xff\xff"} {
		for _, after := range append([]string{"", "0", "a/0", "a\xfe", "zzz", "\xff\xff\xff\xff"}, all...) {
			var want []string
			for _, k := range all {
				if strings.HasPrefix(k, prefix) && k > after {
					want = append(want, k)
				}
			}
			if got := keysOf(scan(t, s, prefix, after, 100)); !slices.Equal(got, want) {
				t.Errorf("prefix %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
}

func scanPages(t *testing.T, s storage.Store) {
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("p/%02d", i)
		want = append(want, key)
		apply(t, s, put(red, key, "v"))
		// Dead records between the live ones must not count towards a page.
		apply(t, s, storage.Write{Table: red, Key: key + "dead", Value: []byte("v"), If: storage.Any, Expires: time.Now().Add(-time.Minute)})
		apply(t, s, put(red, key+"deleted", "v"))
		apply(t, s, storage.Write{Table: red, Key: key + "deleted", If: storage.Any})
	}
	apply(t, s, put(red, "o", "before"), put(red, "q", "behind"))

	for _, limit := range []int{1, 2, 7, 24, 25, 26} {
		var got []string
		for after := ""; ; {
			page := keysOf(scan(t, s, "p/", after, limit))
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
}

func scanLimit(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "k", "v"))
	for _, limit := range []int{0, -1} {
		_, err := s.Scan(t.Context(), red, "", "", limit)
		wantRefused(t, err)
	}
	if recs := scan(t, s, "none", "", 1); len(recs) != 0 {
		t.Errorf("scan of nothing: %v", recs)
	}
}

// scanSnapshot moves a marble among many bowls; each scan must see exactly one.
func scanSnapshot(t *testing.T, s storage.Store) {
	const bowls, moves = 50, 200
	bowl := func(i int) string { return fmt.Sprintf("bowl%02d", i%bowls) }
	apply(t, s, put(red, bowl(0), "marble"))

	moved := make(chan error, 1)
	go func() {
		for i := range moves {
			from, to := bowl(i*7), bowl((i+1)*7)
			if err := s.Apply(t.Context(), storage.Write{Table: red, Key: from, If: storage.Any}, put(red, to, "marble")); err != nil {
				moved <- err
				return
			}
		}
		moved <- nil
	}()
	for {
		if recs := scan(t, s, "bowl", "", bowls); len(recs) != 1 {
			t.Errorf("scan saw %d marbles: %q", len(recs), keysOf(recs))
		}
		select {
		case err := <-moved:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
