package outbound

import (
	"context"
	"sync"
)

const (
	maxRunning     = 64  // calls at a time
	maxSiteRunning = 8   // of them to one site
	maxCalls       = 512 // running and waiting
	maxSiteCalls   = 64  // of them to one site
)

// limiter bounds the calls under way, so that neither one slow site nor many can use up everything. Some more
// may wait for a place, as long as their time lasts; further ones are refused.
type limiter struct {
	running chan struct{}
	mu      sync.Mutex
	calls   int              // guarded by mu
	sites   map[string]*site // guarded by mu; those with calls
}

type site struct {
	running chan struct{}
	calls   int // guarded by limiter.mu
}

func newLimiter() *limiter {
	return &limiter{running: make(chan struct{}, maxRunning), sites: map[string]*site{}}
}

// enter waits for a place. The caller must call leave once if err is nil.
func (l *limiter) enter(ctx context.Context, name string) (leave func(), err error) {
	s := l.join(name)
	if s == nil {
		return nil, ErrBusy
	}
	if !occupy(ctx, s.running) {
		l.part(name)
		return nil, ErrBusy
	}
	if !occupy(ctx, l.running) {
		<-s.running
		l.part(name)
		return nil, ErrBusy
	}
	return func() {
		<-l.running
		<-s.running
		l.part(name)
	}, nil
}

func occupy(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *limiter) join(name string) *site {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[name]
	if l.calls >= maxCalls || s != nil && s.calls >= maxSiteCalls {
		return nil
	}
	if s == nil {
		s = &site{running: make(chan struct{}, maxSiteRunning)}
		l.sites[name] = s
	}
	l.calls++
	s.calls++
	return s
}

func (l *limiter) part(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[name]
	l.calls--
	if s.calls--; s.calls == 0 {
		delete(l.sites, name)
	}
}
