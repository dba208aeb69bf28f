package websession

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/authzd/authzd/storage"
)

// Cause says why a session has ended.
type Cause string

// The causes of an end.
const (
	SignedOut    Cause = "signed_out"      // its user signed out in this app
	Replaced     Cause = "another_sign_in" // of this browser
	BackChannel  Cause = "back_channel"    // the provider said so
	FeedEnd      Cause = "revocation_feed" // so did the provider's feed
	TokensDead   Cause = "invalid_grant"   // so did the token endpoint, or the last token has expired
	AnotherUser  Cause = "another_user"    // a refresh brought the tokens of another user
	Idle         Cause = "idle"            // Config.Idle has passed without activity
	MaxReached   Cause = "max"             // Config.Max has passed
	OperatorSaid Cause = "operator"
)

const (
	// watchEvery is how often Watch looks for sessions that have ended by themselves.
	watchEvery = 10 * time.Second
	// afterlife is how much longer than its session a record stays, so that its end is recorded although no process ran
	// at that time.
	afterlife = time.Hour
	// endsAtOnce is how many ends wait for the provider at the same time.
	endsAtOnce = 16
)

// Watch ends the sessions of a store at their limits, until ctx ends: within some seconds one that was idle for too long,
// or has reached its absolute limit, has its end recorded, and its tokens are revoked. of returns the sessions of a
// frontend, nil if there is none of that name. Any number of replicas may run it.
func Watch(ctx context.Context, store storage.Store, of func(frontend string) *Sessions, logger *slog.Logger) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if err := watchOnce(ctx, store, of); err != nil && ctx.Err() == nil {
			logger.ErrorContext(ctx, "sessions that have ended could not be looked at", "cause", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// watchOnce looks at every session that is due.
func watchOnce(ctx context.Context, store storage.Store, of func(frontend string) *Sessions) error {
	var group errgroup.Group
	group.SetLimit(endsAtOnce)
	due := storage.DueKey(time.Now(), "")
	for entry, err := range storage.SessionEnds.All(ctx, store, "") {
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		if entry.Key >= due {
			break
		}
		group.Go(func() error {
			err := lookAtEnd(ctx, store, entry, of)
			if storage.IsConflict(err) { // another replica has looked, or the session was touched: next time
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// lookAtEnd ends a session that is over. For one that lives, it sets the next look.
func lookAtEnd(ctx context.Context, store storage.Store, entry storage.Entry[storage.SessionEnd], of func(frontend string) *Sessions) error {
	_, id, _ := strings.Cut(entry.Key, "/")
	looked := storage.SessionEnds.Delete(entry.Key, storage.At(entry.Version))
	record, version, err := storage.BFFSessions.Get(ctx, store, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	var s *Sessions
	if err == nil { // otherwise it has ended before
		s = of(record.Frontend)
	}
	if s == nil {
		return store.Apply(ctx, looked)
	}
	session := s.session(id, record, version)
	now := time.Now()
	why := Idle
	switch {
	case now.Before(session.Expires()):
		return store.Apply(ctx, looked, s.lookAt(session))
	case !now.Before(session.ExpiresAt):
		why = MaxReached
	}
	if err := store.Apply(ctx, append(s.ended(ctx, session, why), looked)...); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return s.afterEnd(ctx, session, why)
}

// lookAt is the write that makes Watch look at a session when it would end without further activity.
func (s *Sessions) lookAt(session *Session) storage.Write {
	due := session.Expires().Add(time.Millisecond) // the precision of keys
	return storage.SessionEnds.Put(storage.DueKey(due, session.ID), &storage.SessionEnd{}, storage.Any, session.ExpiresAt.Add(afterlife))
}
