package bolt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/authzd/authzd/storage"
)

// Position is how far a store has come. The commit that reaches it stores it in the file.
type Position struct {
	Sequence uint64 // one more with each group that changed records; 0: none has
	Mark     uint64 // random, of that group; it differs in two copies of a store that each went on
}

// Group is what one commit changed. Neither it nor what it points to may be modified.
type Group struct {
	Position Position
	Time     time.Time // when the group began: UTC, whole milliseconds, by the machine's clock
	Changes  []Change  // in order; a record may be changed more than once
}

// Change is one record's new state.
type Change struct {
	Table storage.Table
	Key   []byte
	Row   []byte // as in the file (see row.go), with its version; nil: deleted or swept
}

// Tap gets every group, in order. The committer makes the calls, one at a time, and all writers wait
// meanwhile. A Tap may copy, and append to a file. It must not sync, lock for long, call the Store or panic.
// Each Prepare is followed by a Done for the same group.
type Tap interface {
	// Prepare is called with a group that will be committed next.
	Prepare(Group)
	// Done reports whether it was committed, or undone as if it had never been. Done is not called if that is
	// unknown: then the store takes no more writes, and after it is opened again its Position shows it.
	Done(committed bool)
}

// Tap gives t all groups after the Position that it returns, until Untap.
func (s *Store) Tap(t Tap) (Position, error) {
	s.c.tapping.Lock()
	defer s.c.tapping.Unlock()
	p, err := s.Position()
	if err != nil {
		return p, err
	}
	s.c.taps = append(s.c.taps, t)
	return p, nil
}

// Untap ends Tap. When it returns, no call is under way and none will follow.
func (s *Store) Untap(t Tap) {
	s.c.tapping.Lock()
	defer s.c.tapping.Unlock()
	s.c.taps = slices.DeleteFunc(s.c.taps, func(other Tap) bool { return other == t })
}

// Position returns how far the store has come.
func (s *Store) Position() (p Position, err error) {
	p, err = s.g.position()
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return p, storage.ErrClosed
	}
	return p, err
}

func (g *guarded) position() (p Position, err error) {
	err = g.view(func(tx *bbolt.Tx) error {
		p, err = position(tx)
		return err
	})
	return p, err
}

// positionKey is in the meta bucket. A file without any changed record has none.
var positionKey = []byte("position")

func position(tx *bbolt.Tx) (p Position, err error) {
	b := tx.Bucket(metaBucket).Get(positionKey)
	switch {
	case b == nil:
		return p, nil
	case len(b) != 16:
		return p, fmt.Errorf("%w: position of %d bytes", errDamaged, len(b))
	}
	return Position{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

func setPosition(tx *bbolt.Tx, p Position) error {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), p.Sequence)
	return tx.Bucket(metaBucket).Put(positionKey, binary.BigEndian.AppendUint64(b, p.Mark))
}

// next is the position of the group after the one at p.
func (p Position) next() Position {
	var mark [8]byte
	rand.Read(mark[:])
	return Position{p.Sequence + 1, binary.BigEndian.Uint64(mark[:])}
}
