package ship

import (
	"context"
	"slices"
	"time"
)

// prune removes, in the background, the generations that are no longer needed, and the rest of those that
// were never completed.
func (s *Shipper) prune(ctx context.Context) {
	if s.current == nil || !s.pruning.TryLock() {
		return // a slow Destination; the next time is soon enough
	}
	current := s.current.Generation
	go func() {
		defer s.pruning.Unlock()
		src := source{from: s.To, secret: s.Secret}
		if err := src.prune(ctx, current, time.Now().Add(-s.Keep)); err != nil && ctx.Err() == nil {
			s.Logger.Warn("removing old generations", "to", s.To.String(), "err", err)
		}
	}()
}

// prune removes each generation that has a successor whose base is older than keep, and earlier ones that
// were never completed. A broken generation is no successor: what is before it may be all that is left until
// the next one. It is removed by the same rule, because an operator may still bring its objects back.
func (s source) prune(ctx context.Context, current uint64, keep time.Time) error {
	found, err := s.generations(ctx)
	if err != nil {
		return err
	}
	needed := make(map[uint64]bool)
	for i, g := range found {
		needed[g.Generation] = !slices.ContainsFunc(found[i+1:], func(later generation) bool {
			return later.broken == nil && !later.manifest.Taken.After(keep)
		})
	}
	numbers, err := listNumbers(ctx, s.from, generationsFolder)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n < current && !needed[n] {
			if err := removeGeneration(ctx, s.from, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGeneration removes a generation: first what completes it, last its number.
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
