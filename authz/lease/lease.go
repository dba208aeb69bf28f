// Package lease lets one replica do work that only one may do, for any number of replicas.
//
//	Run -> look -> free, or its holder is dead? -- no --> look again
//	                        | yes: compare-and-set
//	                        v
//	                      work -- renewed every few seconds, by compare-and-set
//	                        |-- not renewed for long, or taken by another: work's context ends, look again
//	                        '-- it returns, or the server stops: the lease is released, the next replica has it at once
//
// A lease is a record, which the holder writes again and again. It has no time, because the clocks of two
// machines may differ. A replica that waits for a lease watches its version, and takes the holder for dead if
// the version has not changed for ttl, by the watcher's own monotonic clock. A holder stops its work if it
// could not renew the lease for stopAfter, by its own clock, which is well before others may think it dead.
//
// That bounds how long two may work at the same time, and makes it rare. But a process that is stopped
// between two instructions can't notice that its time is over. So the work must write with compare-and-set on
// records that it has read in this tenure, as all writes here do. Then the late one loses, and the store
// never does anything twice.
package lease

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	ttl        = 20 * time.Second // without renewal, after which others may take over
	stopAfter  = 12 * time.Second // without renewal, after which the holder stops
	renewEvery = 5 * time.Second
	lookEvery  = 2 * time.Second // also between attempts to renew, when one has failed
	patience   = 5 * time.Second // for the store, in one attempt
)

// errLost is why the context of the work ended if the lease was lost.
var errLost = errors.New("lease lost")

// Run waits for the lease of that name, runs work while it holds it, and waits again if it loses it. Then the
// same Run may call work again. The context of work ends with ctx, or because the lease is lost; then work
// must return within some seconds. Run returns ctx's error when ctx ends, or the result of work when work
// returns by itself, nil included. The lease is free then.
//
// If the store fails, Run waits and reports nothing, because requests report it better.
func Run(ctx context.Context, store storage.Store, name string, work func(context.Context) error) error {
	c := contender{store: store, name: name, record: storage.Lease{Holder: rand.Text()}}
	for {
		won, err := c.wait(ctx)
		if err != nil {
			return err
		}
		lost, err := c.hold(ctx, won, work)
		c.release(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !lost {
			return err
		}
	}
}

// contender is one Run. No other writes records with its holder.
type contender struct {
	store  storage.Store
	name   string
	record storage.Lease
}

// wait returns when it holds the lease, with a time from which no other may hold it.
func (c *contender) wait(ctx context.Context) (won time.Time, err error) {
	var seen uint64     // the version
	var since time.Time // when it was first seen
	for {
		began := time.Now()
		holder, version, err := c.look(ctx)
		if err == nil {
			if version != seen {
				seen, since = version, time.Now()
			}
			free := version == 0 || holder == c.record.Holder || time.Since(since) >= ttl
			if free && c.write(ctx, version) == nil {
				return began, nil
			}
		}
		if err := pause(ctx, jittered(lookEvery)); err != nil {
			return time.Time{}, err
		}
	}
}

// hold runs work, and renews the lease meanwhile. lost is true if work ended because the lease was lost.
func (c *contender) hold(ctx context.Context, won time.Time, work func(context.Context) error) (lost bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	doubt := time.AfterFunc(time.Until(won.Add(stopAfter)), func() { stop(errLost) })
	var renewing sync.WaitGroup
	renewing.Go(func() { c.renew(ctx, doubt, stop) })
	defer func() {
		doubt.Stop()
		stop(nil)
		renewing.Wait()
	}()
	err = work(ctx)
	return errors.Is(context.Cause(ctx), errLost), err
}

// renew keeps the lease until ctx ends. Each success restarts the time of stopAfter. If another has the
// lease, it is lost at once.
func (c *contender) renew(ctx context.Context, doubt *time.Timer, stop context.CancelCauseFunc) {
	next := renewEvery
	for pause(ctx, next) == nil {
		began := time.Now()
		holder, version, err := c.look(ctx)
		if err == nil && holder != c.record.Holder {
			stop(errLost)
			return
		}
		next = lookEvery
		if err == nil && c.write(ctx, version) == nil {
			doubt.Reset(time.Until(began.Add(stopAfter)))
			next = renewEvery
		}
	}
}

// release frees the lease if it is still held. It makes a few attempts, because a renewal that was given up
// may have been made after all.
func (c *contender) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	for {
		holder, version, err := c.look(ctx)
		if err == nil && (version == 0 || holder != c.record.Holder) {
			return
		}
		if err == nil && c.store.Apply(ctx, storage.Leases.Delete(c.name, storage.At(version))) == nil {
			return
		}
		if pause(ctx, lookEvery/4) != nil {
			return // the others will notice
		}
	}
}

// look returns the holder of the lease. version 0: there is none. A record that can't be read has a holder
// too, who is unknown.
func (c *contender) look(ctx context.Context) (holder string, version uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rec, err := c.store.Get(ctx, storage.Leases.Table, c.name)
	if errors.Is(err, storage.ErrNotFound) {
		return "", 0, nil
	} else if err != nil {
		return "", 0, err
	}
	entry, err := storage.Leases.Entry(rec)
	if err != nil {
		return "", rec.Version, nil
	}
	return entry.Value.Holder, rec.Version, nil
}

// write takes or renews the lease if it still has this version (0: if there is none).
func (c *contender) write(ctx context.Context, version uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.store.Apply(ctx, storage.Leases.Put(c.name, &c.record, storage.At(version), time.Time{}))
}

// jittered returns d or up to half as much again, so that replicas which started together don't all look at
// the same moment.
func jittered(d time.Duration) time.Duration {
	return d + mathrand.N(d/2)
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
