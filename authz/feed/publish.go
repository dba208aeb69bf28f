package feed

import (
	"cmp"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// publication is a signed document.
type publication struct {
	revocation.Cursor
	from  uint64 // of a delta: it has everything that was found later
	delta bool
	body  []byte // compact JWS
	made  time.Time
}

const (
	// gather is how long a change waits for others.
	gather = 250 * time.Millisecond
	// publishEvery is the shortest time between two deltas.
	publishEvery = 334 * time.Millisecond
	// keepFor is how long a document is used for followers who do not wait for a change.
	keepFor = time.Second
	// reach is how old the cursor of a follower may be who gets a delta.
	reach = time.Minute
)

// tooLong reports whether a list of this length has no place in one document.
func (f *Feed) tooLong(length int) bool {
	const rest = 4096 // the other claims, the header and the signature
	return length > (f.config.Most-rest)/4*3
}

// lengthOf returns how many bytes entries have in a document.
func lengthOf(entries []revocation.Entry) (n int) {
	for _, e := range entries {
		n += len(`["1234567890123456789012"],`)
		if e.Before != 0 {
			n += len(`,1800000000`)
		}
	}
	return n
}

// publishFull makes a complete list, unless there is one that is younger than keepFor.
func (f *Feed) publishFull() (*publication, error) {
	f.publishing.Lock()
	defer f.publishing.Unlock()
	f.mu.Lock()
	p := f.full
	f.mu.Unlock()
	if p != nil && time.Since(p.made) < keepFor {
		return p, nil
	}
	p, err := f.publish(nil)
	if err == nil {
		f.mu.Lock()
		f.full = p
		f.mu.Unlock()
	}
	return p, err
}

// publishDelta makes a delta for all cursors from this one on, and wakes those who wait.
func (f *Feed) publishDelta(from uint64) (*publication, error) {
	f.publishing.Lock()
	defer f.publishing.Unlock()
	p, err := f.publish(&from)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = p
	if f.found <= p.Seq {
		f.since = time.Time{}
	} else {
		f.since = p.made
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return p, nil
}

// publish signs a document of what is known now. from is nil for a complete one.
func (f *Feed) publish(from *uint64) (*publication, error) {
	f.mu.Lock()
	f.issuedAt = max(f.issuedAt, now())
	d := &revocation.Document{
		Issuer: f.config.Issuer, IssuedAt: f.issuedAt, Expires: f.issuedAt + int64(revocation.Lifetime/time.Second),
		Epoch: f.epoch, Seq: f.scanned, Window: time.Duration(f.window.Load()) * time.Second, AllBefore: f.allBefore,
	}
	if from == nil {
		d.Entries = f.live(0)
	} else {
		d.Delta, d.From = true, min(*from, d.Seq)
		d.Entries = f.live(d.From)
	}
	f.mu.Unlock()
	if f.tooLong(lengthOf(d.Entries)) { // within one second: even endAll left too much
		d.Entries, d.AllBefore = nil, now()
	}
	slices.SortFunc(d.Entries, func(a, b revocation.Entry) int { // by their hash: their order tells nobody who ended together
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), slices.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Before, b.Before))
	})
	d.Entries = slices.Compact(d.Entries)
	body, err := f.config.Sign(d.Claims())
	if err != nil {
		return nil, err
	}
	f.counts.signatures.Add(1)
	f.mu.Lock()
	f.own[d.Seq] = true
	f.mu.Unlock()
	return &publication{Cursor: d.Cursor(), from: d.From, delta: d.Delta, body: []byte(body), made: time.Now()}, nil
}
