package ship

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/bolt"
)

// source reads what was shipped, and checks everything before it uses it.
type source struct {
	from       Destination
	secret     Secret
	identities []age.Identity
}

// get returns an object as it is stored, and its content.
func (s source) get(ctx context.Context, name string) (stored, content []byte, err error) {
	stored, err = s.from.Get(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if content, err = decrypt(stored, s.identities); err != nil {
		return nil, nil, fmt.Errorf("%s: %s: %w", s.from, name, err)
	}
	return stored, content, nil
}

// base writes the base of a generation into a new file at path, and syncs it.
func (s source) base(ctx context.Context, g generation, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	for i, p := range g.manifest.Parts {
		name := partName(g.Generation, uint64(i+1))
		_, content, err := s.get(ctx, name)
		if errors.Is(err, ErrMissing) {
			return fmt.Errorf("%s: %s %w", s.from, name, ErrLost)
		}
		if err != nil {
			return err
		}
		if int64(len(content)) != p.Bytes || sha256.Sum256(content) != p.SHA256 {
			return fmt.Errorf("%s: %s %w: wrong checksum", s.from, name, ErrDamaged)
		}
		if _, err := f.Write(content); err != nil {
			return err
		}
	}
	return nil
}

// cursor is a position in a generation's chain of segments.
type cursor struct {
	Generation uint64        `json:"generation"`
	Next       uint64        `json:"next"`     // number of the segment to read
	Previous   digest        `json:"previous"` // of the object before it
	Position   bolt.Position `json:"position"` // after the last group before it
	Sealed     time.Time     `json:"sealed"`   // everything committed by then is before the cursor
}

func (g generation) start() cursor {
	return cursor{g.Generation, 1, g.claimed, g.After, g.Begun}
}

// next returns the segment at the cursor and moves it on, or ErrMissing.
func (s source) next(ctx context.Context, c *cursor) (*segment, error) {
	name := segmentName(c.Generation, c.Next)
	stored, content, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	seg, err := s.secret.decodeSegment(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %s %w", s.from, name, err)
	}
	switch {
	case seg.Generation != c.Generation || seg.Number != c.Next:
		err = fmt.Errorf("it is segment %d of generation %d", seg.Number, seg.Generation)
	case seg.Previous != c.Previous:
		err = errors.New("it does not follow the one before it")
	case seg.After != c.Position:
		err = fmt.Errorf("it begins after group %d, not after %d", seg.After.Sequence, c.Position.Sequence)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s %w: %w", s.from, name, ErrDamaged, err)
	}
	*c = cursor{c.Generation, c.Next + 1, sha256.Sum256(stored), seg.Last, seg.Sealed}
	return seg, nil
}

// replay makes the first n groups of a segment, except for those that the store has. The last group of the
// store must be the same one; otherwise the error is bolt.ErrBroken.
func replay(store *bolt.Store, seg *segment, n int) error {
	at, err := store.Position()
	if err != nil {
		return err
	}
	before, groups := seg.After, seg.groups[:n]
	for len(groups) > 0 && groups[0].Position.Sequence <= at.Sequence {
		before, groups = groups[0].Position, groups[1:]
	}
	if before.Sequence == at.Sequence && before != at {
		return fmt.Errorf("%w: another group %d", bolt.ErrBroken, at.Sequence)
	}
	if len(groups) == 0 {
		return nil
	}
	return store.Replay(groups...)
}
