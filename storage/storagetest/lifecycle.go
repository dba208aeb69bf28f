package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage"
)

func ready(t *testing.T, s storage.Store) {
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("new store: %v", err)
	}
}

func closed(t *testing.T, s storage.Store) {
	apply(t, s, put(red, "k", "v"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, getErr := s.Get(t.Context(), red, "k")
	_, scanErr := s.Scan(t.Context(), red, "", "", 1)
	for call, err := range map[string]error{
		"get":    getErr,
		"scan":   scanErr,
		"apply":  s.Apply(t.Context(), put(red, "k", "w")),
		"export": s.Export(t.Context(), func(storage.Table, storage.Record) error { return nil }),
		"ready":  s.Ready(t.Context()),
	} {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("%s of a closed store: %v; want ErrClosed", call, err)
		}
	}
}

// closeWaits closes a store under load. Each call must end, either done or with the error that the store is
// closed.
func closeWaits(t *testing.T, s storage.Store) {
	var busy, writers sync.WaitGroup
	busy.Add(20)
	for i := range 20 {
		writers.Go(func() {
			for n := 0; ; n++ {
				err := s.Apply(t.Context(), put(red, fmt.Sprint(i), fmt.Sprint(n)))
				if n == 0 {
					busy.Done()
				}
				if err == nil {
					_, err = s.Get(t.Context(), red, fmt.Sprint(i))
				}
				if err != nil {
					if !errors.Is(err, storage.ErrClosed) {
						t.Errorf("worker %d: %v; want ErrClosed", i, err)
					}
					return
				}
			}
		})
	}
	busy.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	writers.Wait()
}
