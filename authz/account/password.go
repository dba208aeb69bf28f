package account

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/passhash"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

const (
	// queuePerWorker is how many checks may wait for each running one: about two seconds' worth. Even on a
	// small machine, as many may wait as one address may have under way.
	queuePerWorker, queueAtLeast = 32, 128
)

// Passwords hashes and verifies passwords, at most as many at once as there are CPUs. While other work waits for a CPU,
// it takes a tenth of them, so that a flood of sign-ins does not hold up tokens. It is safe for concurrent use. Use one
// for the whole process.
//
// Passwords are compared in the form of users.NormalizePassword.
type Passwords struct {
	line      *line
	crowdedAt atomic.Int64 // when other work last waited for a CPU, in nanoseconds since 1970
	costs     costs

	checked func() // called for every computed hash; tests count them
}

// NewPasswords returns a Passwords for this machine.
func NewPasswords() *Passwords {
	workers := runtime.GOMAXPROCS(0)
	return &Passwords{line: newLine(workers, max(queueAtLeast, workers*queuePerWorker)), checked: func() {}}
}

// Hash returns the PHC string of a new password. It fails for an unusable password, with ErrBusy, or with the
// context's error while it waits.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	normal, err := users.NormalizePassword(password)
	if err != nil {
		return "", err
	}
	if err := p.enter(ctx, netip.Prefix{}); err != nil {
		return "", err
	}
	defer p.leave(time.Now())
	return passhash.New(normal), nil
}

// Verify reports whether a password matches a hash, and whether it should then be hashed again. An empty hash
// matches nothing and costs as much as one of Hash. Errors are ErrBusy, the context's error while it waits,
// or that the hash can't be read.
//
// A bcrypt hash covers the first 72 bytes of a password. The rest is not compared.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (match, outdated bool, err error) {
	return p.verify(ctx, netip.Prefix{}, hash, password)
}

// verify is Verify for a login from a network. Networks take turns.
func (p *Passwords) verify(ctx context.Context, network netip.Prefix, hash, password string) (match, outdated bool, err error) {
	normal, unusable := users.NormalizePassword(password)
	if unusable != nil {
		hash = ""
	}
	h := passhash.Unmatchable
	if hash != "" {
		if h, err = passhash.Parse(hash); err != nil {
			return false, false, err
		}
	}
	if err := p.enter(ctx, network); err != nil {
		return false, false, err
	}
	began := time.Now()
	defer p.leave(began)
	match = h.Verify(normal) && hash != ""
	p.costs.note(cmp.Or(kindOf(hash), passhash.Usual), time.Since(began))
	return match, match && h.Outdated(normal), nil
}

// maxPastHashes bounds how many hashes are kept for a user.
const maxPastHashes = 8

// SetHash gives a user a password by its hash, and remembers the hash: the file that it came from may still
// have it after the hash was renewed or the password changed.
func SetHash(user *storage.User, hash string) {
	remember := user.PastHashes
	if len(remember) == 0 && user.PasswordHash != "" { // from before they were remembered
		remember = []string{digest(user.PasswordHash)}
	}
	if user.PasswordHash = hash; hash != "" {
		user.PasswordEndedAt = time.Time{}
		remember = append(slices.Clone(remember), digest(hash))
	}
	user.PastHashes = remember[max(0, len(remember)-maxPastHashes):]
}

// had reports whether a hash is or was a user's. Hashes that were set before they were remembered are
// unknown.
func had(user *storage.User, hash string) bool {
	if user.PasswordHash == hash || slices.Contains(user.PastHashes, digest(hash)) {
		return true
	}
	return len(user.PastHashes) == 0 && user.PasswordHash != ""
}

func digest(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

const (
	// crowded is how long a goroutine waits for a CPU if others want it too.
	crowded = 100 * time.Microsecond
	// restShare is how long the place of a hash then stays empty, in durations of the hash.
	restShare = 10
	// crowdedFor is how long it counts that others wanted a CPU: they may have waited just then for something else.
	crowdedFor = 500 * time.Millisecond
)

// leave ends the computation of a hash that began at a time. If other work waits for a CPU, the place is free again only
// after a rest.
func (p *Passwords) leave(began time.Time) {
	asked := time.Now()
	for range 4 { // each queue of goroutines has its turn
		runtime.Gosched() // returns at once if nobody waits
	}
	now := time.Now()
	if now.Sub(asked) >= crowded {
		p.crowdedAt.Store(now.UnixNano())
	}
	if now.UnixNano()-p.crowdedAt.Load() > int64(crowdedFor) {
		p.line.leave()
		return
	}
	time.AfterFunc(restShare*asked.Sub(began), p.line.leave)
}

// enter waits for a turn to compute a hash.
func (p *Passwords) enter(ctx context.Context, network netip.Prefix) error {
	if err := p.line.enter(ctx, network); err != nil {
		return err
	}
	p.checked()
	return nil
}
