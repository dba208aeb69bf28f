// Package keys holds the server's secrets: the key ring that signs its tokens, and the server secret that
// seals stored values and derives others.
//
// A ring's keys live in the store, one record each, the private half sealed. Every replica reads
// them into an immutable snapshot, which signing, verifying and publishing use without a lock:
//
//	store --(reload, every minute at most)--> snapshot --> Sign, Verify, JWKS
//	  ^                                          |
//	  +------(rotate: create next, retire)-------+
//
// The life of a key:
//
//	created             signs                 successor signs          forgotten
//	   |---- Announce ----|----- RotateEvery -----|------ Retain ---------|
//	   '------------------------- in the JWKS, verifies ------------------'
//
// Replicas are equal and don't talk to one another. They agree because the keys of an algorithm are numbered.
// Record "RS256/7" can be created only once, in the same Apply that gives "RS256/6" its expiry, and each
// replica signs with the highest number whose time has come. The very first key of an algorithm signs at
// once, because there is no other. So if an algorithm is added to a running system, a verifier that caches
// the JWKS may not know the key yet.
package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/semaphore"

	"github.com/authzd/authzd/storage"
)

const (
	// minReload is the shortest time between two reloads for unknown headers, and reloadTimeout the longest
	// time of one.
	minReload     = time.Second
	reloadTimeout = 2 * time.Second
)

// Ring signs with the keys of a store and verifies what they signed. Its methods are safe for
// concurrent use.
type Ring struct {
	store  storage.Store
	sealer *Sealer
	inUse  atomic.Pointer[Policy] // with the uses that were added since Open
	using  sync.Mutex             // orders changes of inUse

	announcing sync.Mutex // held until a first key of an algorithm is known everywhere

	log *slog.Logger
	now func() time.Time

	// signers bounds how many signatures are made at once. An RSA signature takes a millisecond. More at once
	// would only fill the scheduler's queues, and short work would wait behind them, such as the goroutine
	// that commits their requests.
	signers chan struct{}

	current atomic.Pointer[snapshot]
	loading *semaphore.Weighted       // orders loads, so that no snapshot is replaced by an older one
	loaded  atomic.Pointer[time.Time] // when the last load ended, even if it failed; nil: none has
	away    atomic.Bool               // the last load failed, or takes too long
}

// Open loads the ring, and creates missing keys of the algorithms. It fails if a stored key was sealed under
// a secret that is not part of secret.
func Open(ctx context.Context, store storage.Store, secret *Secret, p Policy) (*Ring, error) {
	return open(ctx, store, secret, p, time.Now)
}

func open(ctx context.Context, store storage.Store, secret *Secret, p Policy, now func() time.Time) (*Ring, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("key policy: %w", err)
	}
	r := &Ring{store: store, sealer: secret.Sealer(purposeSigningKey), log: p.Logger, now: now,
		signers: make(chan struct{}, runtime.GOMAXPROCS(0)), loading: semaphore.NewWeighted(1)}
	r.inUse.Store(&p)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.rotate(ctx); err != nil {
		if !r.complete() {
			return nil, err
		}
		r.log.Error("key rotation failed", "error", err) // serve with the loaded keys; Run tries again
	}
	return r, nil
}

// complete reports whether every algorithm in use has a key.
func (r *Ring) complete() bool {
	s := r.current.Load()
	return !slices.ContainsFunc(r.policy().Algs, func(alg jose.SignatureAlgorithm) bool { return s.newest(alg) == nil })
}

// Run reloads the keys and rotates due ones until ctx ends, and returns ctx's error. Failures are logged, and
// the last loaded keys stay in use.
func (r *Ring) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.policy().reloadEvery())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			if err := r.step(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("key rotation failed", "error", err)
			}
		}
	}
}

// step is one turn of Run.
func (r *Ring) step(ctx context.Context) error {
	if more := r.policy().More; more != nil {
		use, err := more(ctx)
		if err != nil {
			return fmt.Errorf("find out which keys are in use: %w", err)
		}
		r.add(use)
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	return r.rotate(ctx)
}

// JWKS returns the JSON Web Key Set (RFC 7517 section 5) of all keys that verify or soon will, and how long a
// verifier may cache it. The caller must not change body.
func (r *Ring) JWKS() (body []byte, maxAge time.Duration) {
	return r.current.Load().jwks, r.policy().cacheAge()
}

// Refresh makes JWKS at most minReload older than the store. If the store can't be read, JWKS stays as it is.
// One of several concurrent callers reads, and the others wait for it. While the store is away, callers wait
// only briefly.
func (r *Ring) Refresh(ctx context.Context) {
	if r.fresh() { // the usual case
		return
	}
	timeout := refreshTimeout
	if r.away.Load() {
		timeout = retryTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if r.loading.Acquire(ctx, 1) != nil {
		return // another load waits for the store
	}
	if r.fresh() {
		r.loading.Release(1)
		return
	}
	// A store that does not answer may take longer than ctx allows.
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.loading.Release(1)
		if err := r.loadLocked(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("signing keys could not be read", "error", err)
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // the caller is still there
			r.away.Store(true)
		}
	}
}

// fresh reports whether the last load is recent enough.
func (r *Ring) fresh() bool {
	loaded := r.loaded.Load()
	return loaded != nil && r.now().Sub(*loaded) < minReload
}

// load reads the store into a new snapshot.
func (r *Ring) load(ctx context.Context) error {
	if err := r.loading.Acquire(ctx, 1); err != nil {
		return err
	}
	defer r.loading.Release(1)
	return r.loadLocked(ctx)
}

func (r *Ring) loadLocked(ctx context.Context) (err error) {
	defer func() {
		now := r.now()
		r.loaded.Store(&now)
		r.away.Store(err != nil)
	}()
	keys, err := r.read(ctx)
	if err != nil {
		return err
	}
	s, err := newSnapshot(keys, r.policy().Algs)
	if err != nil {
		return err
	}
	r.current.Store(s)
	return nil
}

// read returns the live keys of the store. It takes unchanged ones from the present snapshot.
func (r *Ring) read(ctx context.Context) ([]*key, error) {
	now, present := r.now(), r.current.Load()
	if present == nil {
		present = &snapshot{}
	}
	var keys []*key
	for rec, err := range storage.All(ctx, r.store, storage.SigningKeys.Table, "") {
		if err != nil {
			return nil, fmt.Errorf("read signing keys: %w", err)
		}
		if !rec.Expires.IsZero() && !rec.Expires.After(now) {
			continue // by the store's clock it may live a moment longer
		}
		name, err := parseKeyName(rec.Key)
		if err != nil {
			return nil, err
		}
		k, err := readKey(r.sealer, name, rec, present.named(name))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// find returns the form of an encoded header, or nil. An unknown header may name a new key of another
// replica, so it causes a reload. But it does so only once a second for all callers, because anyone can make
// up a header.
func (r *Ring) find(header string) (*form, error) {
	if f := r.current.Load().forms[header]; f != nil {
		return f, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	if err := r.loading.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	defer r.loading.Release(1)
	if !r.fresh() {
		if err := r.loadLocked(ctx); err != nil {
			return nil, err
		}
	}
	return r.current.Load().forms[header], nil
}
