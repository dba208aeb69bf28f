package bolt

import (
	"errors"
	"fmt"

	"github.com/authzd/authzd/storage"
)

// errFollows is the error of Apply and the sweeper in a store that follows another one: only Replay may
// change it.
var errFollows = errors.New("this store follows another one; nothing else may change it")

// ErrBroken says that groups do not continue a store from its position.
var ErrBroken = errors.New("these changes do not continue what this store holds")

// Replay makes groups that another store has committed. One commit of this store makes all of them or none,
// and moves the position to that of the last group. The store must have been opened with Follow. The error is
// ErrBroken if the groups do not continue the store.
func (s *Store) Replay(groups ...Group) error {
	if !s.follows || len(groups) == 0 {
		return fmt.Errorf("replay of %d groups in a store that follows: %t", len(groups), s.follows)
	}
	at, err := s.Position()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Position.Sequence != at.Sequence+1 {
			return fmt.Errorf("%w: group %d after group %d", ErrBroken, g.Position.Sequence, at.Sequence)
		}
		if at = g.Position; len(g.Changes) == 0 {
			return fmt.Errorf("%w: group %d changes nothing", ErrBroken, at.Sequence)
		}
		for _, c := range g.Changes {
			if err := c.check(); err != nil {
				return fmt.Errorf("group %d: %w", at.Sequence, err)
			}
		}
	}
	return s.c.do(func(g *group) error { return g.replay(groups) })
}

// check refuses a change that no store could have committed.
func (c Change) check() error {
	if err := storage.CheckTable(c.Table); err != nil {
		return fmt.Errorf("%w; perhaps a newer authzd wrote it", err)
	}
	if len(c.Key) == 0 || len(c.Key) > storage.MaxKey {
		return fmt.Errorf("change of %s: key of %d bytes", c.Table, len(c.Key))
	}
	if c.Row == nil {
		return nil
	}
	if _, err := readRow(c.Table, c.Key, c.Row); err != nil {
		return fmt.Errorf("change of %s is damaged: row of %d bytes", c.Table, len(c.Row))
	}
	return nil
}

// replay writes rows as they are, with their versions.
func (g *group) replay(groups []Group) error {
	for _, group := range groups {
		for _, c := range group.Changes {
			bucket := g.tx.Bucket([]byte(c.Table))
			if c.Row == nil {
				if err := bucket.Delete(c.Key); err != nil {
					return err
				}
				continue
			}
			r, err := decodeRow(c.Row)
			if err != nil {
				return err
			}
			g.seq = max(g.seq, r.version)
			if err := bucket.Put(c.Key, c.Row); err != nil {
				return err
			}
		}
	}
	g.dirty = true
	meta := g.tx.Bucket(metaBucket)
	return errors.Join(meta.SetSequence(g.seq), setPosition(g.tx, groups[len(groups)-1].Position))
}

// Refuse ends all writing until the store is opened again: Apply and Ready return ErrUnavailable with the
// reason. The reason, and what the operator can do, are logged.
func (s *Store) Refuse(reason error, do string) {
	s.c.setTrouble(&trouble{err: reason, final: true, do: do})
}
