package account

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// line is the queue of password checks that wait for a CPU. Networks take turns, so that one with many checks
// does not make others wait for all of them. When the line is full, the last check of the network with the
// most is sent away.
type line struct {
	most int // how many may wait

	mu      sync.Mutex
	free    int // CPUs
	waiting map[netip.Prefix][]chan error
	turns   []netip.Prefix // the networks with waiting checks, next first
	length  int
}

func newLine(workers, most int) *line {
	return &line{most: most, free: workers, waiting: map[netip.Prefix][]chan error{}}
}

// enter waits for a turn to compute a hash. The caller must call leave afterwards. The error is ErrBusy, or
// that of ctx.
func (l *line) enter(ctx context.Context, network netip.Prefix) error {
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return nil
	}
	if l.length >= l.most && !l.shorten(len(l.waiting[network])) {
		l.mu.Unlock()
		return ErrBusy
	}
	turn := make(chan error, 1)
	if len(l.waiting[network]) == 0 {
		l.turns = append(l.turns, network)
	}
	l.waiting[network] = append(l.waiting[network], turn)
	l.length++
	l.mu.Unlock()

	select {
	case err := <-turn:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting[network], turn); i >= 0 {
		l.remove(network, i)
	} else if <-turn == nil { // it came at this moment: pass it on
		l.next()
	}
	return ctx.Err()
}

// leave gives the CPU to the next check.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

func (l *line) next() {
	if len(l.turns) == 0 {
		l.free++
		return
	}
	network := l.turns[0]
	turn := l.waiting[network][0]
	l.turns = append(l.turns[1:], network)
	l.remove(network, 0)
	turn <- nil
}

// remove takes one out of the line.
func (l *line) remove(network netip.Prefix, i int) {
	rest := slices.Delete(l.waiting[network], i, i+1)
	if l.waiting[network] = rest; len(rest) == 0 {
		delete(l.waiting, network)
		l.turns = slices.DeleteFunc(l.turns, func(n netip.Prefix) bool { return n == network })
	}
	l.length--
}

// shorten sends away the last check of the network with the most, and reports whether it has more than own,
// which is about to grow.
func (l *line) shorten(own int) bool {
	var longest netip.Prefix
	for _, network := range l.turns {
		if len(l.waiting[network]) > len(l.waiting[longest]) {
			longest = network
		}
	}
	last := len(l.waiting[longest]) - 1
	if last <= own {
		return false
	}
	l.waiting[longest][last] <- ErrBusy
	l.remove(longest, last)
	return true
}
