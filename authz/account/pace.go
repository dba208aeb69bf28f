package account

import (
	"sync"
	"time"
)

const (
	// failurePace is the unit to which the duration of a failed login is rounded up, as long as it is not known which
	// hashes the store has. Every failure costs one hash. But an imported hash has the cost that its former system
	// chose, so without the rounding the duration would reveal that the account exists. The unit is several times the
	// cost of the most expensive hash that may be imported. See kinds.go for the unit from then on.
	failurePace = time.Second
	// slowFor is how long the slowest failure sets the duration of all others. slowest bounds that duration.
	slowFor, slowest = 10 * time.Minute, 10 * failurePace
)

// pace is the duration of failed logins: a multiple of a unit. On a machine that is too busy for the unit, it
// is as long as the slowest recent failure.
type pace struct {
	mu    sync.Mutex
	floor time.Duration
	until time.Time // the floor applies until then
}

// after returns when a failure that has taken some time may be answered, measured from its beginning.
func (p *pace) after(took, unit time.Duration) time.Duration {
	end := took.Truncate(unit) + unit
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.After(p.until) {
		p.floor = 0
	}
	if end > unit && end >= p.floor {
		p.floor, p.until = min(end, slowest), now.Add(slowFor)
	}
	return max(end, p.floor)
}
