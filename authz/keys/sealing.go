package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/storage"
)

const (
	resealEvery = time.Minute
	resealPage  = 20 // records of one Apply
	resealTries = 3  // of a pass that met changes by other replicas
)

// Sealing seals everything in the store under the newest server secret, so that earlier ones can be dropped:
//
//	all replicas list the new secret second ─> all list it first ─> nothing needs the earlier one
//	          (each can open)              (noted in the store: newest;      (Status says so)
//	                                      Run seals all records again)
//
// A replica whose current secret is not the newest does not seal existing records, so that two replicas with
// different orders never undo each other's work.
type Sealing struct {
	SealingConfig
	done atomic.Bool // it was logged that nothing is left to do
}

// SealingConfig is the input of OpenSealing.
type SealingConfig struct {
	Store  storage.Store
	Secret *Secret

	// Outside is how long a value that was sealed or derived outside of the store, in browsers and tokens, is
	// useful. An earlier secret is needed for at least that long.
	Outside time.Duration

	// OutsideMore returns a time that may be longer, for values that change while the server runs. nil: there
	// is none.
	OutsideMore func(ctx context.Context) (time.Duration, error)

	// Replaced returns writes that are made in the same Apply when the current secret, by its id, replaces
	// another. nil: no writes.
	Replaced func(ctx context.Context, id string) ([]storage.Write, error)

	Logger  *slog.Logger      // nil: nothing is logged
	Counted func(earlier int) // called once a minute with the number of records under an earlier secret; may be nil
}

// OpenSealing reads every sealed record, and fails with a *LockedOutError if no secret opens some of them. If
// the current secret is new, it records in the store that it is the newest.
func OpenSealing(ctx context.Context, c SealingConfig) (*Sealing, error) {
	s := &Sealing{SealingConfig: c}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Counted == nil {
		s.Counted = func(int) {}
	}
	if err := s.checkOpens(ctx); err != nil {
		return nil, err
	}
	order, err := s.promote(ctx)
	if err != nil {
		return nil, fmt.Errorf("note the secret: %w", err)
	}
	if newest := order.newest(); newest != s.Secret.current() {
		s.Logger.Warn("the first secret listed has been replaced by another replica; it does not seal existing records",
			"first", s.Secret.current(), "newest", newest, "do", "list the newest secret first")
	}
	return s, nil
}

// CheckOpens fails with a *LockedOutError if the store has sealed records that the secret does not open. It
// writes nothing. A nil secret opens none.
func CheckOpens(ctx context.Context, store storage.Store, secret *Secret) error {
	if secret == nil {
		secret = &Secret{}
	}
	return (&Sealing{SealingConfig: SealingConfig{Store: store, Secret: secret}}).checkOpens(ctx)
}

// LockedOutError says that no given secret opens some records of the store.
type LockedOutError struct {
	Records []string // their names, such as "signing key RS256/1"
	Secrets []string // ids of the secrets that sealed them
}

func (e *LockedOutError) Error() string {
	return fmt.Sprintf("sealed under another secret (%s): %s", strings.Join(e.Secrets, ", "), strings.Join(e.Records, ", "))
}

func (e *LockedOutError) Unwrap() error { return ErrUnknownSecret }

// Hint says what the operator can do.
func (e *LockedOutError) Hint() string {
	return "list the secret that this store was used with, after the current one, until `authzd secret status` says that it may be removed"
}

func (s *Sealing) checkOpens(ctx context.Context) error {
	e := &LockedOutError{}
	err := s.each(ctx, func(r *sealedRecord) error {
		if id := r.secretID(); !s.Secret.knows(id) {
			e.Records = append(e.Records, r.String())
			if !slices.Contains(e.Secrets, id) {
				e.Secrets = append(e.Secrets, id)
			}
		}
		return nil
	})
	if err == nil && len(e.Records) > 0 {
		err = e
	}
	return err
}

// Run seals records that are under an earlier secret again, until ctx ends. Failures are logged. Every
// replica may run it, because compare-and-set keeps them apart. A lease would be worse: a replica with the
// old order could hold it, and seal nothing.
func (s *Sealing) Run(ctx context.Context) error {
	ticker := time.NewTicker(resealEvery)
	defer ticker.Stop()
	for {
		if err := s.Reseal(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("sealing records again failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Reseal goes through all sealed records once, and again if others changed some meanwhile.
func (s *Sealing) Reseal(ctx context.Context) error {
	var errs []error
	for range resealTries {
		order, err := s.order(ctx)
		if err != nil {
			return err
		}
		p := &pass{Sealing: s, seal: order.newest() == s.Secret.current(), newest: order.newest()}
		if err := s.each(ctx, func(r *sealedRecord) error { return p.visit(ctx, r) }); err != nil {
			return err
		}
		if err := p.flush(ctx); err != nil {
			return err
		}
		outside, err := s.outside(ctx)
		if err != nil {
			return err
		}
		s.report(p, outside)
		if errs = p.failed; !p.raced {
			break
		}
	}
	return errors.Join(errs...)
}

// outside returns the longer of Outside and OutsideMore.
func (s *Sealing) outside(ctx context.Context) (time.Duration, error) {
	if s.OutsideMore == nil {
		return s.Outside, nil
	}
	more, err := s.OutsideMore(ctx)
	return max(s.Outside, more), err
}

// report logs what a pass has done.
func (s *Sealing) report(p *pass, outside time.Duration) {
	s.Counted(p.earlier)
	if p.sealed > 0 {
		s.Logger.Info("records sealed under the newest secret", "secret", p.newest, "records", p.sealed, "left", p.earlier)
	}
	if done := p.earlier == 0 && p.seal; s.done.Swap(done) != done && done && len(s.Secret.roots) > 1 {
		s.Logger.Info("nothing in the store needs an earlier secret", "secret", p.newest,
			"do", "remove the earlier ones from every replica after "+outside.String())
	}
}

// pass is one walk through all sealed records.
type pass struct {
	*Sealing
	seal    bool   // the current secret is the newest
	newest  string // its id
	writes  []storage.Write
	sealed  int
	earlier int
	raced   bool
	failed  []error
}

func (p *pass) visit(ctx context.Context, r *sealedRecord) error {
	if r.secretID() == p.newest {
		return nil
	}
	p.earlier++
	if !p.seal {
		return nil
	}
	w, err := r.reseal(p.Secret)
	if err != nil { // a damaged record must not stop the others
		p.failed = append(p.failed, err)
		return nil
	}
	if p.writes = append(p.writes, w); len(p.writes) == resealPage {
		return p.flush(ctx)
	}
	return nil
}

// flush writes the sealed records. If another replica has changed one meanwhile, that one wins.
func (p *pass) flush(ctx context.Context) error {
	writes := p.writes
	p.writes = nil
	if len(writes) == 0 {
		return nil
	}
	err := p.Store.Apply(ctx, writes...)
	if storage.IsConflict(err) {
		p.raced = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("seal again: %w", err)
	}
	p.sealed += len(writes)
	p.earlier -= len(writes)
	return nil
}
