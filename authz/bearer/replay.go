package bearer

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	defaultMaxProofs = 1 << 20 // 3,000 requests a second for the five minutes that a proof may live
	replayStep       = time.Minute
)

// ErrTooManyProofs says that MemoryReplay is full of proofs that it must still remember.
var ErrTooManyProofs = errors.New("too many DPoP proofs to remember")

// MemoryReplay is a Replay in the memory of this process. When it is full, it refuses new proofs instead of
// forgetting old ones too early: a proof whose second use would not be noticed must not count.
type MemoryReplay struct {
	max int

	mu    sync.Mutex
	count int
	until map[int64]map[[16]byte]struct{} // by the minute after which the keys are forgotten
}

// NewMemoryReplay remembers at most max proofs at once, about 40 bytes each. Zero means 1,048,576: enough for
// 3,000 requests a second.
func NewMemoryReplay(max int) *MemoryReplay {
	if max <= 0 {
		max = defaultMaxProofs
	}
	return &MemoryReplay{max: max, until: make(map[int64]map[[16]byte]struct{})}
}

// Use implements Replay. The error is ErrTooManyProofs.
func (m *MemoryReplay) Use(_ context.Context, key string, until time.Time) (first bool, err error) {
	sum := sha256.Sum256([]byte(key))
	id := [16]byte(sum[:16])
	last := until.UnixNano() / int64(replayStep)
	now := time.Now().UnixNano() / int64(replayStep)

	m.mu.Lock()
	defer m.mu.Unlock()
	for minute, keys := range m.until { // a handful
		if minute < now {
			m.count -= len(keys)
			delete(m.until, minute)
		} else if _, used := keys[id]; used {
			return false, nil
		}
	}
	if m.count >= m.max {
		return false, ErrTooManyProofs
	}
	if m.until[last] == nil {
		m.until[last] = make(map[[16]byte]struct{})
	}
	m.until[last][id] = struct{}{}
	m.count++
	return true, nil
}
