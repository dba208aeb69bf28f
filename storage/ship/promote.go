package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Promotion is the result of a take-over.
type Promotion struct {
	Epoch    uint64    `json:"epoch"`
	Before   string    `json:"before,omitempty"` // host of the earlier primary; empty: there was none
	Until    time.Time `json:"until,omitzero"`   // everything committed by then is there, and what was shipped after it
	Sequence uint64    `json:"sequence"`         // of the newest group
}

// Promote makes the standby's database the primary's, in an order that leaves no gap:
//
//  1. take in all that is there
//  2. take the epoch after that of the primary: of two standbys, one gets it, and the old primary will see it
//  3. take in what came meanwhile, and put a segment as the next one of the generation: from then on the
//     old primary can ship nothing, because the next number is taken
//
// Commits of the old primary that it did not ship are lost. After a success, Promote has closed the database and Run
// ends. After an error the standby goes on as before.
func (f *Follower) Promote(ctx context.Context) (p Promotion, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.promoted {
		return p, ErrPromoted
	}
	if err := f.catchUp(ctx); err != nil {
		return p, err
	}
	last, err := f.lastEpoch(ctx)
	if err != nil {
		return p, err
	}
	e, before, err := claimEpoch(ctx, f.From, f.Folder, last)
	if err != nil {
		return p, err
	}
	if err := f.endGeneration(ctx, e); err != nil {
		return p, err
	}
	if err := e.superseded(ctx, f.From); err != nil { // a later promotion has begun
		return p, err
	}
	position, err := f.store.Position()
	if err != nil {
		return p, err
	}
	p = Promotion{Epoch: e.Number, Before: before, Until: f.Status().Until, Sequence: position.Sequence}
	err, f.store = f.store.Close(), nil
	if err != nil {
		return p, err
	}
	if err := os.Remove(filepath.Join(f.Folder, followFile)); err != nil {
		return p, err
	}
	f.promoted = true
	return p, syncFolder(f.Folder)
}

// rivalTime is how long a take-over counts as under way: another standby that is promoted meanwhile has lost.
const rivalTime = time.Minute

// settleTime is how long no other standby is promoted after a take-over has ended. Two promotions that were
// requested at once may run one after the other, and one of them must lose.
const settleTime = 10 * time.Second

// lastEpoch returns the newest epoch, or nil if there is none. The error is a *FencedError if another standby
// has just taken over, within settleTime or without having shipped yet. If that one died on the way, another
// may follow after rivalTime.
func (f *Follower) lastEpoch(ctx context.Context) (*epoch, error) {
	e, err := newestEpoch(ctx, f.From)
	if err != nil || e == nil {
		return e, err
	}
	id, err := loadNode(f.Folder)
	if err != nil || e.Node == id || time.Since(e.Since) > rivalTime {
		return e, err
	}
	if e.Number > 1 && time.Since(e.Since) < settleTime { // the first epoch is no take-over
		return nil, &FencedError{f.From.String(), e.Host, e.Since}
	}
	var c claim
	_, err = f.getSigned(ctx, claimName(f.at.Generation), &c)
	switch {
	case err == nil && c.Epoch < e.Number:
		return nil, &FencedError{f.From.String(), e.Host, e.Since}
	case err != nil && !isBroken(err) && !errors.Is(err, ErrMissing):
		return nil, err
	}
	return e, nil
}

// CheckPromoted returns a *FencedError if another authzd has taken over after a promotion.
func CheckPromoted(ctx context.Context, d Destination, p Promotion) error {
	e, err := newestEpoch(ctx, d)
	if err == nil && e != nil && e.Number > p.Epoch {
		err = &FencedError{d.String(), e.Host, e.Since}
	}
	return err
}

// ErrPromoted says that the standby was promoted before.
var ErrPromoted = errors.New("this standby has been promoted")

// catchUp takes in everything that is there.
func (f *Follower) catchUp(ctx context.Context) error {
	for {
		f.looked = time.Time{} // a missing segment is not the end
		again, err := f.step(ctx, true)
		if err != nil || !again {
			return err
		}
	}
}

// endGeneration puts the last segment of the present generation.
func (f *Follower) endGeneration(ctx context.Context, e *epoch) error {
	for {
		now := time.Now().UTC()
		object := f.secret.encodeSegment(segmentHeader{
			Generation: f.at.Generation, Number: f.at.Next, Previous: f.at.Previous,
			After: f.at.Position, Last: f.at.Position, From: f.at.Sealed, Sealed: now, EndedBy: e.Number,
		}, nil)
		err := f.From.Put(ctx, segmentName(f.at.Generation, f.at.Next), object)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrExists) {
			return err
		}
		if err := f.catchUp(ctx); err != nil { // take in what the old primary has just shipped
			return err
		}
	}
}

// TakeOver gives this node the right to ship, for a database that was restored. The earlier primary stops
// serving as soon as it notices.
func TakeOver(ctx context.Context, d Destination, folder string) (p Promotion, err error) {
	if err := CheckNoStandby(folder); err != nil {
		return p, err
	}
	last, err := newestEpoch(ctx, d)
	if err != nil {
		return p, err
	}
	e, before, err := claimEpoch(ctx, d, folder, last)
	if err != nil {
		return p, err
	}
	return Promotion{Epoch: e.Number, Before: before}, nil
}

// claimEpoch takes the epoch after the last (nil: there was none) for the node of a folder, unless the last
// one is its own. It returns the epoch and the host of the one before.
func claimEpoch(ctx context.Context, d Destination, folder string, last *epoch) (e *epoch, before string, err error) {
	id, err := loadNode(folder)
	if err != nil {
		return nil, "", err
	}
	next := uint64(1)
	if last != nil {
		if last.Node == id {
			return last, "", nil
		}
		next, before = last.Number+1, last.Host
	}
	e, err = takeOver(ctx, d, id, hostname(), next)
	return e, before, err
}

// ErrStandby says that a database follows another.
var ErrStandby = errors.New("the database is a standby's")

// CheckNoStandby returns ErrStandby if the database of a folder follows another.
func CheckNoStandby(folder string) error {
	marker := filepath.Join(folder, followFile)
	_, err := os.Stat(marker)
	if err == nil {
		return fmt.Errorf("%w (%s)", ErrStandby, marker)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
