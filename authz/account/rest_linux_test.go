//go:build !race

package account

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cpuUsed returns the CPU time of this process: other programs may be busy.
func cpuUsed(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Under a flood of sign-ins, other work keeps most of the CPUs; without other work, the sign-ins have them.
func TestHashesDoNotHoldUpOtherWork(t *testing.T) {
	p := NewPasswords()
	began, alone := cpuUsed(t), 5
	for range alone {
		if _, _, err := p.Verify(t.Context(), "", "a wrong guess"); err != nil {
			t.Fatal(err)
		}
	}
	cost := (cpuUsed(t) - began) / time.Duration(alone)
	share := func(others int) float64 {
		var hashes atomic.Int64
		p.checked = func() { hashes.Add(1) }
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		var all sync.WaitGroup
		began := cpuUsed(t)
		for range others {
			all.Go(func() { // like a handler: short pieces of work
				for buf := make([]byte, 16<<10); ctx.Err() == nil; runtime.Gosched() {
					sha256.Sum256(buf)
				}
			})
		}
		for range 64 {
			all.Go(func() {
				for ctx.Err() == nil {
					_, _, _ = p.Verify(ctx, "", "a wrong guess") // ErrBusy is fine
				}
			})
		}
		for cpuUsed(t)-began < 800*time.Millisecond && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		all.Wait()
		t.Logf("%d hashes of %v in %v of CPU time", hashes.Load(), cost, cpuUsed(t)-began)
		return float64(time.Duration(hashes.Load())*cost) / float64(cpuUsed(t)-began)
	}
	if got := share(16 * runtime.GOMAXPROCS(0)); got > 0.3 {
		t.Errorf("hashes took %.2f of the CPUs that others wanted", got)
	} else {
		t.Logf("hashes took %.2f of the CPUs that others wanted", got)
	}
	if got := share(0); got < 0.5 {
		t.Errorf("hashes took %.2f of the CPUs that nobody wanted", got)
	} else {
		t.Logf("hashes took %.2f of the CPUs that nobody wanted", got)
	}
}
