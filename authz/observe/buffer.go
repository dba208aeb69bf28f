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

// Buffer passes on what is written to it a little later and with fewer writes: of a busy server's
// request, the system call that logs it is a twentieth. What was written in the last moment before a
// crash is lost, so whoever ends a process calls Flush. It is safe for concurrent use.
type Buffer struct {
	out io.Writer

	mu      sync.Mutex
	pending []byte
	due     bool // a flush is on its way
}

// NewBuffer returns a Buffer that writes to out.
func NewBuffer(out io.Writer) *Buffer { return &Buffer{out: out} }

// Write never fails unless it has to pass on what is there: nobody could do anything about it.
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

// Flush passes on all that was written.
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
