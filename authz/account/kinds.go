package account

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/storage"
)

// A failed sign-in must not tell by its time how dear the hash of its user is. So the pace of failures follows the
// dearest hash that the store has:
//
//	a hash comes in -> markWrites: its kind is marked, in the same Apply
//	Run             -> survey: marks the kinds of all users' hashes, and removes the marks of kinds that are gone
//	a failure       -> now: the marks, read again each second -> what each kind costs here -> four times the dearest
//
// What a kind costs is the shortest time that a hash of it has taken in this process. Kinds that came in lately are
// measured in the background. Until all is known, the pace is failurePace.

const (
	surveyEvery    = 7 * 24 * time.Hour
	surveyRetry    = time.Minute
	surveyPage     = 1000 // users, between rests
	surveyRest     = 10 * time.Millisecond
	kindPrefix     = "$"
	mostKinds      = 1000
	kindsReread    = time.Second
	timesTheCost   = 4
	measurements   = 3
	paceGranule    = 250 * time.Millisecond // the pace is a multiple of it: it hides what else a user costs who exists
	measureTimeout = time.Minute
)

// markWrites mark the kind of a hash that comes into the store, unless it is that of all new passwords. The write has no
// condition: so a survey that has not seen the hash does not remove the mark.
func markWrites(hash string) []storage.Write {
	kind := kindOf(hash)
	if kind == "" || kind == passhash.Usual {
		return nil
	}
	return []storage.Write{storage.HashKinds.Put(kind, &storage.HashKind{}, storage.Any, never)}
}

// kinds knows which kinds of hashes the store has, and what they cost here.
type kinds struct {
	store     storage.Store
	passwords *Passwords
	cost      func(kind string) (least time.Duration, known bool)
	first     time.Duration // the unit until all kinds are known

	mu       sync.Mutex
	surveyed bool      // guarded by mu
	found    []string  // guarded by mu; beside passhash.Usual
	readAt   time.Time // guarded by mu
}

func newKinds(store storage.Store, passwords *Passwords) *kinds {
	return &kinds{store: store, passwords: passwords, cost: passwords.costOf, first: failurePace}
}

// now returns the present unit of the pace.
func (k *kinds) now(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.readAt) >= kindsReread {
		if err := k.read(ctx); err == nil { // otherwise what was known counts
			k.readAt = time.Now()
		}
	}
	if !k.surveyed {
		return k.first
	}
	dearest := time.Duration(0)
	for _, kind := range append([]string{passhash.Usual}, k.found...) {
		cost, known := k.cost(kind)
		if !known {
			cost = k.assumed(kind)
			k.passwords.measure(kind)
		}
		dearest = max(dearest, cost)
	}
	granules := (timesTheCost*dearest + paceGranule - 1) / paceGranule
	return min(max(1, granules)*paceGranule, slowest)
}

// assumed is a cost that no hash of a kind exceeds, before it is measured: the ceilings of imports are a quarter of the
// failurePace.
func (k *kinds) assumed(kind string) time.Duration {
	if h, err := passhash.Parse(kind); err != nil || h.Costly() {
		return slowest / timesTheCost
	}
	return failurePace / timesTheCost
}

// see makes sure that the kind of a hash that was just verified is marked: an authzd that knows no marks may have stored
// it.
func (k *kinds) see(ctx context.Context, hash string) {
	writes := markWrites(hash)
	if len(writes) == 0 {
		return
	}
	kind := writes[0].Key
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.found, kind) && k.store.Apply(ctx, writes...) == nil {
		k.found = append(k.found, kind)
	}
}

// read reads the marks. The caller holds mu.
func (k *kinds) read(ctx context.Context) error {
	if !k.surveyed {
		if _, _, err := storage.HashKinds.Get(ctx, k.store, storage.HashSurveyKey); err != nil {
			return err
		}
		k.surveyed = true
	}
	marks, err := storage.HashKinds.Scan(ctx, k.store, kindPrefix, "", mostKinds)
	if err != nil {
		return err
	}
	k.found = k.found[:0]
	for _, mark := range marks {
		k.found = append(k.found, mark.Key)
	}
	return nil
}

// Run surveys the hashes of all users, at first and then once a week, until ctx ends. It returns ctx's error. Several
// replicas may run it.
func (d *Directory) Run(ctx context.Context, logger *slog.Logger) error {
	for {
		next, err := d.survey(ctx)
		if err != nil {
			next = surveyRetry
			if ctx.Err() == nil {
				logger.Warn("the kinds of password hashes cannot be read; failed sign-ins take as long as with the dearest ones", "error", err)
			}
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// survey marks the kinds of all users' hashes, if that is due, and returns when it is due again.
func (d *Directory) survey(ctx context.Context) (next time.Duration, err error) {
	switch last, err := d.store.Get(ctx, storage.HashKinds.Table, storage.HashSurveyKey); {
	case err == nil:
		return max(surveyRetry, time.Until(last.Expires)), nil
	case !errors.Is(err, storage.ErrNotFound):
		return 0, err
	}
	marked, err := storage.HashKinds.Scan(ctx, d.store, kindPrefix, "", mostKinds)
	if err != nil {
		return 0, err
	}
	found, users := map[string]bool{}, 0
	for user, err := range storage.Users.All(ctx, d.store, "") {
		if err != nil {
			return 0, err
		}
		found[kindOf(user.Value.PasswordHash)] = true
		if users++; users%surveyPage == 0 { // others want the CPU too
			time.Sleep(surveyRest)
		}
	}
	delete(found, "")
	delete(found, passhash.Usual)
	for kind := range found {
		if !slices.ContainsFunc(marked, func(m storage.Entry[storage.HashKind]) bool { return m.Key == kind }) {
			if err := d.store.Apply(ctx, storage.HashKinds.Put(kind, &storage.HashKind{}, storage.Any, never)); err != nil {
				return 0, err
			}
		}
	}
	for _, mark := range marked {
		if found[mark.Key] {
			continue
		}
		err := d.store.Apply(ctx, storage.HashKinds.Delete(mark.Key, storage.At(mark.Version)))
		if err != nil && !storage.IsConflict(err) { // another hash of the kind has come in
			return 0, err
		}
	}
	return surveyEvery, d.store.Apply(ctx, storage.HashKinds.Put(storage.HashSurveyKey, &storage.HashKind{}, storage.Any, time.Now().Add(surveyEvery)))
}
