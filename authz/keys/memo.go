package keys

import (
	"crypto/sha256"
	"sync"
)

// memoSize bounds each generation of a memo. A full memo takes less than a megabyte.
const memoSize = 4096

// memo remembers the tokens that a form has verified. The same access token comes again and again until it
// expires, and an ECDSA verification costs more than everything else that is done with it. The key is the
// SHA-256 of the whole token, so memo remembers only that this text has a valid signature. It remembers only
// valid tokens, so nobody can push them out with invalid ones.
//
// The zero memo is empty and ready. It is safe for concurrent use.
type memo struct {
	mu         sync.Mutex
	young, old map[digest]struct{} // what is not used again while young fills is forgotten
}

type digest [sha256.Size]byte

func (m *memo) has(d digest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.young[d]; ok {
		return true
	}
	_, ok := m.old[d]
	if ok {
		m.addLocked(d)
	}
	return ok
}

func (m *memo) add(d digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addLocked(d)
}

func (m *memo) addLocked(d digest) {
	if m.young == nil || len(m.young) >= memoSize {
		m.old, m.young = m.young, make(map[digest]struct{})
	}
	m.young[d] = struct{}{}
}
