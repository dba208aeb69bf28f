package ship

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// generation is one that was completed.
type generation struct {
	claim
	claimed  digest // of the claim; the first segment names it
	manifest manifest
	broken   error // why it can't be read; nil: it can. If set, only the number is known
}

var (
	// ErrDamaged says that an object is not what its writer wrote.
	ErrDamaged = errors.New("is damaged")
	// ErrLost says that an object that must exist is missing.
	ErrLost = errors.New("is missing")
)

// isBroken reports whether an object is damaged or lost, and not only out of reach.
func isBroken(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrLost) || errors.Is(err, ErrOtherSecret)
}

// generations returns those that were completed at some time, the oldest first. A broken one may be the
// newest, and then what can be read is not the newest state. A generation that the old primary had just begun
// when another took over does not count.
func (s source) generations(ctx context.Context) (found []generation, err error) {
	numbers, err := listNumbers(ctx, s.from, generationsFolder)
	if err != nil {
		return nil, err
	}
	newest := uint64(0)
	for _, n := range numbers {
		g, err := s.generation(ctx, n)
		switch {
		case errors.Is(err, ErrMissing): // it is being made or removed
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

// generation reads what completes a generation. The error is ErrMissing if it is being made or removed.
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
	case errors.Is(claimErr, ErrMissing): // the claim comes before the manifest, and goes after it
		err = fmt.Errorf("%s: %s %w", s.from, claimName(n), ErrLost)
	case errors.Is(claimErr, ErrOtherSecret) && !s.secret.Knows(g.Secret):
		err = fmt.Errorf("%s: %s %w (%.40q, this one is %q)", s.from, claimName(n), ErrOtherSecret, g.Secret, s.secret.ID)
	case claimErr != nil:
		err = claimErr
	case err != nil:
	case g.Generation != n || g.manifest.Generation != n || g.manifest.Claim != g.claimed:
		err = fmt.Errorf("%s: generation %d %w: its claim and its manifest do not belong together", s.from, n, ErrDamaged)
	}
	return g, err
}

// withoutManifest distinguishes a generation that is being made, which has no segments yet, from one that has
// lost its manifest.
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
