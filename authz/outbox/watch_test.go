package outbox

import (
	"testing"
	"time"

	"github.com/authzd/authzd/storage"
)

// Nobody has to wake the outbox: a store that is watched does, for each Apply with a delivery, and for no other.
func TestWatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	woken := 0
	store := Watch(f.store, func() { woken++ })
	mark := func(If storage.Condition) storage.Write {
		return storage.Marks.Put("a mark", &storage.Mark{}, If, time.Time{})
	}
	queued := f.Logout(storage.Logout{ClientID: "https://app.example.com", EndedAt: time.Now()})
	for _, step := range []struct {
		what   string
		writes []storage.Write
		woken  int
		lost   bool
	}{
		{"another record", []storage.Write{mark(storage.Any)}, 0, false},
		{"a lost race", []storage.Write{mark(storage.Absent), queued}, 0, true},
		{"a delivery among others", []storage.Write{mark(storage.Any), queued}, 1, false},
		{"the end of a delivery", []storage.Write{storage.Deliveries.Delete(queued.Key, storage.Any)}, 0, false},
	} {
		woken = 0
		if err := store.Apply(t.Context(), step.writes...); woken != step.woken || storage.IsConflict(err) != step.lost || err != nil && !step.lost {
			t.Errorf("%s: woken %d times, %v", step.what, woken, err)
		}
	}
}
