package outbox

import (
	"context"
	"errors"
	"strings"
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
			o.config.Logger.Error("the outbox cannot deliver", "error", err)
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
	hosts := map[string]string{} // of clients, each looked up once; "" is that of mails
	var hopeless []entry
	for rec, err := range storage.All(ctx, o.config.Store, storage.Deliveries.Table, "") {
		if err != nil {
			return next, left, err
		}
		if strings.HasPrefix(rec.Key, storage.FailedDeliveries) {
			break
		}
		due, notDue := storage.DueTime(rec.Key)
		e, spoilt := decode(rec)
		if notDue == nil && due.After(now) {
			next = min(next, due.Sub(now))
			break
		}
		if err := errors.Join(notDue, spoilt); err != nil {
			o.remove(ctx, rec, err)
			continue
		}
		client := ""
		if e.Value.Logout != nil {
			client = e.Value.Logout.ClientID
		}
		host, known := hosts[client]
		if !known {
			if host, err = o.carrier(e.Value).host(ctx, e.Value); err != nil {
				return next, left, err
			}
			hosts[client] = host
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

// decode reads a record. The error says that it is damaged.
func decode(rec storage.Record) (entry, error) {
	e, err := storage.Deliveries.Entry(rec)
	if err == nil && (e.Value.Logout == nil) == (e.Value.Mail == nil) {
		err = errors.New("a delivery of no known kind")
	}
	return e, err
}

// start delivers what is queued and has a place, in the background. Each delivery starts the next when it
// ends.
func (o *Outbox) start(ctx context.Context) {
	for ctx.Err() == nil {
		e, host, ok := o.queue.next(time.Now())
		if !ok {
			return
		}
		o.running.Go(func() {
			// A delivery that has begun ends, even if the server stops: it may be on its way.
			attempt, cancel := lasting(ctx, o.config.StopWithin)
			said := o.deliver(attempt, e)
			cancel()
			if empty := o.queue.done(e, host, said); empty || said == failed {
				o.Wake() // to read more, or to wait for the end of a pause
			}
			o.start(ctx)
		})
	}
}

// lasting returns a context that ends a while after ctx.
func lasting(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(while, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// count sets the metrics of what waits.
func (o *Outbox) count(ctx context.Context) error {
	n, tokens, letters := 0, 0, 0
	for rec, err := range storage.All(ctx, o.config.Store, storage.Deliveries.Table, "") {
		if err != nil {
			return err
		}
		if strings.HasPrefix(rec.Key, storage.FailedDeliveries) {
			break
		}
		if e, err := decode(rec); err == nil && e.Value.Mail != nil {
			letters++
		} else {
			tokens++
		}
		if n++; n == maxCounted {
			break
		}
	}
	o.config.Observer.SetLogoutBacklog(tokens)
	o.config.Observer.SetMailBacklog(letters)
	return nil
}
