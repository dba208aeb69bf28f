package ship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/bolt"
)

// RestoreConfig is the input of Restore.
type RestoreConfig struct {
	From       Destination
	Secret     Secret
	Identities []age.Identity
	At         time.Time // the moment, to the end of its millisecond; zero: the last one
	Path       string    // of the new database file; it must not exist
}

// Restored is the result of Restore.
type Restored struct {
	Position bolt.Position
	Until    time.Time // everything committed by then is in it, and nothing later
	Bytes    int64
}

// GapError says that a moment can't be restored, and names the nearest ones that can.
type GapError struct {
	At     time.Time
	Until  time.Time // the last moment before At; zero: there is none
	From   time.Time // the first moment after At; zero: there is none
	Reason error     // why no later one; nil: nothing later was shipped
}

func (e *GapError) Error() string {
	text := "can't restore the newest state"
	if !e.At.IsZero() {
		text = "can't restore " + stamp(e.At)
	}
	if !e.Until.IsZero() {
		text += ": possible up to " + stamp(e.Until)
	}
	if !e.From.IsZero() && !e.Until.IsZero() {
		text += ", and from " + stamp(e.From) + " on"
	} else if !e.From.IsZero() {
		text += ": possible from " + stamp(e.From) + " on"
	}
	if e.Reason != nil {
		text += fmt.Sprintf(" (%v)", e.Reason)
	}
	return text
}

func (e *GapError) Unwrap() error { return e.Reason }

// stamp formats a time for --at.
func stamp(t time.Time) string {
	if t.Equal(t.Truncate(time.Millisecond)) {
		return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}

// Restore makes a database as of a moment. It checks everything first, in a file with another name beside
// Path, which gets its name when it is complete. A *GapError says what can be restored instead.
func Restore(ctx context.Context, c RestoreConfig) (r Restored, err error) {
	if _, err := os.Lstat(c.Path); err == nil {
		return r, fmt.Errorf("%s: %w", c.Path, os.ErrExist)
	}
	src := source{c.From, c.Secret, c.Identities}
	g, err := src.choose(ctx, c.At)
	if err != nil {
		return r, err
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return r, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(c.Path), "."+filepath.Base(c.Path)+".restore-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(folder)
	temp := filepath.Join(folder, "restored.db")
	if err := src.base(ctx, g.generation, temp); err != nil {
		return r, err
	}
	store, err := openBase(temp, g.generation)
	if err != nil {
		return r, err
	}
	r.Until, err = src.replayUntil(ctx, store, g, c.At)
	if err == nil {
		r.Position, err = store.Position()
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return r, err
	}
	info, err := os.Stat(temp)
	if err != nil {
		return r, err
	}
	r.Bytes = info.Size()
	if err := os.Link(temp, c.Path); err != nil { // unlike a rename, it never replaces another file
		return r, err
	}
	return r, syncFolder(filepath.Dir(c.Path))
}

var errNoSnapshot = errors.New("holds no whole snapshot yet")

// chosen is a generation from which a moment can be restored, unless its segments end before that moment.
type chosen struct {
	generation
	later *generation // the next readable one; nil: there is none
	hole  error       // why one between the two can't be read; nil: there is none
}

// choose returns the newest readable generation whose base is from before a moment (zero: the last).
func (s source) choose(ctx context.Context, at time.Time) (c chosen, err error) {
	found, err := s.generations(ctx)
	if err != nil {
		return c, err
	}
	if len(found) == 0 {
		return c, fmt.Errorf("%s %w", s.from, errNoSnapshot)
	}
	for _, g := range slices.Backward(found) {
		switch {
		case g.broken != nil:
			c.hole = g.broken
		case at.IsZero() || g.manifest.Taken.Before(endOf(at)):
			c.generation = g
			return c, nil
		default:
			c.later, c.hole = &g, nil
		}
	}
	if c.later == nil {
		return c, c.hole
	}
	return c, &GapError{At: at, From: c.later.manifest.Taken.Truncate(time.Millisecond), Reason: c.hole}
}

// openBase opens the base of a generation as a following store.
func openBase(path string, g generation) (*bolt.Store, error) {
	store, err := bolt.Open(path, bolt.Options{Follow: true})
	if err != nil {
		return nil, err
	}
	p, err := store.Position()
	if err == nil && p != g.manifest.Position {
		err = fmt.Errorf("the snapshot of generation %d %w: it ends with group %d, not with %d", g.Generation, ErrDamaged, p.Sequence, g.manifest.Position.Sequence)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// endOf returns the end of the millisecond of a moment. The times of groups are whole milliseconds, so after
// a group more may follow in the same millisecond.
func endOf(at time.Time) time.Time { return at.Truncate(time.Millisecond).Add(time.Millisecond) }

// replayUntil replays a generation's segments up to a moment, and returns the moment that the store has
// reached.
func (s source) replayUntil(ctx context.Context, store *bolt.Store, g chosen, at time.Time) (time.Time, error) {
	c := g.start()
	for at.IsZero() || c.Sealed.Before(endOf(at)) {
		seg, err := s.next(ctx, &c)
		if errors.Is(err, ErrMissing) {
			return s.atEnd(ctx, c, g, at)
		}
		if isBroken(err) {
			return g.brokenOff(c, at, err)
		}
		if err != nil {
			return c.Sealed, err
		}
		end := slices.IndexFunc(seg.groups, func(g bolt.Group) bool { return !at.IsZero() && g.Time.After(at) })
		if end < 0 {
			end = len(seg.groups)
		}
		if err := replay(store, seg, end); err != nil {
			return c.Sealed, fmt.Errorf("segment %d of generation %d: %w", seg.Number, g.Generation, err)
		}
		if end < len(seg.groups) {
			return at, nil
		}
	}
	return at, nil
}

// atEnd decides, when there is no further segment, whether that is the end or one is missing.
func (s source) atEnd(ctx context.Context, c cursor, g chosen, at time.Time) (time.Time, error) {
	numbers, err := listNumbers(ctx, s.from, segmentsFolder(g.Generation))
	if err != nil {
		return c.Sealed, err
	}
	if n := len(numbers); n > 0 && numbers[n-1] > c.Next {
		return g.brokenOff(c, at, fmt.Errorf("%s: %s %w", s.from, segmentName(c.Generation, c.Next), ErrLost))
	}
	if g.hole != nil || g.later != nil {
		return g.brokenOff(c, at, g.hole)
	}
	until := maxTime(c.Sealed, g.manifest.Taken) // the base may be newer than all segments
	if at.After(until) {
		return until, g.gap(at, until.Truncate(time.Millisecond), nil)
	}
	return until, nil
}

// brokenOff is for a history that goes on after a cursor but can't be read there. The millisecond of the
// cursor may then be incomplete, except at the moment of the base, which is complete.
func (g chosen) brokenOff(c cursor, at time.Time, reason error) (time.Time, error) {
	taken := g.manifest.Taken
	until := c.Sealed.Truncate(time.Millisecond).Add(-time.Millisecond)
	if until.Before(taken.Truncate(time.Millisecond)) {
		until = taken
	}
	if at.Equal(taken) || !at.IsZero() && until != taken && !at.After(until) {
		return at, nil
	}
	return until, g.gap(at, until, reason)
}

// gap explains why a generation can't be followed beyond a moment.
func (g chosen) gap(at, until time.Time, reason error) error {
	e := &GapError{At: at, Until: until, Reason: reason}
	if g.later != nil {
		e.From = g.later.manifest.Taken.Truncate(time.Millisecond)
	}
	return e
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
