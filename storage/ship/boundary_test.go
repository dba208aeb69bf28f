package ship

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// history is what was written to a store while segments and generations ended many times within each
// millisecond, by a clock that stands still while anything runs.
type history struct {
	to   directory
	path string
	last map[time.Time]string // by millisecond: the key a at its end
}

// crowdedHistory writes for so many milliseconds, and begins a generation every so often.
func crowdedHistory(t *testing.T, milliseconds int, generation time.Duration) *history {
	t.Helper()
	h := &history{directory(t.TempDir()), filepath.Join(t.TempDir(), "store.db"), map[time.Time]string{}}
	synctest.Test(t, func(t *testing.T) {
		c := config(h.to, h.path)
		c.Every, c.SnapshotEvery = 70*time.Microsecond, generation
		p := startPrimary(t, h.path, c)
		p.put("a", "before")
		waitFor(t, "the first generation", func() bool { return p.shipper.Status().Generation > 0 })
		for i, began := 0, time.Now(); time.Since(began) < time.Duration(milliseconds)*time.Millisecond; i++ {
			p.put("a", fmt.Sprint(i))
			h.last[time.Now().UTC().Truncate(time.Millisecond)] = fmt.Sprint(i)
			time.Sleep(90 * time.Microsecond)
		}
		p.waitShipped()
		p.stop()
	})
	return h
}

// check restores each moment. Unless gaps are to be expected, each must be there; and what an answer
// says can be restored instead must be, as it is printed.
func (h *history) check(t *testing.T, to Destination, gapsExpected bool) (gaps int) {
	t.Helper()
	for at, want := range h.last {
		copied, _, err := restore(t, to, at)
		if err == nil {
			if got := valueOf(t, copied, "a"); got != want {
				t.Errorf("at %s: %q, want %q", stamp(at), got, want)
			}
			continue
		}
		if gaps++; !gapsExpected {
			t.Errorf("at %s: %v", stamp(at), err)
			continue
		}
		gap := new(GapError)
		if !errors.As(err, &gap) {
			t.Fatal(err)
		}
		for _, near := range []time.Time{gap.Until, gap.From} {
			if near.IsZero() {
				continue
			}
			printed, err := time.Parse(time.RFC3339Nano, stamp(near))
			if err != nil {
				t.Fatal(err)
			}
			if copied, _, err := restore(t, to, printed); err != nil {
				t.Errorf("at %s: %v; and then: %v", stamp(at), gap, err)
			} else if got, want := valueOf(t, copied, "a"), h.last[printed]; got != want && near == gap.Until && want != "" {
				t.Errorf("at %s instead: %q, want %q", stamp(near), got, want)
			}
		}
	}
	return gaps
}

// TestMomentsOfOneMillisecond: a moment has all of its millisecond, wherever in it a segment was sealed, a
// snapshot taken or a generation ended.
func TestMomentsOfOneMillisecond(t *testing.T) {
	t.Parallel()
	h := crowdedHistory(t, 20, 1300*time.Microsecond)
	found, err := in(h.to).generations(t.Context())
	if err != nil || len(found) < 5 {
		t.Fatalf("%d generations, %v", len(found), err)
	}
	h.check(t, h.to, false)
}

// TestMomentsNearAGap: what is said to be restorable near a gap is, and is whole.
func TestMomentsNearAGap(t *testing.T) {
	t.Parallel()
	h := crowdedHistory(t, 12, 2700*time.Microsecond)
	found, err := in(h.to).generations(t.Context())
	if err != nil || len(found) < 3 {
		t.Fatalf("%d generations, %v", len(found), err)
	}
	middle := found[len(found)/2].Generation
	segments, err := listNumbers(t.Context(), h.to, segmentsFolder(middle))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(to directory) error{
		"no manifest":      func(to directory) error { return os.Remove(file(to, manifestName(middle))) },
		"no first segment": func(to directory) error { return os.Remove(file(to, segmentName(middle, 1))) },
		"a later segment":  func(to directory) error { return flip(file(to, segmentName(middle, uint64(len(segments)/2)))) },
		"no first segment at all": func(to directory) error {
			return os.Rename(file(to, segmentName(found[0].Generation, 1)), file(to, "elsewhere"))
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			to := copyOf(t, h.to)
			if err := spoil(to); err != nil {
				t.Fatal(err)
			}
			if h.check(t, to, true) == 0 {
				t.Error("there is no gap: the test shows nothing")
			}
		})
	}
}

// TestBaseAtBeginningOfMillisecond: a base that was taken when a millisecond began is not taken for all of it.
func TestBaseAtBeginningOfMillisecond(t *testing.T) {
	t.Parallel()
	h := &history{directory(t.TempDir()), filepath.Join(t.TempDir(), "store.db"), map[time.Time]string{}}
	synctest.Test(t, func(t *testing.T) {
		c := config(h.to, h.path)
		c.Every = time.Millisecond / 4
		p := startPrimary(t, h.path, c)
		synctest.Wait() // the clock stands still: the base is of the first moment there is
		h.last[time.Now().UTC()] = "1"
		p.put("a", "1")
		p.waitShipped()
		time.Sleep(time.Millisecond)
		p.put("a", "2")
		p.waitShipped()
		p.stop()
	})
	if err := os.Remove(file(h.to, segmentName(1, 1))); err != nil {
		t.Fatal(err)
	}
	if gaps := h.check(t, h.to, true); gaps != 1 {
		t.Errorf("%d gaps, want 1", gaps)
	}
}
