package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/throttle"
	"github.com/authzd/authzd/storage"
)

const (
	// trustFor is how long a network is trusted after a sign-in.
	trustFor = 30 * 24 * time.Hour
	// trustKnown is how long memory is used instead of the store: the operator may make another replica
	// forget.
	trustKnown = 10 * time.Minute
	// trustAgain is how old a record becomes before another sign-in renews it.
	trustAgain = 24 * time.Hour
)

// trust knows the networks from which users have signed in by password lately. Wrong guesses of others do not
// keep them out there. The store has them, for all replicas and after a restart; memory has some of them, to
// save reads.
type trust struct {
	store storage.Store
	keys  *throttle.Buckets // only for its keys

	mu   sync.Mutex
	seen throttle.Times // SeenAt of the records that were read or written
}

func newTrust(store storage.Store) *trust {
	return &trust{store: store, keys: throttle.New(), seen: throttle.Times{}}
}

// remembers reports whether memory has the network of an address with less than an age.
func (t *trust) remembers(userID string, from netip.Addr, age time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.seen[t.keys.Key("trust", userID, throttle.NetworkOf(from))]
	return ok && time.Since(at) < age
}

func (t *trust) remember(userID string, from netip.Addr, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Set(t.keys.Key("trust", userID, throttle.NetworkOf(from)), at)
}

// knows reports whether a user has signed in from the network of an address lately.
func (t *trust) knows(ctx context.Context, userID string, from netip.Addr) (bool, error) {
	if t.remembers(userID, from, trustKnown) {
		return true, nil
	}
	record, _, err := storage.TrustedNetworks.Get(ctx, t.store, trustKey(userID, from))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	t.remember(userID, from, record.SeenAt)
	return true, nil
}

// writes record that the network of an address is trusted; none if that was written lately.
func (t *trust) writes(userID string, from netip.Addr) []storage.Write {
	if t.remembers(userID, from, trustAgain) {
		return nil
	}
	now := time.Now().UTC()
	t.remember(userID, from, now)
	return []storage.Write{storage.TrustedNetworks.Put(trustKey(userID, from), &storage.TrustedNetwork{SeenAt: now}, storage.Any, now.Add(trustFor))}
}

// trustKey hashes the network, so that the store has no list of addresses.
func trustKey(userID string, from netip.Addr) string {
	sum := sha256.Sum256([]byte(userID + " " + throttle.NetworkOf(from).String()))
	return userID + "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// TrustedNetworks returns networks from which a user has signed in lately, in the order of their ids. last is
// the id to go on after, or "" at the end.
func (d *Directory) TrustedNetworks(ctx context.Context, userID, after string, limit int) (found []TrustedNetwork, last string, err error) {
	if after != "" {
		after = userID + "/" + after
	}
	page, err := storage.TrustedNetworks.Scan(ctx, d.store, userID+"/", after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range page {
		last = entry.Key[len(userID)+1:]
		found = append(found, TrustedNetwork{ID: last, SeenAt: entry.Value.SeenAt, Until: entry.Value.SeenAt.Add(trustFor)})
	}
	if len(page) < limit {
		last = ""
	}
	return found, last, nil
}

// TrustedNetwork is a network that a user has signed in from by password. The ID is a hash of it.
type TrustedNetwork struct {
	ID     string
	SeenAt time.Time // about when the last sign-in was
	Until  time.Time // when the trust ends
}

// DistrustWrites end the trust in all networks and devices of a user. After they are made, call Distrusted; other
// replicas notice within ten minutes.
func (d *Directory) DistrustWrites(ctx context.Context, userID string) ([]storage.Write, error) {
	networks, err := deleteAll(ctx, d.store, storage.TrustedNetworks, userID)
	if err != nil {
		return nil, err
	}
	devices, err := deleteAll(ctx, d.store, storage.KnownDevices, userID)
	return append(networks, devices...), err
}

// Distrusted forgets the trusted networks in memory.
func (d *Directory) Distrusted() {
	d.trust.mu.Lock()
	defer d.trust.mu.Unlock()
	clear(d.trust.seen)
}
