package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/authzd/authzd/storage/bolt"
)

// FollowConfig is the configuration of a standby.
type FollowConfig struct {
	From       Destination
	Secret     Secret
	Identities []age.Identity
	Path       string // of the standby's own database
	KeepSize   bool   // never compact it
	Folder     string // becomes Config.Folder when it is the primary
	Every      time.Duration
	Logger     *slog.Logger // nil: nothing is logged
}

// Follower copies what a primary ships into a database.
type Follower struct {
	FollowConfig
	source

	mu          sync.Mutex // held by a step
	store       *bolt.Store
	at          cursor
	looked      time.Time // for a newer generation
	promoted    bool
	compactFrom int64 // bytes of the smallest database that is compacted

	statusMu sync.Mutex
	status   FollowStatus
}

// FollowStatus is how far a standby has come.
type FollowStatus struct {
	Generation uint64    // 0: none yet
	Sequence   uint64    // of the newest group in the database
	Until      time.Time // everything committed by then is in the database; zero: nothing
	Snapshots  uint64    // times that it started over from a base
	Failing    error     // why it makes no progress; nil: it does
}

// Lag returns how far the standby is behind the primary. It is right only if their clocks agree. A primary
// without changes says so every ten seconds.
func (s FollowStatus) Lag(now time.Time) time.Duration { return max(now.Sub(s.Until), 0) }

const (
	// followFile marks a database as a standby's, and records its progress.
	followFile = "follow.json"
	// lookEvery is how often a standby that has all segments looks for a newer generation.
	lookEvery = 5 * time.Second
	// compactFrom is that of bolt: see bolt.Options.KeepSize.
	compactFrom = 64 << 20
)

// ErrOwnDatabase says that the database is not a standby's, and would have to be overwritten.
var ErrOwnDatabase = errors.New("is another database, not a standby's")

// Follow opens a standby's database, or prepares to make one.
func Follow(c FollowConfig) (*Follower, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Path = bolt.Resolve(c.Path)
	f := &Follower{FollowConfig: c, compactFrom: compactFrom, source: source{c.From, c.Secret, c.Identities}}
	marker := filepath.Join(c.Folder, followFile)
	b, err := os.ReadFile(marker)
	marked := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, err = os.Lstat(c.Path)
	switch {
	case err == nil && !marked:
		return nil, fmt.Errorf("%s %w", c.Path, ErrOwnDatabase)
	case err == nil:
		if decodeDocument(b, &f.at) != nil { // after a power cut: the file is not synced
			f.at = cursor{}
		}
		f.store, err = bolt.Open(c.Path, bolt.Options{Logger: c.Logger, Follow: true})
		return f, err
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return nil, err
	}
	return f, writeFile(marker, encodeDocument(f.at), true)
}

// Run follows until ctx ends or Promote has succeeded.
func (f *Follower) Run(ctx context.Context) error {
	f.mu.Lock()
	f.compactIfDue(ctx)
	f.mu.Unlock()
	for delay := f.Every; ; {
		again, err := f.locked(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrPromoted):
			return nil
		case err != nil:
			f.failed(err)
			delay = min(max(2*delay, firstDelay), lastDelay)
		default:
			f.failed(nil)
			delay = f.Every
		}
		if again {
			continue
		}
		if wait(ctx, delay) != nil {
			return nil
		}
	}
}

// locked runs one step, unless a promotion is under way.
func (f *Follower) locked(ctx context.Context) (again bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.promoted {
		return false, ErrPromoted
	}
	ctx, cancel := context.WithTimeout(ctx, 10*attemptTimeout) // a base is many objects
	defer cancel()
	return f.step(ctx, false)
}

// step takes in one segment or one base. again is true if it did, so there may be more. look is true if it
// should look for a newer generation at once.
func (f *Follower) step(ctx context.Context, look bool) (again bool, err error) {
	if f.store == nil || f.at.Generation == 0 {
		return f.change(ctx)
	}
	seg, err := f.next(ctx, &f.at)
	if err == nil {
		if err = replay(f.store, seg, len(seg.groups)); err == nil {
			return true, f.advanced()
		}
		if !errors.Is(err, bolt.ErrBroken) {
			return false, err
		}
		f.Logger.Warn("the standby starts over from a snapshot", "why", err)
		f.at = cursor{}
		return true, f.snapshot(ctx)
	}
	if !errors.Is(err, ErrMissing) && !isBroken(err) {
		return false, err
	}
	if look || isBroken(err) || time.Since(f.looked) >= lookEvery {
		if again, changeErr := f.change(ctx); again || changeErr != nil {
			return again, changeErr
		}
	}
	if errors.Is(err, ErrMissing) {
		return false, f.missing(ctx)
	}
	return false, err
}

// missing distinguishes the end of what was shipped from a segment that was removed.
func (f *Follower) missing(ctx context.Context) error {
	if time.Since(f.looked) < lookEvery {
		return nil
	}
	f.looked = time.Now()
	numbers, err := listNumbers(ctx, f.From, segmentsFolder(f.at.Generation))
	if n := len(numbers); err == nil && n > 0 && numbers[n-1] > f.at.Next {
		return fmt.Errorf("%s: %s %w", f.From, segmentName(f.at.Generation, f.at.Next), ErrLost)
	}
	return err
}

// change moves to a newer generation if there is one. If that one continues the present one and the store has
// reached its base, the standby goes on with its segments. Otherwise the store starts over: a primary that
// was restored to the past has dropped groups that the store may have, and a number of groups does not say
// whose they are. While the newest generation can't be read, the standby waits for the next one, because an
// older one is not what the primary has.
func (f *Follower) change(ctx context.Context) (changed bool, err error) {
	found, err := f.generations(ctx)
	if err != nil {
		return false, err
	}
	if len(found) == 0 {
		return false, fmt.Errorf("%s %w", f.From, errNoSnapshot)
	}
	newest := found[len(found)-1]
	if newest.Generation == f.at.Generation {
		return false, nil
	}
	if f.store != nil && f.at.Generation > 0 {
		p, err := f.store.Position()
		if err != nil {
			return false, err
		}
		for _, g := range slices.Backward(found) {
			if g.broken == nil && g.manifest.Continues == f.at.Generation && p.Sequence >= g.manifest.Position.Sequence {
				f.at = g.start()
				f.compactIfDue(ctx)
				return true, f.advanced()
			}
		}
	}
	if newest.broken != nil {
		return false, newest.broken
	}
	return true, f.snapshotOf(ctx, newest)
}

// advanced records the progress of the standby.
func (f *Follower) advanced() error {
	p, err := f.store.Position()
	if err != nil {
		return err
	}
	f.statusMu.Lock()
	f.status.Generation, f.status.Sequence = f.at.Generation, p.Sequence
	if f.at.Sealed.After(f.status.Until) {
		f.status.Until = f.at.Sealed
	}
	f.statusMu.Unlock()
	return writeFile(filepath.Join(f.Folder, followFile), encodeDocument(f.at), false)
}

// failed records why the standby makes no progress, and logs it when that changes.
func (f *Follower) failed(err error) {
	f.statusMu.Lock()
	before := f.status.Failing
	f.status.Failing = err
	f.statusMu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.Logger.Warn("the standby does not follow", "from", f.From.String(), "err", err)
	case err == nil && before != nil:
		f.Logger.Info("the standby follows", "from", f.From.String())
	}
}

// Status returns how far the standby has come.
func (f *Follower) Status() FollowStatus {
	f.statusMu.Lock()
	defer f.statusMu.Unlock()
	return f.status
}

// Close releases the database. Call it after Run has returned.
func (f *Follower) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return nil
	}
	err := f.store.Close()
	f.store = nil
	return err
}
