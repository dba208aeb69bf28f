package acceptance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// gauge is something of a server that must not grow for as long as it runs.
type gauge struct {
	name   string
	metric string
	// most is by how much it may be larger at the end of a test of any length than at its beginning:
	// caches fill up, and the garbage collector comes and goes.
	most float64
}

var gauges = []gauge{
	{"memory", "process_resident_memory_bytes", 16 << 20},
	{"live objects", "go_gc_heap_live_bytes", 8 << 20},
	{"goroutines", "go_goroutines", 20},
	{"file descriptors", "process_open_fds", 10},
	{"database", "authzd_store_file_bytes", 3 << 20},
}

// check returns an error if a gauge, of which these are the values in order, grows. It compares the lower
// quartile of the first quarter, after the warm-up, with that of the last: what a leak holds is never
// given back, and all else comes and goes. The least would not do: the collector of garbage may once come
// just when no password is being checked, which takes 19 MiB. On a busy machine it mostly comes when one is, so each value
// stands for the least of three in a row.
func (g gauge) check(values []float64) error {
	seen := values
	values = make([]float64, len(seen))
	for i := range seen {
		values[i] = slices.Min(seen[max(0, i-2) : i+1])
	}
	quarter := len(values) / 4
	if quarter < 5 {
		return fmt.Errorf("%s: %d values are too few to tell", g.name, len(values))
	}
	first, last := lowerQuartile(values[:quarter]), lowerQuartile(values[len(values)-quarter:])
	if last-first > g.most {
		return fmt.Errorf("%s grows: from %.0f to %.0f, while %.0f more would be allowed: %.0f", g.name, first, last, g.most, seen)
	}
	return nil
}

func lowerQuartile(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/4]
}

// Each gauge lets noise pass, and catches a leak that a soak of two minutes would show.
func TestGaugesTellLeaks(t *testing.T) {
	t.Parallel()
	const seconds = 60 // that are looked at
	// The loss in each second at a load of some hundred requests a second.
	leaks := map[string]float64{
		"memory":           100 * 10 << 10, // 10 KiB of every second request
		"live objects":     100 * 4 << 10,
		"goroutines":       2,
		"file descriptors": 1,
		"database":         200 * 512, // a row that is never swept, of each request
	}
	for _, g := range gauges {
		leak := leaks[g.name]
		if leak == 0 {
			t.Errorf("%s: no leak is tried", g.name)
		}
		noise := func() float64 { return (rand.Float64() - 0.5) * g.most / 2 }
		var calm, saw, leaking []float64
		for s := range seconds {
			base := 10 * g.most
			calm = append(calm, base+noise())
			saw = append(saw, base+float64(s%10)*g.most/10+noise())
			leaking = append(leaking, base+float64(s)*leak+noise())
		}
		peak := slices.Clone(calm)
		peak[seconds-3] += 100 * g.most
		dip := slices.Clone(calm)
		dip[2] -= 5 * g.most
		for name, values := range map[string][]float64{"calm": calm, "saw teeth": saw, "a peak": peak, "a dip": dip} {
			if err := g.check(values); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := g.check(leaking); err == nil {
			t.Errorf("%s: a leak of %.0f a second is not seen", g.name, leak)
		}
		if err := g.check(calm[:10]); err == nil {
			t.Errorf("%s: ten values are enough for a verdict", g.name)
		}
	}
}
