package bolt

import (
	"time"

	"go.etcd.io/bbolt"

	"github.com/authzd/authzd/storage"
)

const probeSize = 256 << 10

// group is the transaction of one group commit. Each request sees the changes of those before it.
type group struct {
	tx      *bbolt.Tx
	now     int64 // Unix milliseconds, one moment for the whole group
	seq     uint64
	dirty   bool // there is something to commit
	changed bool // records among it

	tapped  bool     // a tap wants the changes
	changes []Change // if tapped

	pending *pending
}

func newGroup(tx *bbolt.Tx, tapped bool) *group {
	seq := tx.Bucket(metaBucket).Sequence()
	return &group{tx: tx, now: time.Now().UnixMilli(), seq: seq, tapped: tapped, pending: newPending(seq)}
}

// end stores the sequence of the versions, and the position. One sequence serves the whole store and only
// grows, so a version never comes back, even if a key is deleted and written again.
func (g *group) end() (Group, error) {
	if !g.dirty {
		return Group{}, errNoChange
	}
	if !g.changed {
		return Group{}, nil
	}
	p, err := position(g.tx)
	if err != nil {
		return Group{}, err
	}
	p = p.next()
	if err := setPosition(g.tx, p); err != nil {
		return Group{}, err
	}
	return Group{p, time.UnixMilli(g.now).UTC(), g.changes}, g.tx.Bucket(metaBucket).SetSequence(g.seq)
}

// change is a storage.Write as it is queued.
type change struct {
	table storage.Table
	key   []byte
	row   []byte // still without its version; nil: delete
	cond  storage.Condition
}

// apply makes all changes, or returns a *storage.ConflictError and makes none. It checks all conditions
// before the first change, so nothing has to be undone.
func (g *group) apply(changes []change) error {
	for _, c := range changes {
		if c.cond == storage.Any {
			continue
		}
		version, err := g.version(c.table, c.key)
		if err != nil {
			return err
		}
		if storage.Condition(version) != c.cond {
			return &storage.ConflictError{Table: c.table, Key: string(c.key)}
		}
	}
	for _, c := range changes {
		if err := g.change(c); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) change(c change) error {
	g.dirty, g.changed = true, true
	if c.row != nil {
		g.seq++
		setVersion(c.row, g.seq)
	}
	if g.tapped {
		g.changes = append(g.changes, Change{c.table, c.key, c.row})
	}
	bucket := g.tx.Bucket([]byte(c.table))
	if c.row == nil {
		g.pending.delete(c.table, c.key)
		return bucket.Delete(c.key)
	}
	return bucket.Put(c.key, c.row)
}

// version returns the version of a live record, 0 if there is none.
func (g *group) version(table storage.Table, key []byte) (uint64, error) {
	b := g.tx.Bucket([]byte(table)).Get(key)
	if b == nil {
		return 0, nil
	}
	r, err := decodeRow(b)
	if err != nil || !r.live(g.now) {
		return 0, err
	}
	return r.version, nil
}

// sweep deletes the expired rows that have not changed since the sweeper read them, and counts them.
func (g *group) sweep(table storage.Table, found []expired) (n int, err error) {
	bucket := g.tx.Bucket([]byte(table))
	for _, e := range found {
		b := bucket.Get(e.key)
		if b == nil {
			continue
		}
		r, err := decodeRow(b)
		if err != nil {
			return n, err
		}
		if r.version != e.version {
			continue
		}
		if err := g.change(change{table: table, key: e.key}); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// fillProbe is a write that succeeds only if there is room for many others.
func (g *group) fillProbe() error {
	g.dirty = true
	return g.tx.Bucket(metaBucket).Put(probeKey, make([]byte, probeSize))
}

func (g *group) removeProbe() error {
	g.dirty = true
	return g.tx.Bucket(metaBucket).Delete(probeKey)
}
