package account

import (
	"sync"
	"time"
)

const (
	// failurePace is what the duration of a failed login is rounded up to. Every failure costs one hash,
	// but an imported hash costs as much as the system that it comes from wanted: without the rounding
	// that would tell that the account exists. It is several times what the dearest hash costs that may be
	// imported.
	failurePace = time.Second
	// slowFor is how long the slowest failure sets the duration of all others, and slowest how much it may be.
	slowFor, slowest = 10 * time.Minute, 10 * failurePace
)

// pace is how long failed logins take: a multiple of a unit, and on a machine that is so busy that the unit is
// too short for some, as long as the slowest of late.
type pace struct {
	unit time.Duration

	mu    sync.Mutex
	floor time.Duration
	until time.Time // the floor counts
}

// after returns when a failure may be told, measured from its beginning, after it has taken some time.
func (p *pace) after(took time.Duration) time.Duration {
	end := took.Truncate(p.unit) + p.unit
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.After(p.until) {
		p.floor = 0
	}
	if end > p.unit && end >= p.floor {
		p.floor, p.until = min(end, slowest), now.Add(slowFor)
	}
	return max(end, p.floor)
}
