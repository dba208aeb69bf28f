package outbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage"
)

const (
	maxRetry = time.Hour
	// keepFailed is how long operators can see what was given up.
	keepFailed = 7 * 24 * time.Hour
	maxCause   = 300 // bytes of a failure's cause
)

// carrier takes one kind of delivery to where it goes.
type carrier interface {
	// host returns the host that will probably be called, "" if it is unknown. It waits only for the store.
	host(ctx context.Context, d *storage.Delivery) (string, error)
	// try makes one attempt. It takes at most as long as patience.
	try(ctx context.Context, id string, d *storage.Delivery) result
	// patience returns how long after the beginning of an attempt the next may begin.
	patience() time.Duration
	// lastTry returns the time after which an attempt is the last.
	lastTry(d *storage.Delivery) time.Time
	// report logs and counts an attempt.
	report(ctx context.Context, d *storage.Delivery, r result)
	// lost returns the writes that record that there will be no other attempt, and that it was in vain.
	lost(ctx context.Context, d *storage.Delivery, r result) []storage.Write
}

// result is what came of an attempt.
type result struct {
	said    answer
	outcome string // one of observe's
	code    int    // of the other server's answer; 0: none, or of no interest
	cause   error  // nil: none
}

// carrier returns the carrier of a delivery.
func (o *Outbox) carrier(d *storage.Delivery) carrier {
	if d.Mail != nil {
		return mails{&o.config}
	}
	return logouts{&o.config}
}

// deliver makes one attempt, and deletes the record if there will be no other.
func (o *Outbox) deliver(ctx context.Context, e entry) answer {
	key, claimed, err := o.claim(ctx, e)
	if storage.IsConflict(err) { // to another replica
		return nothing
	} else if err != nil {
		o.config.Logger.Error("delivery cannot be claimed", "error", err)
		return failed // not the host's fault, but to try again at once would not help
	}
	c := o.carrier(claimed)
	r := c.try(ctx, idOf(key), claimed)
	if r.outcome == observe.DeliveryFailed && o.tooLate(e) {
		r.outcome = observe.DeliveryGivenUp
	}
	if err := o.settle(context.WithoutCancel(ctx), c, key, claimed, r); err != nil {
		o.config.Logger.Error("the end of a delivery cannot be recorded, so it will be made again", "error", err)
	}
	return r.said
}

// settle records what came of an attempt: the record is moved to the time of the next one, deleted, or kept for the
// operator to see.
func (o *Outbox) settle(ctx context.Context, c carrier, key string, d *storage.Delivery, r result) error {
	if r.cause != nil {
		d.Cause = observe.Clean(r.cause.Error(), maxCause)
	}
	c.report(ctx, d, r)
	writes := []storage.Write{storage.Deliveries.Delete(key, storage.Any)}
	switch r.outcome {
	case observe.Delivered, observe.DeliveryUnwanted:
	case observe.DeliveryFailed:
		next := storage.DueKey(time.Now().Add(backOff(o.config.FirstRetry, d.Attempts-1)), idOf(key))
		writes = append(writes, storage.Deliveries.Put(next, d, storage.Absent, time.Time{}))
	default:
		writes = append(writes, keep(key, d, r.outcome))
		writes = append(writes, c.lost(ctx, d, r)...)
	}
	return o.config.Store.Apply(ctx, writes...)
}

// keep is the write that keeps a delivery that was given up, without what a mail said.
func keep(key string, d *storage.Delivery, outcome string) storage.Write {
	kept := *d
	kept.Outcome = outcome
	if kept.Mail != nil {
		m := *kept.Mail
		m.Sealed, kept.Mail = nil, &m
	}
	now := time.Now()
	return storage.Deliveries.Put(storage.FailedDeliveries+storage.DueKey(now, idOf(key)), &kept, storage.Any, now.Add(keepFailed))
}

// tooLate reports whether the next attempt for e is the last.
func (o *Outbox) tooLate(e entry) bool {
	return !time.Now().Before(o.carrier(e.Value).lastTry(e.Value))
}

// giveUp ends deliveries that would be the last attempts at a failing host: it is called so rarely that its
// deliveries would pile up for ever.
func (o *Outbox) giveUp(ctx context.Context, hopeless []entry) error {
	var writes []storage.Write
	gaveUp := result{outcome: observe.DeliveryGivenUp}
	for _, e := range hopeless {
		writes = append(writes, storage.Deliveries.Delete(e.Key, storage.At(e.Version)), keep(e.Key, e.Value, gaveUp.outcome))
		writes = append(writes, o.carrier(e.Value).lost(ctx, e.Value, gaveUp)...)
	}
	if len(writes) == 0 {
		return nil
	}
	err := o.config.Store.Apply(ctx, writes...)
	if storage.IsConflict(err) {
		return nil // one of them is under way: next time
	} else if err != nil {
		return err
	}
	for _, e := range hopeless {
		o.carrier(e.Value).report(ctx, e.Value, gaveUp)
	}
	return nil
}

// remove removes a damaged record: it can tell nobody anything, and would be in the way of the others.
func (o *Outbox) remove(ctx context.Context, rec storage.Record, cause error) {
	o.config.Logger.Error("a record of the outbox cannot be read, and is removed", "error", cause)
	err := o.config.Store.Apply(ctx, storage.Write{Table: storage.Deliveries.Table, Key: rec.Key, If: storage.At(rec.Version)})
	if err != nil && !storage.IsConflict(err) {
		o.config.Logger.Error("it could not be removed", "error", err)
	}
}

// claim moves a record to the time of the next attempt, should this process die, and returns its new key and value.
func (o *Outbox) claim(ctx context.Context, e entry) (key string, claimed *storage.Delivery, err error) {
	d := *e.Value
	pause := max(backOff(o.config.FirstRetry, d.Attempts), o.carrier(e.Value).patience())
	d.Attempts++
	key = storage.DueKey(time.Now().Add(pause), idOf(e.Key))
	return key, &d, o.config.Store.Apply(ctx,
		storage.Deliveries.Delete(e.Key, storage.At(e.Version)),
		storage.Deliveries.Put(key, &d, storage.Absent, time.Time{}))
}

// backOff doubles with every attempt, plus up to half as much, so that deliveries that failed together are
// not tried again together. It is never shorter than first.
func backOff(first time.Duration, attempts int) time.Duration {
	wait := min(first<<min(attempts, 20), max(first, maxRetry))
	return wait + rand.N(wait/2)
}

// report logs the result of an attempt. What will never be delivered is an alarm.
func report(ctx context.Context, c *Config, what, alarm string, r result, attrs ...slog.Attr) {
	if r.cause != nil {
		attrs = append(attrs, slog.String("cause", observe.Clean(r.cause.Error(), maxCause)))
	}
	switch r.outcome {
	case observe.Delivered, observe.DeliveryUnwanted, observe.DeliveryFailed:
		c.Logger.LogAttrs(ctx, slog.LevelInfo, what+" "+r.outcome, attrs...)
	default:
		c.Observer.Alarm(ctx, alarm, append(attrs, slog.String("outcome", r.outcome))...)
	}
}

// idOf returns the id of a delivery.
func idOf(key string) string {
	_, id, _ := strings.Cut(key, "/")
	return id
}
