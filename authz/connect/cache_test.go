package connect

import (
	"context"
	"testing"
	"time"
)

// A caller may decide to fetch, and be overtaken by a fetch that ends before its own begins.
func TestOvertakenCallerFetchesNothing(t *testing.T) {
	fetches := 0
	c := cache[int]{fetch: func(context.Context) (int, time.Duration, error) {
		fetches++
		return fetches, time.Hour, nil
	}}
	seen := c.peek().count
	if _, err := c.get(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := c.share(t.Context(), seen)
	if err != nil || got.value != 1 || fetches != 1 {
		t.Errorf("value %d, %v, after %d fetches", got.value, err, fetches)
	}
}
