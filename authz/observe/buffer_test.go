package observe

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// countingWriter is what a Buffer writes to.
type countingWriter struct {
	mu     sync.Mutex
	text   []byte
	writes int
	err    error
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	if w.err != nil {
		return 0, w.err
	}
	w.text = append(w.text, p...)
	return len(p), nil
}

func (w *countingWriter) seen() (text string, writes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text), w.writes
}

func TestBufferGathersLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out countingWriter
		b := NewBuffer(&out)
		for round := 1; round <= 2; round++ {
			for range 3 {
				if _, err := b.Write([]byte("line\n")); err != nil {
					t.Fatal(err)
				}
			}
			if _, writes := out.seen(); writes != round-1 {
				t.Errorf("round %d: written before it had to be", round)
			}
			time.Sleep(bufferDelay)
			synctest.Wait()
			if text, writes := out.seen(); text != strings.Repeat("line\n", 3*round) || writes != round {
				t.Errorf("round %d: %q in %d writes", round, text, writes)
			}
		}
	})
}

func TestBufferIsBounded(t *testing.T) {
	var out countingWriter
	b := NewBuffer(&out)
	line := bytes.Repeat([]byte("x"), 1000)
	for range 10 * bufferSize / len(line) {
		if _, err := b.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := out.seen(); len(text) < 9*bufferSize {
		t.Errorf("%d bytes of ten buffers full were passed on", len(text))
	}
	failed := errors.New("disk full")
	b = NewBuffer(&countingWriter{err: failed})
	if _, err := b.Write(make([]byte, bufferSize)); !errors.Is(err, failed) {
		t.Errorf("error %v, want that of the writer", err)
	}
	if err := b.Flush(); err != nil {
		t.Errorf("what could not be written is kept: %v", err)
	}
}

func TestBufferFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out countingWriter
		b := NewBuffer(&out)
		if err := b.Flush(); err != nil {
			t.Error(err)
		}
		if _, writes := out.seen(); writes > 0 {
			t.Error("an empty buffer wrote")
		}
		if _, err := b.Write([]byte("last words")); err != nil {
			t.Error(err)
		}
		if err := b.Flush(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * bufferDelay)
		synctest.Wait()
		if text, writes := out.seen(); text != "last words" || writes != 1 {
			t.Errorf("%q in %d writes, want one", text, writes)
		}
	})
}

// An alarm is in the log before its request is answered; other lines may wait.
func TestWarningsPassTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out countingWriter
		logger, err := NewLogger(NewBuffer(&out), "info", "json")
		if err != nil {
			t.Fatal(err)
		}
		logger = logger.With("a", "b").WithGroup("g")
		logger.Info("first")
		if text, _ := out.seen(); text != "" {
			t.Errorf("written before it had to be: %s", text)
		}
		logger.Warn("second")
		if text, writes := out.seen(); writes != 1 || strings.Index(text, "first") > strings.Index(text, "second") {
			t.Errorf("%d writes: %s", writes, text)
		}
	})
}
