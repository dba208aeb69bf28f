package gate

import (
	"slices"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
)

const (
	memoAge  = 15 * time.Second // leaves a site 45 s of an assertion's life
	memoSize = 4096             // of each generation
)

// memo remembers the assertions that were signed lately: a page with a hundred files needs one. It returns one only for the
// same user with the same roles.
//
// The zero memo is empty and ready. It is safe for concurrent use.
type memo struct {
	mu         sync.Mutex
	young, old map[memoKey]*memoEntry // what is not used again while young fills is forgotten
}

type memoKey struct{ session, host string }

type memoEntry struct {
	token        string
	signed       time.Time
	subject, sid string
	roles        []string
}

// get returns the assertion for a session at a host, "" if there is none.
func (m *memo) get(session *websession.Session, host string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := memoKey{session.ID, host}
	e := m.young[key]
	if e == nil {
		if e = m.old[key]; e != nil {
			m.put(key, e)
		}
	}
	if e == nil || time.Since(e.signed) >= memoAge || e.subject != session.Subject || e.sid != session.SID || !slices.Equal(e.roles, session.Roles) {
		return ""
	}
	return e.token
}

// add remembers an assertion.
func (m *memo) add(session *websession.Session, host, token string, signed time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(memoKey{session.ID, host}, &memoEntry{token, signed, session.Subject, session.SID, slices.Clone(session.Roles)})
}

func (m *memo) put(key memoKey, e *memoEntry) {
	if m.young == nil || len(m.young) >= memoSize {
		m.old, m.young = m.young, make(map[memoKey]*memoEntry)
	}
	m.young[key] = e
}
