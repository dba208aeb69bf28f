package ship

import (
	"context"
	"time"
)

// prune removes, in the background, the generations that nobody can need any more, and what is left of
// those that were never completed.
func (s *Shipper) prune(ctx context.Context) {
	if s.current == nil || !s.pruning.TryLock() {
		return // a slow Destination; the next time will do
	}
	current := s.current.Generation
	go func() {
		defer s.pruning.Unlock()
		if err := prune(ctx, s.To, current, time.Now().Add(-s.Keep)); err != nil && ctx.Err() == nil {
			s.Logger.Warn("removing old generations", "to", s.To.String(), "err", err)
		}
	}()
}

// prune removes each generation whose successor's base is from before keep, and those before current
// that have no manifest.
func prune(ctx context.Context, d Destination, current uint64, keep time.Time) error {
	whole, err := generations(ctx, d)
	if err != nil {
		return err
	}
	needed := make(map[uint64]bool)
	for i, g := range whole {
		needed[g.Generation] = i == len(whole)-1 || whole[i+1].manifest.Taken.After(keep)
	}
	numbers, err := listNumbers(ctx, d, generationsFolder)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n < current && !needed[n] {
			if err := removeGeneration(ctx, d, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGeneration removes a generation: first what makes it whole, last its number.
func removeGeneration(ctx context.Context, d Destination, n uint64) error {
	if err := d.Delete(ctx, manifestName(n)); err != nil {
		return err
	}
	for _, folder := range []string{segmentsFolder(n), baseFolder(n)} {
		names, err := d.List(ctx, folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := d.Delete(ctx, folder+"/"+name); err != nil {
				return err
			}
		}
	}
	return d.Delete(ctx, claimName(n))
}
