package backchannel

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	// pollEvery is how long a record of another replica, which can't wake this one, may wait.
	pollEvery = 10 * time.Second
	// giveUpPage is how many records one Apply deletes.
	giveUpPage = 100
	// restPerRow keeps records that can't be queued from being read all the time.
	restPerRow = 20 * time.Microsecond

	countEvery = time.Minute
	maxCounted = 10_000
)

// Run delivers until ctx ends, waits some seconds at most for the calls under way, and returns ctx's error.
// Several replicas may run it.
func (o *Outbox) Run(ctx context.Context) error {
	defer o.running.Wait()
	var counted time.Time
	for {
		next, left, err := o.read(ctx)
		if err == nil && time.Since(counted) >= countEvery {
			counted, err = time.Now(), o.count(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.config.Logger.Error("logout tokens cannot be delivered", "error", err)
		}
		o.start(ctx)
		if !sleep(ctx, nil, time.Duration(left)*restPerRow) || !sleep(ctx, o.wake, o.queue.pause(time.Now(), next)) {
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

// read queues due deliveries. It returns how long to wait for more, and how many due records it had to leave.
func (o *Outbox) read(ctx context.Context) (next time.Duration, left int, err error) {
	now := time.Now()
	next = pollEvery
	hosts := map[string]string{} // of clients, each looked up once
	var hopeless []entry
	for rec, err := range storage.All(ctx, o.config.Store, storage.Logouts.Table, "") {
		if err != nil {
			return next, left, err
		}
		due, notDue := storage.DueTime(rec.Key)
		e, spoilt := storage.Logouts.Entry(rec)
		if notDue == nil && due.After(now) {
			next = min(next, due.Sub(now))
			break
		}
		if err := errors.Join(notDue, spoilt); err != nil {
			o.remove(ctx, rec, err)
			continue
		}
		host, known := hosts[e.Value.ClientID]
		if !known {
			if host, err = o.config.Host(ctx, e.Value.ClientID); err != nil {
				return next, left, err
			}
			hosts[e.Value.ClientID] = host
		}
		switch {
		case o.tooLate(e) && o.queue.fails(host):
			hopeless = append(hopeless, e)
		case !o.queue.add(e, host):
			left++
		}
		if len(hopeless) == giveUpPage {
			if err := o.giveUp(ctx, hopeless); err != nil {
				return next, left, err
			}
			hopeless = nil
		}
	}
	return next, left, o.giveUp(ctx, hopeless)
}

// start delivers queued tokens that have a place, in the background. Each delivery starts the next when it
// ends.
func (o *Outbox) start(ctx context.Context) {
	for ctx.Err() == nil {
		e, host, ok := o.queue.next(time.Now())
		if !ok {
			return
		}
		o.running.Go(func() {
			// A delivery that has begun ends, even if the server stops: the token may be on its way.
			said := o.deliver(context.WithoutCancel(ctx), e)
			if empty := o.queue.done(e, host, said); empty || said == failed {
				o.Wake() // to read more, or to wait for the end of a pause
			}
			o.start(ctx)
		})
	}
}

// count sets the metric of waiting tokens.
func (o *Outbox) count(ctx context.Context) error {
	n := 0
	for _, err := range storage.All(ctx, o.config.Store, storage.Logouts.Table, "") {
		if err != nil {
			return err
		}
		if n++; n == maxCounted {
			break
		}
	}
	o.config.Observer.SetLogoutBacklog(n)
	return nil
}
