package postgres

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// change is a storage.Write with the statement that makes it.
type change struct {
	storage.Write
	version int64 // of the record after the change; 0: there is none
	stmt    statement
	args    []any
}

// newChanges prepares the writes of one Apply, in one order for all callers. Rows are locked in that order,
// so no two transactions can wait for each other.
//
// Versions are random numbers. A sequence would cost a request for each, and no engine has a free one. Random
// numbers also let an Apply recognise its own records if it had to be sent twice.
func newChanges(writes []storage.Write) []change {
	changes := make([]change, len(writes))
	for i, w := range writes {
		changes[i] = newChange(w)
	}
	slices.SortFunc(changes, inOrder)
	return changes
}

func inOrder(a, b change) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key))
}

func newChange(w storage.Write) change {
	c, s, key := change{Write: w}, statementsOf[w.Table], []byte(w.Key)
	at := int64(w.If) // versions beyond the range become negative, and no record has those
	switch {
	case w.Value != nil:
		c.version = 1 + rand.Int64N(math.MaxInt64-1)
		c.args = []any{key, w.Value, c.version, expiresAt(w.Expires)}
		c.stmt = s.putAt
		switch w.If {
		case storage.Any:
			c.stmt = s.put
		case storage.Absent:
			c.stmt = s.putAbsent
		default:
			c.args = append(c.args, at)
		}
	case w.If == storage.Any:
		c.stmt, c.args = s.remove, []any{key}
	case w.If == storage.Absent:
		// The condition Absent needs a row that can be locked until the commit. That row has already expired,
		// and the sweep removes it.
		c.stmt, c.args = s.putAbsent, []any{key, []byte{}, int64(1), time.Unix(0, 0)}
	default:
		c.stmt, c.args = s.removeAt, []any{key, at}
	}
	return c
}

// again is the change that writes c's record once more, unchanged, if it is still there.
func (c change) again() change {
	c.stmt = statementsOf[c.Table].putAt
	c.args = []any{[]byte(c.Key), c.Value, c.version, expiresAt(c.Expires), c.version}
	return c
}

// once reports whether the changes can be made only once, even if they are sent twice. That is so if one of
// them demands a version, which never comes back. A condition that can become true again is not enough, such
// as Absent for a record that another request removes in between.
func once(changes []change) bool {
	return slices.ContainsFunc(changes, func(c change) bool { return c.If != storage.Absent && c.If != storage.Any })
}

// expiresAt returns a time as a row holds it: nil for never.
func expiresAt(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.Truncate(time.Millisecond)
	return &t
}
