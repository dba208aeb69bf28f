package keys

import (
	"context"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Use is what a ring's keys are needed for. Clients come and go while the server runs, so what is in use only
// grows until the process ends.
type Use struct {
	Algs   []jose.SignatureAlgorithm // of those that a Policy can have
	Retain time.Duration             // as in Policy; 0: unchanged
}

const (
	// refreshTimeout is how long a Refresh may take.
	refreshTimeout = 500 * time.Millisecond
	// retryTimeout is the limit after a failed Refresh, so that requests for the JWKS hardly wait while the
	// store is away.
	retryTimeout = 50 * time.Millisecond
	// publishing is how long another replica's JWKS may lack a new key: until that replica must read the
	// store (Refresh) and has done so.
	publishing = minReload + refreshTimeout
)

// Use adds to what is in use. If an algorithm has no key yet, it makes one, and returns when the JWKS of
// every replica has it. So there are no tokens that somebody can't verify.
func (r *Ring) Use(ctx context.Context, u Use) error {
	r.announcing.Lock()
	defer r.announcing.Unlock()
	if !r.add(u) && r.complete() {
		return nil
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if r.complete() {
		return nil
	}
	if err := r.rotate(ctx); err != nil {
		return err
	}
	wait := time.NewTimer(publishing)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add reports whether it added anything.
func (r *Ring) add(u Use) bool {
	r.using.Lock()
	defer r.using.Unlock()
	p := *r.policy()
	p.Algs = slices.Clone(p.Algs)
	for _, alg := range u.Algs {
		if slices.Contains(supported, alg) && !slices.Contains(p.Algs, alg) {
			p.Algs = append(p.Algs, alg)
		}
	}
	if len(p.Algs) == len(r.policy().Algs) && u.Retain <= p.Retain {
		return false
	}
	p.Retain = max(p.Retain, u.Retain)
	r.inUse.Store(&p)
	return true
}

func (r *Ring) policy() *Policy { return r.inUse.Load() }

// Algs are the algorithms in use.
func (r *Ring) Algs() []jose.SignatureAlgorithm { return slices.Clone(r.policy().Algs) }

// Listed is a key in the form for people.
type Listed struct {
	KID, Alg            string
	Public              []byte // JWK
	CreatedAt, SignFrom time.Time
	Expires             time.Time // zero: no successor yet
	Signs               bool      // the one of its algorithm that signs now
}

// List returns the published keys, read from the store now.
func (r *Ring) List(ctx context.Context) ([]Listed, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	s, now := r.current.Load(), r.now()
	var list []Listed
	for _, k := range s.keys {
		signing := s.form(formID{k.name.alg, TypeAccessToken}, now)
		list = append(list, Listed{
			KID: k.pair.public.KeyID, Alg: string(k.name.alg), Public: k.record.Public,
			CreatedAt: k.record.CreatedAt, SignFrom: k.record.SignFrom, Expires: k.expires,
			Signs: signing != nil && slices.Contains(k.pair.forms, signing),
		})
	}
	return list, nil
}
