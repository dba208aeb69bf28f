package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/authzd/authzd/storage"
)

// progress is one line on a terminal that shows how far long work has come. Elsewhere it does nothing.
type progress struct {
	w io.Writer // nil: no terminal

	mu    sync.Mutex
	shown time.Time
}

const progressEvery = 200 * time.Millisecond

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !onTerminal(f) {
		return &progress{}
	}
	return &progress{w: w}
}

func onTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// show is a transfer.Progress.
func (p *progress) show(step string, done, total int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	text := fmt.Sprintf("%s: %d records", step, done)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d records", step, done, total)
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// end makes room for the next output.
func (p *progress) end() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.shown.IsZero() {
		p.shown = time.Time{}
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// counting returns a function that counts the records that it gets.
func (p *progress) counting(step string, total int64) func(storage.Table, storage.Record) error {
	done := int64(0)
	return func(storage.Table, storage.Record) error {
		done++
		p.show(step, done, total)
		return nil
	}
}
