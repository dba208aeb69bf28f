package websession

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	renewEvery    = 4 * time.Second
	leaseStopTry  = 11 * time.Second // without renewal, after which the holder stops: before others may take over
	leaseRecord   = 10 * time.Minute // after which the store forgets a lease whose holder died
	leasePatience = 3 * time.Second  // for the store, in one attempt to renew
	shortestLook  = 10 * time.Millisecond
	longestLook   = 250 * time.Millisecond
)

var errFenced = errors.New("another replica has taken over the refresh")

// lease lets one replica refresh a session. It has no time in it, because the clocks of replicas may differ: others
// take the holder for dead if its version has not changed for leaseTTL, by their own clocks. authz/lease does the same
// for work that never ends.
type lease struct {
	store   storage.Store
	key     string
	record  storage.Lease
	version uint64 // that we have written
}

func newLease(store storage.Store, session string) *lease {
	return &lease{store: store, key: "bff_refresh/" + session, record: storage.Lease{Holder: rand.Text()}}
}

// acquire returns when the lease is held, or when enough is true: what others do meanwhile may be enough. It calls
// enough before every attempt, and again while it holds the lease: another replica may have had it in between. The
// lease is free if acquire returns an error, or if enough was true.
func (l *lease) acquire(ctx context.Context, enough func() (bool, error)) error {
	var seen uint64
	var since time.Time
	for wait := shortestLook; ; wait = min(2*wait, longestLook) {
		version, err := l.look(ctx)
		if err != nil {
			return err
		}
		if version != seen {
			seen, since = version, time.Now()
		}
		if done, err := enough(); done || err != nil {
			return err
		}
		if version == 0 || time.Since(since) >= leaseTTL {
			err := l.write(ctx, version)
			if err == nil {
				return l.confirm(ctx, enough)
			} else if !storage.IsConflict(err) {
				return err
			}
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (l *lease) confirm(ctx context.Context, enough func() (bool, error)) error {
	done, err := enough()
	if done || err != nil {
		l.release(ctx)
	}
	return err
}

// look returns the version of the lease; 0: nobody holds it.
func (l *lease) look(ctx context.Context) (uint64, error) {
	rec, err := l.store.Get(ctx, storage.Leases.Table, l.key)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	return rec.Version, err
}

// write takes or renews the lease if it still has this version. An earlier attempt of ours, whose fate was unknown,
// counts as a success.
func (l *lease) write(ctx context.Context, version uint64) error {
	err := l.store.Apply(ctx, storage.Leases.Put(l.key, &l.record, storage.At(version), storage.Now().Add(leaseRecord)))
	if err != nil && !storage.IsConflict(err) {
		return err
	}
	held, now, getErr := storage.Leases.Get(ctx, l.store, l.key)
	switch {
	case errors.Is(getErr, storage.ErrNotFound), getErr == nil && held.Holder != l.record.Holder:
		return &storage.ConflictError{Table: storage.Leases.Table, Key: l.key}
	case getErr != nil:
		return getErr
	}
	l.version = now
	return nil
}

// keep renews the lease until stop is called. ctx of the work ends if the lease could not be renewed in time, or was
// taken over.
func (l *lease) keep(ctx context.Context) (work context.Context, stop func()) {
	work, cancel := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		last := time.Now()
		for pause(work, renewEvery) == nil {
			began := time.Now()
			attempt, done := context.WithTimeout(work, leasePatience)
			err := l.write(attempt, l.version)
			done()
			if err == nil {
				last = began
			} else if storage.IsConflict(err) || time.Since(last) > leaseStopTry {
				cancel(errFenced)
				return
			}
		}
	})
	return work, func() {
		cancel(nil)
		renewing.Wait()
	}
}

// end is the write that frees the lease, which fails if another holds it.
func (l *lease) end() storage.Write { return storage.Leases.Delete(l.key, storage.At(l.version)) }

// judge turns the conflict of a lost lease into errFenced, which is not tried again. A lease that is still ours was
// renewed by an attempt whose fate was unknown: the conflict stays one, and the next try has the new version.
func (l *lease) judge(ctx context.Context, err error) error {
	if conflict := new(storage.ConflictError); !errors.As(err, &conflict) || conflict.Table != storage.Leases.Table {
		return err
	}
	held, now, getErr := storage.Leases.Get(ctx, l.store, l.key)
	switch {
	case errors.Is(getErr, storage.ErrNotFound), getErr == nil && (held.Holder != l.record.Holder || now == l.version):
		return errFenced
	case getErr != nil:
		return getErr
	}
	l.version = now
	return err
}

// release frees the lease without other writes, also after ctx has ended. If that fails, others wait until it counts as
// dead.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leasePatience)
	defer cancel()
	_ = storage.Retry(func() error { return l.judge(ctx, l.store.Apply(ctx, l.end())) })
}

// pause waits for d. If ctx ends first, it returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
