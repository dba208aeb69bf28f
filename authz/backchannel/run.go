package backchannel

import (
	"context"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	// pollEvery is how long a record of another replica, which can't wake this one, may wait.
	pollEvery = 10 * time.Second
	pageSize  = 100
	// restPerRow keeps a long queue that can't move from being read all the time.
	restPerRow = 50 * time.Microsecond

	countEvery = time.Minute
	maxCounted = 10_000
)

// Run delivers until ctx ends, waits for the calls under way, some seconds at most, and returns ctx's
// error. Several replicas may run it.
func (o *Outbox) Run(ctx context.Context) error {
	defer o.running.Wait()
	var counted time.Time
	for {
		next, stuck, err := o.pass(ctx)
		if err == nil && time.Since(counted) >= countEvery {
			counted, err = time.Now(), o.count(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.config.Logger.Error("logout tokens cannot be delivered", "error", err)
		}
		if !sleep(ctx, nil, time.Duration(stuck)*restPerRow) || !sleep(ctx, o.wake, next) {
			return ctx.Err()
		}
	}
}

// sleep waits for d, or until it is woken. It returns false when ctx ends.
func sleep(ctx context.Context, wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// pass begins what is due, as far as there is a place for it. It returns how long to wait for more,
// unless a place becomes free before, and how many records are due and have none.
func (o *Outbox) pass(ctx context.Context) (next time.Duration, stuck int, err error) {
	now := time.Now()
	next = pollEvery
	hosts := map[string]string{} // of clients, each asked once
	for after := ""; ; {
		page, err := storage.Logouts.Scan(ctx, o.config.Store, "", after, pageSize)
		if err != nil {
			return next, stuck, err
		}
		for _, e := range page {
			due, err := storage.DueTime(e.Key)
			if err != nil || due.After(now) {
				return min(next, due.Sub(now)), stuck, err
			}
			host, known := hosts[e.Value.ClientID]
			if !known {
				if host, err = o.config.Host(ctx, e.Value.ClientID); err != nil {
					return next, stuck, err
				}
				hosts[e.Value.ClientID] = host
			}
			switch wait := o.begin(ctx, e, host, now); {
			case wait == forAnyPlace:
				return next, stuck, nil
			case wait > 0:
				next = min(next, wait)
				stuck++
			}
		}
		if len(page) < pageSize {
			return next, stuck, nil
		}
		after = page[len(page)-1].Key
	}
}

// begin delivers in the background. It returns 0, or why not: how long to wait for the host, or
// forAnyPlace. A record that is under way already needs nothing.
func (o *Outbox) begin(ctx context.Context, e storage.Entry[storage.Logout], host string, now time.Time) time.Duration {
	if wait := o.places.enter(host, jtiOf(e.Key), now); wait != 0 {
		return max(wait, 0)
	}
	o.running.Go(func() {
		// What has begun ends, even if the server stops: the token may be on its way.
		answered := o.deliver(context.WithoutCancel(ctx), e)
		o.places.leave(host, jtiOf(e.Key), answered)
		o.Wake()
	})
	return 0
}

// count tells the metrics how many tokens wait.
func (o *Outbox) count(ctx context.Context) error {
	n := 0
	for after := ""; n < maxCounted; {
		page, err := o.config.Store.Scan(ctx, storage.Logouts.Table, "", after, 10*pageSize)
		if err != nil {
			return err
		}
		n += len(page)
		if len(page) < 10*pageSize {
			break
		}
		after = page[len(page)-1].Key
	}
	o.config.Observer.SetLogoutBacklog(n)
	return nil
}
