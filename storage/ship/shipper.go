package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/bolt"
)

const (
	// idleEvery is how often a store without changes says so.
	idleEvery = 10 * time.Second
	// admitTimeout is how long a start waits for the answer whether it may serve.
	admitTimeout = 5 * time.Second
	// attemptTimeout is how long one request to a Destination may take.
	attemptTimeout = time.Minute
	// firstDelay and lastDelay bound the pause after a failed request.
	firstDelay, lastDelay = 200 * time.Millisecond, 30 * time.Second
	// flushTimeout is how long a stop waits to ship the rest.
	flushTimeout = 5 * time.Second
)

// Config is the configuration of a Shipper. All fields but the last three are needed.
type Config struct {
	Store         *bolt.Store
	To            Destination
	Secret        Secret          // signs the objects
	Folder        string          // for the spool and the node's id; beside the database
	Every         time.Duration   // how old a group gets before it is shipped
	SnapshotEvery time.Duration   // how often a generation begins
	Keep          time.Duration   // how far back a moment can be restored
	SpoolBytes    int64           // how much the spool may hold while To can't be reached
	Recipients    []age.Recipient // of the encryption of objects; none: they are not encrypted
	Logger        *slog.Logger    // nil: nothing is logged

	// AllowEmptyDestination lets shipping start over with a snapshot if To has lost what was shipped there.
	AllowEmptyDestination bool
}

// Shipper ships the commits of a store.
type Shipper struct {
	Config
	node    string
	epoch   *epoch    // nil: To has not been reached yet
	expects bool      // To must have an epoch, because this node has shipped there
	current *shipment // nil: a generation must begin
	pruning sync.Mutex

	// doubtful: another process may ship as this node; see lostObjectError.
	doubtful bool

	mu     sync.Mutex
	status Status
	lagged *spool // the spool whose lag counts; nil: nothing is shipped since status.since
	since  time.Time
}

// Status is how far shipping has come.
type Status struct {
	LagBytes   int64         // committed but not shipped
	Lag        time.Duration // age of the oldest such group
	Generation uint64        // 0: no base is shipped yet
	Segments   uint64        // shipped by this process
	Failures   uint64        // requests to the Destination that failed, of this process
	SpoolFull  uint64        // times that a generation ended because the spool was full
	Failing    error         // why the last request failed; nil: it succeeded
	Fenced     error         // why shipping has ended
}

// New prepares to ship. Call it before anything writes to the store, so that the generation of the last
// process can go on. A *FencedError means that another authzd has taken over from this store, which must not
// be served. It is no error if To can't be reached.
func New(ctx context.Context, c Config) (*Shipper, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Shipper{Config: c, since: time.Now()}
	var err error
	if s.node, err = loadNode(c.Folder); err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	shipped, err := hasShipped(c.Folder, c.To.String())
	if err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	if s.expects = shipped && !c.AllowEmptyDestination; !s.expects {
		if err := Make(c.To); err != nil {
			return nil, fmt.Errorf("ship: %w", err)
		}
	}
	asking, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	err = s.admit(asking)
	if fenced := new(FencedError); errors.As(err, &fenced) {
		return nil, fmt.Errorf("ship: %w", err)
	} else if err != nil {
		s.failed("epoch", err)
	}
	if err := s.resume(); err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	return s, nil
}

// admit finds out whether this node may ship.
func (s *Shipper) admit(ctx context.Context) (err error) {
	if s.epoch, err = admit(ctx, s.To, s.node, hostname(), s.expects); err != nil {
		return err
	}
	return noteShipping(s.Folder, s.To.String())
}

func (s *Shipper) newShipment(folder string) *shipment {
	sh := &shipment{to: s.To, store: s.Store, folder: folder, secret: s.Secret, recipients: s.Recipients}
	sh.recognise = func(ctx context.Context) error { return s.epoch.isAt(ctx, s.To) }
	sh.try = func(ctx context.Context, what string, do func(context.Context) error) error {
		return s.try(ctx, what, do, sh.spool.failed)
	}
	return sh
}

// serveFrom makes a shipment the present one.
func (s *Shipper) serveFrom(sh *shipment) {
	s.current = sh
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagged = sh.spool
	if sh.Manifest == nil {
		s.status.Generation = sh.Generation
	}
}

// Run ships until ctx ends, which should be when nothing writes to the store any more. Then it ships the rest
// within a few seconds; otherwise the next process goes on. If another authzd has taken over, Run ends all
// writing to the store and returns no error.
func (s *Shipper) Run(ctx context.Context) error {
	err := s.run(ctx)
	if ctx.Err() != nil && s.current != nil {
		if err = s.flush(); err != nil && !isFenced(err) {
			s.Logger.Warn("not everything is shipped; the next start goes on with it", "err", err)
		}
	}
	if isFenced(err) {
		s.fence(s.reason(err))
	}
	if s.current != nil {
		return s.current.end(false)
	}
	return nil
}

// isFenced reports whether another node ships in place of this one.
func isFenced(err error) bool {
	fenced, taken := new(FencedError), new(takenError)
	return errors.As(err, &fenced) || errors.As(err, &taken)
}

// reason returns why this node is fenced if another has written here, most often because it was promoted.
func (s *Shipper) reason(fenced error) error {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	if s.epoch != nil && errors.As(fenced, new(*takenError)) {
		if err := s.epoch.superseded(ctx, s.To); errors.As(err, new(*FencedError)) {
			return err
		}
	}
	return fenced
}

func (s *Shipper) run(ctx context.Context) error {
	if err := s.try(ctx, "epoch", func(ctx context.Context) error {
		if s.epoch != nil {
			return nil
		}
		return s.admit(ctx)
	}, nil); err != nil {
		return err
	}
	for {
		if s.current == nil {
			next, m, err := s.prepare(ctx)
			if err == nil {
				err = s.complete(ctx, next, m)
			}
			s.prune(ctx)
			if err := s.setback(ctx, next, err); err != nil {
				return err
			}
			continue
		}
		if s.current.Epoch != s.epoch.Number { // To was out of reach when it was resumed
			if err := s.setback(ctx, s.current, errSpoolStale); err != nil {
				return err
			}
			continue
		}
		err := s.goOn(ctx)
		s.prune(ctx)
		if err := s.setback(ctx, s.current, err); err != nil {
			return err
		}
	}
}

// goOn ships the present generation until it can't go on, or another one replaces it.
func (s *Shipper) goOn(ctx context.Context) error {
	if s.current.Manifest != nil { // the last process was killed when it had only just begun
		if err := s.publish(ctx, s.current); err != nil {
			return err
		}
		s.serveFrom(s.current)
	}
	if err := s.current.try(ctx, manifestName(s.current.Generation), s.current.recogniseBase); err != nil {
		return err
	}
	return s.ship(ctx)
}

// setback ends a shipment that can't go on, so that another begins. It returns errors that end all shipping.
func (s *Shipper) setback(ctx context.Context, sh *shipment, err error) error {
	if err == nil || ctx.Err() != nil || isFenced(err) {
		return errors.Join(err, ctx.Err())
	}
	if errors.As(err, new(*lostObjectError)) {
		s.doubtful = true
	}
	s.Logger.Warn("shipping starts over with a snapshot of the database", "why", err)
	s.mu.Lock()
	if s.lagged != nil {
		s.lagged, s.since = nil, time.Now()
	}
	if errors.Is(err, errSpoolFull) {
		s.status.SpoolFull++
	}
	s.mu.Unlock()
	if sh == s.current {
		s.current = nil
	}
	if sh != nil {
		if err := sh.end(true); err != nil {
			s.Logger.Warn("clearing up the spool", "err", err)
		}
	}
	return wait(ctx, firstDelay)
}

// fence makes sure that nothing is written to a history that has ended.
func (s *Shipper) fence(err error) {
	s.mu.Lock()
	s.status.Fenced = err
	s.mu.Unlock()
	s.Store.Refuse(err, "send requests to the other one, and stop this one; to make this one its standby, "+
		"move the database away and run authzd standby")
}

// try makes a request until it succeeds, ctx ends, or broken (unless nil) reports that trying is useless.
func (s *Shipper) try(ctx context.Context, what string, do func(context.Context) error, broken func() error) error {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := do(attempt)
		cancel()
		switch {
		case err == nil:
			s.reached()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isFenced(err), errors.Is(err, errManifestGone):
			return err
		}
		s.failed(what, err)
		if broken != nil {
			if err := broken(); err != nil {
				return err
			}
		}
		if err := wait(ctx, delay); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed and reached record how a request went, and log when that changes.
func (s *Shipper) failed(what string, err error) {
	s.mu.Lock()
	before := s.status.Failing
	s.status.Failing = err
	s.status.Failures++
	s.mu.Unlock()
	if gone := new(GoneError); errors.As(err, &gone) && !errors.As(before, new(*GoneError)) {
		s.Logger.Error("shipping has lost its destination", "to", s.To.String(), "err", err, "do", gone.Hint())
	} else if before == nil {
		s.Logger.Warn("shipping waits for its destination", "to", s.To.String(), "object", what, "err", err)
	}
}

func (s *Shipper) reached() {
	s.mu.Lock()
	news := s.status.Failing != nil
	s.status.Failing = nil
	s.mu.Unlock()
	if news {
		s.Logger.Info("shipping goes on", "to", s.To.String())
	}
}

// Status returns how far shipping has come.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	if s.lagged == nil {
		status.Lag = time.Since(s.since)
		return status
	}
	status.LagBytes, status.Lag = s.lagged.lag(time.Now())
	return status
}
