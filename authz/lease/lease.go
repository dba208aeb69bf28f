// Package lease lets work that must run once run once, however many replicas there are.
//
//	Run -> look -> free, or its holder is dead? -- no --> look again
//	                        | yes: compare-and-set
//	                        v
//	                      work -- renewed every few seconds, by compare-and-set
//	                        |-- not renewed for long, or taken by another: work's context ends, look again
//	                        '-- it returns, or the server stops: the lease is released, the next replica has it at once
//
// A lease is a record, and the holder writes it again and again. No time is read from it, since the
// clocks of two machines may differ: whoever waits for a lease watches its version, and takes its holder
// for dead when that has not changed for ttl by the watcher's own monotonic clock. A holder stops its
// work when it has not been able to renew the lease for stopAfter, by its own clock, which is well before
// anybody may think it dead.
//
// That bounds how long two may work at the same time, and makes it rare, but a process that is stopped
// between two instructions can't notice that its time is over. So what the work writes must be
// compare-and-set on records that it has read in this tenure, as everything that is written here is: then
// the one who comes too late loses, and nothing is done twice that the store can tell.
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

// errLost is why the context of the work ended, if the lease was lost.
var errLost = errors.New("lease lost")

// Run waits for the lease of that name, runs work while it holds it, and waits again if it loses it: work
// may then be run again, by the same Run. The context of work ends with ctx, or because the lease is lost;
// work must then return soon, within some seconds. Run returns ctx's error when ctx ends, or what work
// returned when it returned by itself, nil included. Either way the lease is free then.
//
// A store that fails is waited for, and not reported: whatever makes requests will say it better.
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

// contender is one Run. Nobody else writes records with its holder.
type contender struct {
	store  storage.Store
	name   string
	record storage.Lease
}

// wait returns when the lease is held, with a time from which nobody else has it.
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

// hold runs work, and renews the lease meanwhile. lost reports whether it ended because the lease was lost.
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

// renew keeps the lease until ctx ends: each success puts off doubt. It is not doubt but certain that the
// lease is lost when somebody else has it.
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

// release frees the lease if it is still held. It makes a few attempts: a renewal that was given up may
// have been made after all.
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
			return // the others will find out
		}
	}
}

// look returns who holds the lease. version 0: nobody. A record that can't be read has a holder too, who
// is nobody's.
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

// write takes or renews the lease, if it still has this version (0: if nobody has it).
func (c *contender) write(ctx context.Context, version uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.store.Apply(ctx, storage.Leases.Put(c.name, &c.record, storage.At(version), time.Time{}))
}

// jittered is d or up to half as much again, so that replicas which started together don't all look at the
// same moment.
func jittered(d time.Duration) time.Duration {
	return d + mathrand.N(d/2)
}

// pause waits for d, or until ctx ends, whose error it then returns.
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
