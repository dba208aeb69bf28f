package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

// Rotate announces a new key of an algorithm now, even if the present one is young. The new key signs after
// the policy's Announce. If another replica announces one at the same moment, that key counts. also, if not
// nil, returns writes that are made in the same Apply as the key.
func (r *Ring) Rotate(ctx context.Context, alg jose.SignatureAlgorithm, also func(kid string) []storage.Write) error {
	if !slices.Contains(r.policy().Algs, alg) {
		return fmt.Errorf("signature algorithm %q is not in use", alg)
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	before := r.generation(alg)
	return storage.Retry(func() error {
		announced := r.announce(ctx, alg, also)
		if unlessConflict(announced) != nil {
			return announced
		}
		if err := r.load(ctx); err != nil {
			return err
		}
		if r.generation(alg) > before { // by us, or by another replica
			return nil
		}
		return announced // the present key's record was changed, by sealing it again for example
	})
}

// generation returns the number of the newest loaded key of an algorithm, or 0.
func (r *Ring) generation(alg jose.SignatureAlgorithm) int {
	if k := r.current.Load().newest(alg); k != nil {
		return k.name.generation
	}
	return 0
}

// rotate does what is due for the loaded keys. If it changed anything, it loads again.
func (r *Ring) rotate(ctx context.Context) error {
	now := r.now()
	s := r.current.Load()
	var errs []error
	changed := false
	for _, alg := range r.policy().Algs {
		if k := s.newest(alg); k == nil || !k.expires.IsZero() || r.overdue(k, now) {
			errs = append(errs, unlessConflict(r.announce(ctx, alg, nil)))
			changed = true
		}
	}
	for _, k := range s.keys {
		if end, ok := r.retirement(s, k, now); ok {
			errs = append(errs, r.retire(ctx, k, end))
			changed = true
		}
	}
	if changed {
		errs = append(errs, r.load(ctx))
	}
	return errors.Join(errs...)
}

func (r *Ring) overdue(k *key, now time.Time) bool {
	return !now.Before(r.policy().replaceAt(k.record.SignFrom))
}

// retirement reports whether the expiry of a key must change, and to what. Most keys get their expiry when
// their successor is created. The others are a key whose algorithm is no longer in use, and one whose tokens
// now live longer than when its expiry was set.
func (r *Ring) retirement(s *snapshot, k *key, now time.Time) (end time.Time, ok bool) {
	if next := s.named(k.name.next()); next != nil {
		end = r.policy().retireAt(next.record.SignFrom)
		return end, next.record.SignFrom.After(now) && k.expires.Before(end)
	}
	dropped := !slices.Contains(r.policy().Algs, k.name.alg)
	end = r.policy().retireAt(now.Add(r.policy().Announce)) // as if a successor were announced
	return end, dropped && k.expires.IsZero() && r.overdue(k, now)
}

// announce creates the next key of an algorithm and gives the present one its expiry. The error is a
// *storage.ConflictError if another replica has changed either since they were loaded.
func (r *Ring) announce(ctx context.Context, alg jose.SignatureAlgorithm, also func(kid string) []storage.Write) error {
	now := r.now().Truncate(time.Millisecond)
	name, signFrom := keyName{alg, 1}, now
	var writes []storage.Write
	if k := r.current.Load().newest(alg); k != nil {
		name, signFrom = k.name.next(), now.Add(r.policy().Announce)
		writes = append(writes, k.expiring(r.policy().retireAt(signFrom)))
	}
	jwk, err := generate(alg)
	if err != nil {
		return err
	}
	rec, err := seal(r.sealer, name, jwk, now, signFrom)
	if err != nil {
		return err
	}
	writes = append(writes, storage.SigningKeys.Put(name.String(), rec, storage.Absent, time.Time{}))
	switch announced := r.policy().Announced; {
	case also != nil:
		writes = append(writes, also(jwk.KeyID)...)
	case announced != nil:
		writes = append(writes, announced(ctx, string(alg), jwk.KeyID, signFrom)...)
	}
	if err := r.store.Apply(ctx, writes...); err != nil {
		return fmt.Errorf("announce signing key %s: %w", name, err)
	}
	r.log.Info("signing key announced", "alg", alg, "kid", jwk.KeyID, "sign_from", signFrom)
	return nil
}

// retire sets the time at which a key is forgotten.
func (r *Ring) retire(ctx context.Context, k *key, end time.Time) error {
	if err := r.store.Apply(ctx, k.expiring(end)); err != nil {
		return unlessConflict(fmt.Errorf("retire signing key %s: %w", k.name, err))
	}
	r.log.Info("signing key retires", "alg", k.name.alg, "kid", k.pair.public.KeyID, "until", end)
	return nil
}

// expiring is the write that sets a key's expiry, if its record has not changed since it was loaded.
func (k *key) expiring(end time.Time) storage.Write {
	return storage.SigningKeys.Put(k.name.String(), &k.record, storage.At(k.version), end)
}

// unlessConflict drops the error if another replica was first: its work is as good as ours, and the next load
// finds it.
func unlessConflict(err error) error {
	if storage.IsConflict(err) {
		return nil
	}
	return err
}
