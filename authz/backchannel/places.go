package backchannel

import (
	"maps"
	"sync"
	"time"
)

const (
	maxCalls     = 32 // at a time
	maxHostCalls = 4  // of these to one host

	forgetAfter = 24 * time.Hour // a host that failed and was not called again
)

// Why nothing was begun.
const (
	forAnyPlace time.Duration = 1<<63 - 1 // there is none left
	underWay    time.Duration = -1
)

// answer is what a call says about its host.
type answer int

const (
	nothing answer = iota // it was not called
	answered
	failed
)

// places bounds the calls under way, so that neither one slow host nor many can take all there is,
// and a host that is down costs little, however much waits for it: when it fails it is called once at
// a time, after a pause that doubles with every failure.
type places struct {
	firstPause, maxPause time.Duration

	mu    sync.Mutex
	calls map[string]bool  // guarded by mu; jtis of the tokens under way
	hosts map[string]*host // guarded by mu; those that are called, or have failed
}

type host struct {
	running  int
	failures int       // since it last answered
	until    time.Time // of the pause
}

// newPlaces has pauses that are short beside the time after which the first token is tried again, and
// long beside the time after which many are.
func newPlaces(firstRetry time.Duration) places {
	return places{firstPause: firstRetry / 16, maxPause: 4 * firstRetry, calls: map[string]bool{}, hosts: map[string]*host{}}
}

// enter takes a place for a token and returns 0, or says how long to wait for the host, or
// forAnyPlace or underWay.
func (p *places) enter(name, jti string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[jti] {
		return underWay
	}
	if len(p.calls) >= maxCalls {
		return forAnyPlace
	}
	h := p.hosts[name]
	if h == nil {
		h = &host{}
		p.hosts[name] = h
	}
	switch {
	case h.failures > 0 && now.Before(h.until):
		return h.until.Sub(now)
	case h.failures > 0 && h.running > 0, h.running >= maxHostCalls:
		return p.maxPause // or until one of its calls ends
	}
	h.running++
	p.calls[jti] = true
	return 0
}

func (p *places) leave(name, jti string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, jti)
	h := p.hosts[name]
	h.running--
	switch a {
	case answered:
		h.failures = 0
	case failed:
		h.failures++
		h.until = time.Now().Add(min(p.firstPause<<min(h.failures-1, 10), p.maxPause))
	}
	maps.DeleteFunc(p.hosts, func(_ string, h *host) bool {
		return h.running == 0 && (h.failures == 0 || time.Since(h.until) > forgetAfter)
	})
}
