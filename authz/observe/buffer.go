package observe

import (
	"io"
	"sync"
	"time"
)

const (
	bufferDelay = 10 * time.Millisecond // how long a line may wait for others
	bufferSize  = 64 << 10              // bytes that are passed on without delay
)

// Buffer passes written lines on a little later and with fewer writes: the system call that logs a request is
// a twentieth of the cost of the request on a busy server. The last moment before a crash is lost, so call
// Flush before the process ends. It is safe for concurrent use.
type Buffer struct {
	out io.Writer

	mu      sync.Mutex
	pending []byte
	due     bool // a flush is on its way
}

// NewBuffer returns a Buffer that writes to out.
func NewBuffer(out io.Writer) *Buffer { return &Buffer{out: out} }

// Write fails only when it has to pass lines on.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, p...)
	if len(b.pending) >= bufferSize {
		return len(p), b.flushLocked()
	}
	if !b.due {
		b.due = true
		time.AfterFunc(bufferDelay, func() { _ = b.Flush() })
	}
	return len(p), nil
}

// Flush passes on everything that was written.
func (b *Buffer) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = false
	return b.flushLocked()
}

func (b *Buffer) flushLocked() error {
	if len(b.pending) == 0 {
		return nil
	}
	_, err := b.out.Write(b.pending)
	b.pending = b.pending[:0]
	return err
}
