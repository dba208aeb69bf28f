package ship

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
)

// prepare begins a generation and ships its base, but not the manifest that completes it.
func (s *Shipper) prepare(ctx context.Context) (sh *shipment, m manifest, err error) {
	sh = s.newShipment(filepath.Join(s.Folder, spools+uuid.NewString()))
	if err := s.try(ctx, "generation", func(ctx context.Context) error {
		if err := s.epoch.superseded(ctx, s.To); err != nil {
			return err
		}
		if err := s.renewEpoch(ctx); err != nil {
			return err
		}
		err := sh.begin(ctx, s.epoch, s.SpoolBytes)
		if err != nil {
			return errors.Join(err, sh.end(true))
		}
		return nil
	}, nil); err != nil {
		return sh, m, err
	}
	if m, err = sh.shipBase(ctx); err != nil {
		return sh, m, errors.Join(err, sh.end(true))
	}
	sh.Begun = m.Taken
	return sh, m, nil
}

// renewEpoch takes the next epoch if another process may be shipping as this node. That stops the other.
func (s *Shipper) renewEpoch(ctx context.Context) error {
	if !s.doubtful {
		return nil
	}
	e, err := takeOver(ctx, s.To, s.node, hostname(), s.epoch.Number+1)
	if err == nil {
		s.epoch, s.doubtful = e, false
	}
	return err
}

// complete completes a generation, and ends the one before it.
func (s *Shipper) complete(ctx context.Context, next *shipment, m manifest) error {
	if s.current != nil {
		m.Continues = s.current.Generation
	}
	next.Manifest = s.Secret.signDocument(manifestName(m.Generation), m)
	if err := errors.Join(next.save(next.folder), syncFolder(s.Folder)); err != nil {
		return errors.Join(err, next.end(true))
	}
	if err := s.publish(ctx, next); err != nil { // perhaps only the answer was lost; so the earlier one must not go on
		return errors.Join(err, next.end(ctx.Err() == nil))
	}
	before := s.current
	s.serveFrom(next)
	s.Logger.Info("shipping from a new snapshot", "to", s.To.String(), "generation", m.Generation, "bytes", m.bytes())
	if before != nil {
		if err := before.end(true); err != nil {
			s.Logger.Warn("clearing up the spool", "err", err)
		}
	}
	return nil
}

// publish puts the manifest of a generation, unless the Destination has it. Once that has been tried, a
// killed process leaves it to the next one, because segments of another generation would be ignored.
func (s *Shipper) publish(ctx context.Context, sh *shipment) error {
	if sh.Manifest == nil {
		return nil
	}
	name := manifestName(sh.Generation)
	if err := sh.try(ctx, name, func(ctx context.Context) error {
		if err := s.epoch.superseded(ctx, s.To); err != nil {
			return err
		}
		return sh.putOnce(ctx, name, sh.Manifest)
	}); err != nil {
		return err
	}
	sh.Manifest = nil
	return sh.save(sh.folder)
}

// prepared is the result of prepare.
type prepared struct {
	sh  *shipment
	m   manifest
	err error
}

// ship ships the present generation until it can't go on, and prepares the next one when it is due. It
// returns nil when the next one is the present one.
func (s *Shipper) ship(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var preparing sync.WaitGroup
	ready := make(chan prepared, 1)
	defer func() {
		cancel()
		preparing.Wait()
		select {
		case p := <-ready: // it came too late
			if err := s.abandon(&p, nil); err != nil {
				s.Logger.Warn("clearing up the spool", "err", err)
			}
		default:
		}
	}()
	var next *prepared
	due, sealed := s.current.Begun.Add(s.SnapshotEvery), time.Now()
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		l, err := s.current.spool.next()
		if err == nil && l != nil {
			err = s.shipOne(ctx, l)
			sealed = time.Now()
		}
		if err != nil {
			return s.abandon(next, err)
		}
		if next != nil && s.current.Sealed.After(next.m.Taken) && s.current.Position.Sequence >= next.m.Position.Sequence {
			return s.complete(ctx, next.sh, next.m)
		}
		if l != nil {
			continue
		}
		if !due.IsZero() && time.Now().After(due) {
			due = time.Time{}
			preparing.Go(func() {
				sh, m, err := s.prepare(ctx)
				ready <- prepared{sh, m, err}
			})
		}
		select {
		case <-s.current.spool.work:
		case <-tick.C:
			s.current.spool.want(next != nil || time.Since(sealed) >= idleEvery)
		case p := <-ready:
			if next = &p; p.err == nil {
				break
			}
			if err := s.abandon(next, p.err); isFenced(err) {
				return err
			}
			if ctx.Err() == nil {
				s.Logger.Warn("a new snapshot has failed", "err", p.err)
			}
			next, due = nil, time.Now().Add(time.Minute)
		case <-ctx.Done():
			return s.abandon(next, ctx.Err())
		}
	}
}

// shipOne ships one file of the spool, unless another authzd has taken over.
func (s *Shipper) shipOne(ctx context.Context, l *log) error {
	if err := s.try(ctx, "epoch", func(ctx context.Context) error {
		return s.epoch.superseded(ctx, s.To)
	}, s.current.spool.failed); err != nil {
		return err
	}
	if err := s.current.shipSegment(ctx, l); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Segments++
	return nil
}

// flush ships the rest when nothing writes any more.
func (s *Shipper) flush() error {
	if s.epoch == nil {
		return fmt.Errorf("%s has not been reached since the start", s.To)
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := s.publish(ctx, s.current); err != nil {
		return err
	}
	for {
		s.current.spool.want(false) // does nothing while older files wait
		l, err := s.current.spool.next()
		if err != nil || l == nil {
			return err
		}
		if err := s.shipOne(ctx, l); err != nil {
			return err
		}
	}
}

// abandon ends a new generation because the one before it can't go on.
func (s *Shipper) abandon(next *prepared, err error) error {
	if next != nil && next.sh != nil {
		return errors.Join(err, next.sh.end(true))
	}
	return err
}

func (m manifest) bytes() (n int64) {
	for _, p := range m.Parts {
		n += p.Bytes
	}
	return n
}
