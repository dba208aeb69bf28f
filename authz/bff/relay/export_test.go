package relay

import "time"

// SetStall lets a test wait for a client that is stuck.
func (p *Relay) SetStall(d time.Duration) { p.stall = d }
