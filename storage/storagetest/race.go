package storagetest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/authzd/authzd/storage"
)

// race runs f in n goroutines, which start at the same moment.
func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func oneWinner(t *testing.T, s storage.Store) {
	cond := storage.Absent
	for round := range 5 { // the first to create, the others to change
		var winner atomic.Int64
		winner.Store(-1)
		race(100, func(i int) {
			err := s.Apply(t.Context(),
				storage.Write{Table: red, Key: "prize", Value: fmt.Append(nil, round, i), If: cond},
				put(blue, fmt.Sprint(round, " ", i), "I won"))
			switch {
			case err == nil:
				if !winner.CompareAndSwap(-1, int64(i)) {
					t.Errorf("round %d: racers %d and %d both won", round, winner.Load(), i)
				}
			case !storage.IsConflict(err):
				t.Errorf("round %d: racer %d: %v", round, i, err)
			}
		})
		rec := get(t, s, red, "prize")
		if want := fmt.Sprint(round, winner.Load()); string(rec.Value) != want {
			t.Errorf("round %d: record says %q, winner says %q", round, rec.Value, want)
		}
		claims, err := s.Scan(t.Context(), blue, fmt.Sprint(round, " "), "", 200)
		if err != nil || len(claims) != 1 {
			t.Errorf("round %d: %d racers left their mark, %v", round, len(claims), err)
		}
		cond = storage.At(rec.Version)
	}
}

func counter(t *testing.T, s storage.Store) {
	const workers, each = 10, 20
	apply(t, s, put(red, "n", "0"))
	race(workers, func(int) {
		for done := 0; done < each; {
			rec, err := s.Get(t.Context(), red, "n")
			if err != nil {
				t.Error(err)
				return
			}
			n, err := strconv.Atoi(string(rec.Value))
			if err != nil {
				t.Error(err)
				return
			}
			switch err := s.Apply(t.Context(), storage.Write{Table: red, Key: "n", Value: strconv.AppendInt(nil, int64(n+1), 10), If: storage.At(rec.Version)}); {
			case err == nil:
				done++
			case !storage.IsConflict(err):
				t.Error(err)
				return
			}
		}
	})
	if rec := get(t, s, red, "n"); string(rec.Value) != strconv.Itoa(workers*each) {
		t.Errorf("counted to %s, want %d", rec.Value, workers*each)
	}
}

// allOrNothing has writers that each write their name into the same three records, in different orders, while
// readers check that they never see two names.
func allOrNothing(t *testing.T, s storage.Store) {
	keys := []string{"set/a", "set/b", "set/c"}
	writes := func(name string, turn int) (ws []storage.Write) {
		for i := range keys {
			ws = append(ws, put(red, keys[(i*(1+turn%2)+turn)%len(keys)], name))
		}
		return ws
	}
	apply(t, s, writes("nobody", 0)...)
	race(12, func(i int) {
		for n := range 30 {
			if i%3 == 0 {
				recs, err := s.Scan(t.Context(), red, "set/", "", 10)
				if err != nil || len(recs) != 3 || string(recs[0].Value) != string(recs[1].Value) || string(recs[1].Value) != string(recs[2].Value) {
					t.Errorf("scan saw half a write: %v, %v", recs, err)
				}
				continue
			}
			if err := s.Apply(t.Context(), writes(fmt.Sprint(i, "/", n), i+n)...); err != nil {
				t.Errorf("apply: %v", err)
			}
		}
	})
}

func readYourWrites(t *testing.T, s storage.Store) {
	race(10, func(i int) {
		key := fmt.Sprint("mine", i)
		for n := range 30 {
			want := strconv.Itoa(n)
			if err := s.Apply(t.Context(), put(red, key, want)); err != nil {
				t.Error(err)
				return
			}
			rec, err := s.Get(t.Context(), red, key)
			if err != nil || string(rec.Value) != want {
				t.Errorf("wrote %s, read %q, %v", want, rec.Value, err)
			}
		}
	})
}
