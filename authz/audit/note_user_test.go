package audit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"
)

// An event about one user is in the log, however many there are about others.
func TestNoteOfUserIsNotDrowned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, newStore(t))
		ctx, stop := context.WithCancel(t.Context())
		var running errgroup.Group
		running.Go(func() error { return l.Run(ctx) })
		for i := range 700 {
			l.Note(t.Context(), Event{Type: SignInFailed, Outcome: Failure, UserID: fmt.Sprint("other", i%30)})
		}
		for range noteLimitOfUser.Burst + 5 {
			l.Note(t.Context(), Event{Type: SignInFailed, Outcome: Failure, UserID: "alice"})
		}
		l.Note(t.Context(), Event{Type: SignInFailed, Outcome: Failure})
		stop()
		if err := running.Wait(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := l.sealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(listAll(t, l, Filter{UserID: "alice"}, 500)); n != noteLimitOfUser.Burst {
			t.Errorf("%d events about alice, want %d", n, noteLimitOfUser.Burst)
		}
	})
}
