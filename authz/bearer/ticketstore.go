package bearer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrTooManyTickets says that MemoryTickets is full of tickets that may still be used.
var ErrTooManyTickets = errors.New("too many tickets")

// defaultMaxTickets is 3,000 tickets a second, for the half minute that each lives.
const defaultMaxTickets = 100_000

// MemoryTickets is a TicketStore in the memory of this process.
type MemoryTickets struct {
	max int

	mu    sync.Mutex
	kept  map[string]memoryTicket // guarded by mu
	order []string                // keys by their time of Put; guarded by mu
}

type memoryTicket struct {
	value []byte
	until time.Time
}

// NewMemoryTickets keeps at most max tickets at once, about a kilobyte each. Zero means 100,000.
func NewMemoryTickets(max int) *MemoryTickets {
	if max <= 0 {
		max = defaultMaxTickets
	}
	return &MemoryTickets{max: max, kept: make(map[string]memoryTicket)}
}

// Put implements TicketStore. The error is ErrTooManyTickets.
func (m *MemoryTickets) Put(_ context.Context, key string, value []byte, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for len(m.order) > 0 { // all live equally long: the oldest go first
		oldest, ok := m.kept[m.order[0]]
		if ok && now.Before(oldest.until) {
			break
		}
		delete(m.kept, m.order[0])
		m.order = m.order[1:]
	}
	if len(m.order) >= m.max {
		return ErrTooManyTickets
	}
	m.kept[key] = memoryTicket{value, until}
	m.order = append(m.order, key)
	return nil
}

// Take implements TicketStore. There is no error.
func (m *MemoryTickets) Take(_ context.Context, key string) (value []byte, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.kept[key]
	delete(m.kept, key)
	if !ok || !time.Now().Before(t.until) {
		return nil, false, nil
	}
	return t.value, true, nil
}
