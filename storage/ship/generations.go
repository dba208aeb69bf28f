package ship

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// generation is one that counts.
type generation struct {
	claim
	claimed  digest // of the claim, which the first segment names
	manifest manifest
	broken   error // why it can't be read; nil: it can. If not, only its number is known
}

var (
	// ErrDamaged is an object that is not what its writer wrote.
	ErrDamaged = errors.New("is damaged")
	// ErrLost is an object that must be there, and is not.
	ErrLost = errors.New("is missing")
)

// isBroken reports that an object is there no more, as opposed to one that can't be reached.
func isBroken(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrLost) || errors.Is(err, ErrOtherSecret)
}

// generations returns those that were whole at some time, oldest first: one that is broken now may be the
// newest, and then what is whole is not the newest state. Where the take-over of a new primary met a
// generation that the old one had just begun, that one does not count.
func (s source) generations(ctx context.Context) (found []generation, err error) {
	numbers, err := listNumbers(ctx, s.from, generationsFolder)
	if err != nil {
		return nil, err
	}
	newest := uint64(0)
	for _, n := range numbers {
		g, err := s.generation(ctx, n)
		switch {
		case errors.Is(err, ErrMissing): // it is being made, or removed
			continue
		case isBroken(err):
			found = append(found, generation{claim: claim{Generation: n}, broken: err})
			continue
		case err != nil:
			return nil, err
		case g.Epoch < newest:
			continue
		}
		newest = g.Epoch
		found = append(found, g)
	}
	return found, nil
}

// generation reads what makes a generation whole. The error is ErrMissing if it is being made or removed.
func (s source) generation(ctx context.Context, n uint64) (g generation, err error) {
	object, claimErr := s.getSigned(ctx, claimName(n), &g.claim)
	if claimErr != nil && !errors.Is(claimErr, ErrMissing) && !isBroken(claimErr) {
		return g, claimErr
	}
	_, err = s.getSigned(ctx, manifestName(n), &g.manifest)
	if errors.Is(err, ErrMissing) {
		return g, s.withoutManifest(ctx, n)
	}
	g.claimed = sha256.Sum256(object)
	switch {
	case errors.Is(claimErr, ErrMissing): // it comes before the manifest, and goes after it
		err = fmt.Errorf("%s: %s %w", s.from, claimName(n), ErrLost)
	case errors.Is(claimErr, ErrOtherSecret) && !s.secret.Knows(g.Secret):
		err = fmt.Errorf("%s: %s %w (%.40q, this one is %q)", s.from, claimName(n), ErrOtherSecret, g.Secret, s.secret.ID)
	case claimErr != nil:
		err = claimErr
	case err != nil:
	case g.Generation != n || g.manifest.Generation != n || g.manifest.Claim != g.claimed:
		err = fmt.Errorf("%s: generation %d %w: its claim and its manifest are not of one and the same", s.from, n, ErrDamaged)
	}
	return g, err
}

// withoutManifest tells a generation that is being made, which has no segments yet, from one whose
// manifest was lost.
func (s source) withoutManifest(ctx context.Context, n uint64) error {
	segments, err := listNumbers(ctx, s.from, segmentsFolder(n))
	switch {
	case err != nil:
		return err
	case len(segments) == 0:
		return ErrMissing
	}
	return fmt.Errorf("%s: %s %w", s.from, manifestName(n), ErrLost)
}
