package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/storage"
)

const (
	maxReloadEvery = time.Minute
	maxCacheAge    = time.Hour
)

// supported are the algorithms that a ring can hold keys of, all of them asymmetric.
var supported = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// Policy says which keys a ring holds, and for how long. All replicas of a store should have the same. While
// they differ, as in a rolling update, the keys of both are kept.
type Policy struct {
	// Algs are the algorithms in use: of RS256, ES256, PS256 and EdDSA.
	Algs []jose.SignatureAlgorithm

	// RotateEvery is how long a key signs. It must be longer than Announce.
	RotateEvery time.Duration

	// Announce is how long a key is published before it signs. A verifier may cache the JWKS for
	// half of it, at most an hour.
	Announce time.Duration

	// Retain is how long a key stays published after it last signed: the longest life of a token plus the
	// allowed clock skew.
	Retain time.Duration

	// More returns what else is in use by now. Run calls it at each turn. nil: nothing.
	More func(context.Context) (Use, error)

	// Announced returns writes that are made in the same Apply when a key is announced that nobody asked for.
	// nil: no writes.
	Announced func(ctx context.Context, alg, kid string, signFrom time.Time) []storage.Write

	// Logger gets rotations and their failures; nil: nothing is logged.
	Logger *slog.Logger
}

func (p Policy) validate() error {
	var errs []error
	if len(p.Algs) == 0 {
		errs = append(errs, errors.New("no signature algorithm"))
	}
	for i, alg := range p.Algs {
		if !slices.Contains(supported, alg) {
			errs = append(errs, fmt.Errorf("signature algorithm %q is not one of %v", alg, supported))
		}
		if slices.Contains(p.Algs[:i], alg) {
			errs = append(errs, fmt.Errorf("signature algorithm %q is named twice", alg))
		}
	}
	if p.Announce < time.Millisecond {
		errs = append(errs, fmt.Errorf("announce is %v, must be positive", p.Announce))
	}
	if p.RotateEvery <= p.Announce {
		errs = append(errs, fmt.Errorf("rotate every %v must be longer than announce, %v", p.RotateEvery, p.Announce))
	}
	if p.Retain <= 0 {
		errs = append(errs, fmt.Errorf("retain is %v, must be positive", p.Retain))
	}
	return errors.Join(errs...)
}

// reloadEvery and cacheAge are the two delays between a key's creation on one replica and its arrival at a
// verifier that asks another replica. Announce covers both with a quarter to spare.
func (p Policy) reloadEvery() time.Duration { return min(p.Announce/4, maxReloadEvery) }

func (p Policy) cacheAge() time.Duration { return min(p.Announce/2, maxCacheAge) }

// replaceAt returns when to announce the successor of a key that signs from signFrom.
func (p Policy) replaceAt(signFrom time.Time) time.Time {
	return signFrom.Add(p.RotateEvery - p.Announce)
}

// retireAt returns when to forget a key whose successor signs from signFrom, in whole milliseconds, as the
// store has them.
func (p Policy) retireAt(signFrom time.Time) time.Time {
	return signFrom.Add(p.Retain).Truncate(time.Millisecond)
}
