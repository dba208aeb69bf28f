package audit

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestNoteFlood: 100,000 refusals leave few events and the true count, and other events have their place
// beside them.
func TestNoteFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t)
		l := newLog(t, store)
		ctx, stop := context.WithCancel(t.Context())
		var running errgroup.Group
		running.Go(func() error { return l.Run(ctx) })
		running.Go(func() error { return l.Seal(ctx) })
		const flood, seconds = 100_000, 100
		for range seconds {
			for range flood / seconds {
				l.Note(t.Context(), Event{Type: Refused, Outcome: Denied, ClientID: "spa"})
			}
			l.Note(t.Context(), Event{Type: SignInFailed, Outcome: Failure})
			time.Sleep(time.Second)
		}
		stop()
		if err := running.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		if err := l.sealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused := len(listAll(t, l, Filter{Type: string(Refused)}, 500))
		if refused < noteLimit.Burst || refused > noteLimit.Burst+seconds {
			t.Errorf("%d refusals are in the log", refused)
		}
		if n := len(listAll(t, l, Filter{Type: string(SignInFailed)}, 500)); n != seconds {
			t.Errorf("%d of %d other events are in the log", n, seconds)
		}
		omitted := 0
		for _, e := range listAll(t, l, Filter{Type: string(Omitted)}, 500) {
			n, err := strconv.Atoi(e.Details[string(Refused)])
			if err != nil || len(e.Details) != 1 {
				t.Errorf("%+v", e)
			}
			omitted += n
		}
		if refused+omitted != flood {
			t.Errorf("%d refusals in the log and %d left out are not %d", refused, omitted, flood)
		}
		if size := len(export(t, l)); size > 1<<20 {
			t.Errorf("the log has %d bytes", size)
		}
		if report := verifyAll(t, l); len(report.Problems) > 0 || waiting(t, store) > 0 {
			t.Errorf("%+v", report)
		}
	})
}
