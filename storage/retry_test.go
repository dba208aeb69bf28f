package storage_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// Of many that change one record at once, all get through, and none undoes what another did.
func TestRetryOfRacers(t *testing.T) {
	s := newStore(t)
	if err := s.Apply(t.Context(), storage.Sessions.Put("s", &storage.Session{}, storage.Absent, time.Time{})); err != nil {
		t.Fatal(err)
	}
	const racers = 30
	var racing sync.WaitGroup
	for i := range racers {
		racing.Go(func() {
			err := storage.Retry(func() error {
				session, version, err := storage.Sessions.Get(t.Context(), s, "s")
				if err != nil {
					return err
				}
				session.Clients = append(session.Clients, fmt.Sprint("client", i))
				return s.Apply(t.Context(), storage.Sessions.Put("s", session, storage.At(version), time.Time{}))
			})
			if err != nil {
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	racing.Wait()
	session, _, err := storage.Sessions.Get(t.Context(), s, "s")
	if err != nil || len(session.Clients) != racers {
		t.Errorf("%d of %d changes were kept, %v", len(session.Clients), racers, err)
	}
}

func TestRetry(t *testing.T) {
	lost := fmt.Errorf("save: %w", &storage.ConflictError{Table: storage.Users.Table, Key: "u"})
	broken := errors.New("broken")
	for _, test := range []struct {
		name     string
		outcomes []error // of the attempts
		want     error
	}{
		{"at once", []error{nil}, nil},
		{"after two conflicts", []error{lost, lost, nil}, nil},
		{"an error ends it", []error{broken}, broken},
		{"an error after a conflict ends it", []error{lost, broken}, broken},
		{"a conflict within an outer Retry", []error{lost, storage.ErrContention}, storage.ErrContention},
	} {
		attempts := 0
		err := storage.Retry(func() error {
			attempts++
			return test.outcomes[attempts-1]
		})
		if err != test.want || attempts != len(test.outcomes) {
			t.Errorf("%s: %v after %d attempts", test.name, err, attempts)
		}
	}
}

// A change that can't get through ends, with an error that asks to try again later.
func TestRetryEnds(t *testing.T) {
	attempts := 0
	err := storage.Retry(func() error {
		attempts++
		return &storage.ConflictError{Table: storage.Users.Table, Key: "u"}
	})
	if attempts != 100 || !errors.Is(err, storage.ErrContention) || !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("%v after %d attempts", err, attempts)
	}
	if storage.IsConflict(err) {
		t.Error("the error is a conflict: an outer Retry would begin again")
	}
}

func TestIsConflict(t *testing.T) {
	conflict := &storage.ConflictError{Table: storage.Users.Table, Key: "u"}
	for _, err := range []error{conflict, fmt.Errorf("save: %w", conflict), errors.Join(storage.ErrClosed, conflict)} {
		if !storage.IsConflict(err) {
			t.Errorf("%v is no conflict", err)
		}
	}
	for _, err := range []error{nil, storage.ErrNotFound, storage.ErrUnavailable, errors.New("conflict")} {
		if storage.IsConflict(err) {
			t.Errorf("%v is a conflict", err)
		}
	}
}
