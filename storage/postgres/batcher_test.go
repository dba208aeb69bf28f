package postgres

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatcher: a call that comes alone does not wait, waiting calls share a batch, and the number of batches is bounded.
func TestBatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = time.Second
		start := time.Now()
		var began []string // when a batch began, and what was in it
		b := &batcher[int]{
			limit: 2,
			pick: func(waiting []int) (batch, rest []int) {
				n := min(len(waiting), 3)
				return waiting[:n], waiting[n:]
			},
		}
		b.run = func(batch []int) {
			b.mu.Lock()
			began = append(began, fmt.Sprintf("%v%v", time.Since(start), batch))
			b.mu.Unlock()
			time.Sleep(takes)
		}
		b.add(0) // alone, at once
		synctest.Wait()
		for i := range 3 { // while the first may be quick, they wait
			b.add(1 + i)
		}
		if !b.withdraw(2) || b.withdraw(2) || b.withdraw(0) {
			t.Error("what waits can be withdrawn, once, and what is under way can't")
		}
		time.Sleep(slow) // it is not, so there is a second
		synctest.Wait()
		time.Sleep(slow)
		for i := range 5 { // but no third
			b.add(4 + i)
		}
		time.Sleep(10 * takes)
		synctest.Wait()
		b.add(9)
		synctest.Wait()
		if want := []string{"0s[0]", "5ms[1 3]", "1s[4 5 6]", "1.005s[7 8]", "10.01s[9]"}; !slices.Equal(began, want) {
			t.Errorf("batches %v, want %v", began, want)
		}
		time.Sleep(takes)
	})
}
