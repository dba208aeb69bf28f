package backchannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/outbound"
	"github.com/authzd/authzd/storage"
)

const maxRetry = time.Hour

// deliver makes one attempt, and deletes the record if there will be no other.
func (o *Outbox) deliver(ctx context.Context, e entry) answer {
	key, err := o.claim(ctx, e)
	if storage.IsConflict(err) { // to another replica
		return nothing
	} else if err != nil {
		o.config.Logger.Error("logout token cannot be claimed", "error", err)
		return failed // not the host's fault, but to try again at once would not help
	}
	said, outcome, cause := o.call(ctx, e)
	if outcome == observe.LogoutFailed && o.tooLate(e) {
		outcome = observe.LogoutGivenUp
	}
	o.report(ctx, e.Value, outcome, cause)
	if outcome == observe.LogoutFailed {
		return said
	}
	if err := o.config.Store.Apply(ctx, storage.Logouts.Delete(key, storage.Any)); err != nil {
		o.config.Logger.Error("logout token cannot be removed, so it will be delivered again", "error", err)
	}
	return said
}

// tooLate reports whether the next attempt for e is the last.
func (o *Outbox) tooLate(e entry) bool {
	return time.Since(e.Value.EndedAt) >= o.config.GiveUpAfter
}

// giveUp ends deliveries that would be the last attempts at a failing host: it is called so rarely that its
// tokens would pile up for ever.
func (o *Outbox) giveUp(ctx context.Context, hopeless []entry) error {
	var writes []storage.Write
	for _, e := range hopeless {
		writes = append(writes, storage.Logouts.Delete(e.Key, storage.At(e.Version)))
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
		o.report(ctx, e.Value, observe.LogoutGivenUp, nil)
	}
	return nil
}

// remove removes a damaged record: it can tell nobody anything, and would be in the way of the others.
func (o *Outbox) remove(ctx context.Context, rec storage.Record, cause error) {
	o.config.Logger.Error("a record of the outbox of logout tokens cannot be read, and is removed", "error", cause)
	err := o.config.Store.Apply(ctx, storage.Write{Table: storage.Logouts.Table, Key: rec.Key, If: storage.At(rec.Version)})
	if err != nil && !storage.IsConflict(err) {
		o.config.Logger.Error("it could not be removed", "error", err)
	}
}

// claim moves a record to the time of the next attempt, and returns its new key.
func (o *Outbox) claim(ctx context.Context, e entry) (key string, err error) {
	claimed := *e.Value
	claimed.Attempts++
	key = storage.DueKey(time.Now().Add(backOff(o.config.FirstRetry, e.Value.Attempts)), jtiOf(e.Key))
	return key, o.config.Store.Apply(ctx,
		storage.Logouts.Delete(e.Key, storage.At(e.Version)),
		storage.Logouts.Put(key, &claimed, storage.Absent, time.Time{}))
}

// backOff doubles with every attempt, plus up to half as much, so that deliveries that failed together are
// not tried again together. It is never shorter than first.
func backOff(first time.Duration, attempts int) time.Duration {
	wait := min(first<<min(attempts, 20), max(first, maxRetry))
	return wait + rand.N(wait/2)
}

// call signs and sends the token (Back-Channel Logout 1.0 section 2.5), and reads the answer (section 2.8):
// 200, for which some frameworks send 204, or 400, which means that the client will do nothing. Other answers
// may come from a proxy in front of it, and may change the next time.
func (o *Outbox) call(ctx context.Context, e entry) (answer, string, error) {
	address, err := o.config.Address(ctx, e.Value.ClientID)
	switch {
	case err != nil:
		return nothing, observe.LogoutFailed, fmt.Errorf("find client: %w", err)
	case address == "":
		return nothing, observe.LogoutUnwanted, nil
	}
	token, err := o.config.Sign(ctx, e.Value, jtiOf(e.Key))
	if err != nil {
		return nothing, observe.LogoutFailed, fmt.Errorf("sign logout token: %w", err)
	}
	status, err := o.config.Client.PostForm(ctx, address, url.Values{"logout_token": {token}})
	switch {
	case errors.Is(err, outbound.ErrBlocked), errors.Is(err, outbound.ErrURL):
		return nothing, observe.LogoutBlocked, err
	case err != nil:
		return failed, observe.LogoutFailed, err
	case status >= 200 && status < 300:
		return answered, observe.LogoutDelivered, nil
	case status == http.StatusBadRequest:
		return answered, observe.LogoutRefused, fmt.Errorf("status %d", status)
	}
	return failed, observe.LogoutFailed, fmt.Errorf("status %d", status)
}

// report logs and counts the result. A token that will never be delivered is an alarm.
func (o *Outbox) report(ctx context.Context, l *storage.Logout, outcome string, cause error) {
	o.config.Observer.CountLogout(outcome)
	attrs := []slog.Attr{slog.String("client_id", l.ClientID), slog.String("sub", l.UserID), slog.Int("attempt", l.Attempts+1)}
	if cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	switch outcome {
	case observe.LogoutDelivered, observe.LogoutUnwanted, observe.LogoutFailed:
		o.config.Logger.LogAttrs(ctx, slog.LevelInfo, "logout token "+outcome, attrs...)
	default:
		o.config.Observer.Alarm(ctx, observe.LogoutUndelivered, append(attrs, slog.String("outcome", outcome))...)
	}
}

func jtiOf(key string) string {
	_, jti, _ := strings.Cut(key, "/")
	return jti
}
