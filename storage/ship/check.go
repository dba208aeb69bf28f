package ship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// CheckConfig is the input of Check.
type CheckConfig struct {
	From       Destination
	Secret     Secret
	Identities []age.Identity
	Folder     string                                           // for temporary databases; empty again at the end
	Found      func(error)                                      // called with each problem
	Records    func() func(storage.Table, storage.Record) error // checks all records of one state
}

// Checked describes a readable generation.
type Checked struct {
	Generation uint64
	Segments   int
	From       time.Time // of its snapshot
	Until      time.Time // it has everything that was committed by then
}

// Check reads everything that was shipped: it restores each generation, replays all of its segments, and
// checks the resulting database as bolt.Check does. It returns an error only if the Destination can't be
// read.
func Check(ctx context.Context, c CheckConfig) (all []Checked, err error) {
	if _, err := newestEpoch(ctx, c.From); err != nil {
		if !isBroken(err) {
			return nil, err
		}
		c.Found(err)
	}
	src := source{c.From, c.Secret, c.Identities}
	found, err := src.generations(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %w", c.From, errNoSnapshot)
	}
	for _, g := range found {
		if g.broken != nil {
			c.Found(g.broken)
			continue
		}
		checked, err := c.generation(ctx, src, g)
		if err != nil {
			return all, err
		}
		all = append(all, checked)
	}
	return all, nil
}

// generation restores one generation, as far as possible.
func (c CheckConfig) generation(ctx context.Context, src source, g generation) (checked Checked, err error) {
	checked = Checked{Generation: g.Generation, From: g.manifest.Taken, Until: g.manifest.Taken}
	path := filepath.Join(c.Folder, fmt.Sprintf("generation-%d.db", g.Generation))
	defer os.Remove(path)
	err = src.base(ctx, g, path)
	var store *bolt.Store
	if err == nil {
		store, err = openBase(path, g)
	}
	if err == nil {
		checked.Segments, checked.Until, err = src.replayAll(ctx, store, g)
		if closeErr := store.Close(); closeErr != nil {
			return checked, errors.Join(err, closeErr)
		}
	}
	switch {
	case ctx.Err() != nil:
		return checked, ctx.Err()
	case err != nil:
		c.Found(fmt.Errorf("generation %d: %w", g.Generation, err))
	}
	if store == nil {
		return checked, nil
	}
	return checked, bolt.Check(ctx, path, func(err error) {
		c.Found(fmt.Errorf("generation %d: %w", g.Generation, err))
	}, c.Records())
}

// replayAll replays all segments of a generation, and counts them.
func (s source) replayAll(ctx context.Context, store *bolt.Store, g generation) (segments int, until time.Time, err error) {
	c := g.start()
	for {
		seg, err := s.next(ctx, &c)
		if errors.Is(err, ErrMissing) {
			until, err = s.atEnd(ctx, c, chosen{generation: g}, time.Time{})
			return segments, until, err
		}
		if err == nil {
			err = replay(store, seg, len(seg.groups))
		}
		if err != nil {
			return segments, maxTime(c.Sealed, g.manifest.Taken), err
		}
		segments++
	}
}
