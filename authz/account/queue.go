package account

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// line is where password checks wait for a CPU. Networks take turns, so that one that sends many does not
// make others wait for all of them; when the line is full, the longest of their parts gets shorter.
type line struct {
	most int // how many may wait

	mu      sync.Mutex
	free    int // CPUs
	waiting map[netip.Prefix][]chan error
	turns   []netip.Prefix // that have somebody waiting, next first
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
	} else if <-turn == nil { // just now: pass it on
		l.next()
	}
	return ctx.Err()
}

// leave gives the CPU to the next.
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

// shorten sends the last of the longest part away, and reports whether that part is longer than own, which is
// about to grow.
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
