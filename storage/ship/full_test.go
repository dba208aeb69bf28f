package ship

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fullDestination writes to a primary while its destination has no room, and after: it serves all the
// time, says what is not shipped, and loses nothing of it.
func fullDestination(t *testing.T, to Destination, setFull func(full bool)) {
	path := filepath.Join(t.TempDir(), "store.db")
	c := config(to, path)
	c.SpoolBytes = 3 << 20
	p := startPrimary(t, path, c)
	p.put("a", "before")
	p.waitShipped()

	setFull(true)
	before := p.shipper.Status()
	for i := range 10 { // about as much as the spool holds
		began := time.Now()
		p.put(fmt.Sprint(i), strings.Repeat("v", 200_000))
		if took := time.Since(began); took > time.Minute {
			t.Errorf("a write took %v", took)
		}
	}
	waitFor(t, "the trouble to be told", func() bool { return p.shipper.Status().Failing != nil })
	if st := p.shipper.Status(); st.LagBytes < 2_000_000 || st.Lag <= 0 || st.Failures == before.Failures || st.SpoolFull != 0 {
		t.Errorf("status %+v", st)
	}
	if err := p.store.Ready(t.Context()); err != nil {
		t.Errorf("the primary is not ready: %v", err)
	}
	setFull(false)
	p.waitShipped()
	if st := p.shipper.Status(); st.Failing != nil || st.Generation != before.Generation {
		t.Errorf("status %+v", st)
	}

	setFull(true) // for longer than the spool has room
	for i := range 20 {
		p.put(fmt.Sprint(i), strings.Repeat("w", 200_000))
	}
	waitFor(t, "the spool to be given up", func() bool { return p.shipper.Status().SpoolFull > 0 })
	if err := p.store.Ready(t.Context()); err != nil {
		t.Errorf("the primary is not ready: %v", err)
	}
	if n := size(t, c.Folder); n > 3*c.SpoolBytes {
		t.Errorf("the spool has %d bytes", n)
	}
	setFull(false)
	waitFor(t, "a new generation", func() bool { return p.shipper.Status().Generation > before.Generation })
	p.put("a", "after")
	p.waitShipped()
	p.stop()
	target := filepath.Join(t.TempDir(), "restored.db")
	if _, err := Restore(t.Context(), RestoreConfig{From: to, Secret: testSecret, Path: target}); err != nil {
		t.Fatal(err)
	}
	wantSame(t, path, target)
}

// TestFullBucket: S3-compatible servers say that they have no room, or no capacity, in more than one way.
func TestFullBucket(t *testing.T) {
	for _, answer := range []struct {
		status int
		code   string
	}{{http.StatusInsufficientStorage, "InsufficientStorage"}, {http.StatusServiceUnavailable, "SlowDown"}} {
		t.Run(answer.code, func(t *testing.T) {
			t.Parallel()
			var full atomic.Bool
			to := startS3(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || !full.Load() {
					return false
				}
				s3Error(w, answer.status, answer.code)
				return true
			})
			fullDestination(t, to, full.Store)
		})
	}
}
