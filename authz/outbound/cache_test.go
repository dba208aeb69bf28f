package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	anyURL = "https://a.example/"
	grace  = time.Hour // how long a stale document serves
)

var errDown = errors.New("down")

// origin counts how often it is asked, and answers with that number or with err.
type origin struct {
	fetches atomic.Int32
	fresh   time.Duration
	err     error
	wait    chan struct{} // nil: none
}

func (o *origin) cache() *Cache[int] { return newCache(grace, o.fetch) }

func (o *origin) fetch(context.Context, string) (int, time.Duration, error) {
	n := int(o.fetches.Add(1))
	if o.wait != nil {
		<-o.wait
	}
	if o.err != nil {
		return 0, 0, o.err
	}
	return n, o.fresh, nil
}

func (o *origin) wantFetches(t *testing.T, when string, want int32) {
	t.Helper()
	if got := o.fetches.Load(); got != want {
		t.Errorf("%s: %d fetches, want %d", when, got, want)
	}
}

func wantValue(t *testing.T, c *Cache[int], want int) {
	t.Helper()
	if got, err := c.Get(t.Context(), anyURL); got != want || err != nil {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
}

func TestCacheKeepsWhatIsFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{fresh: time.Minute}
		c := o.cache()
		wantValue(t, c, 1)
		time.Sleep(time.Minute - 1)
		wantValue(t, c, 1)
		time.Sleep(time.Nanosecond)
		wantValue(t, c, 2)
	})
}

// A stale document serves while the origin is down, up to a bound; the origin is asked now and then.
func TestCacheWhileTheOriginIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{fresh: time.Minute}
		c := o.cache()
		wantValue(t, c, 1)
		o.err = errDown
		time.Sleep(time.Minute)
		for range 100 {
			wantValue(t, c, 1)
		}
		o.wantFetches(t, "after the first minute", int32(1+pace.Burst))
		time.Sleep(grace - 1)
		wantValue(t, c, 1)
		time.Sleep(time.Nanosecond)
		if _, err := c.Get(t.Context(), anyURL); !errors.Is(err, errDown) {
			t.Errorf("too old: %v", err)
		}
		o.err = nil
		time.Sleep(pace.Every)
		if got, err := c.Get(t.Context(), anyURL); got == 1 || err != nil {
			t.Errorf("up again: %d, %v", got, err)
		}
	})
}

// Nobody makes us hammer an origin: not one that fails, not by asking for what it does not have.
func TestCacheBoundsFetches(t *testing.T) {
	for name, o := range map[string]*origin{"failing": {err: errDown}, "fine": {fresh: time.Hour}} {
		for ask, f := range map[string]func(*Cache[int], context.Context, string) (int, error){"get": (*Cache[int]).Get, "renew": (*Cache[int]).Renew} {
			t.Run(name+" "+ask, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &origin{err: o.err, fresh: o.fresh}
					c := o.cache()
					for range 100 {
						if _, err := f(c, t.Context(), anyURL); !errors.Is(err, o.err) {
							t.Fatalf("%v, want %v", err, o.err)
						}
					}
					want := int32(pace.Burst)
					if name == "fine" && ask == "get" {
						want = 1
					}
					o.wantFetches(t, "at once", want)
					for range 600 { // ten minutes
						time.Sleep(time.Second)
						f(c, t.Context(), anyURL)
					}
					if want > 1 {
						want += int32(10 * time.Minute / pace.Every)
					}
					o.wantFetches(t, "in ten minutes", want)
				})
			})
		}
	}
}

func TestCacheRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{fresh: time.Hour}
		c := o.cache()
		wantValue(t, c, 1)
		if got, err := c.Renew(t.Context(), anyURL); got != 2 || err != nil {
			t.Errorf("renewed: %d, %v", got, err)
		}
		o.err = errDown
		if got, err := c.Renew(t.Context(), anyURL); got != 2 || err != nil {
			t.Errorf("a failure leaves %d, %v", got, err)
		}
		wantValue(t, c, 2)
	})
}

func TestCacheSharesOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{fresh: time.Hour, wait: make(chan struct{})}
		c := o.cache()
		impatient, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := c.Get(impatient, anyURL); gone <- err }()
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() { wantValue(t, c, 1) })
		}
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("whoever leaves gets %v", err)
		}
		close(o.wait)
		all.Wait()
		o.wantFetches(t, "64 callers", 1)
	})
}

func TestCacheIsBounded(t *testing.T) {
	o := &origin{fresh: time.Hour}
	c := o.cache()
	for i := range 2 * maxEntries {
		wantValue(t, c, 1) // so it is never the one that goes
		if _, err := c.Get(t.Context(), fmt.Sprint("https://b.example/", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.entries) != maxEntries || c.recent.Len() != maxEntries {
		t.Errorf("%d entries, %d in the list", len(c.entries), c.recent.Len())
	}
	o.wantFetches(t, "each once", 1+2*maxEntries)
}

// A document that decode refuses is a failure like any other, and kept as one.
func TestCacheDecodes(t *testing.T) {
	var fetches atomic.Int32
	server, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		fmt.Fprint(w, "document")
	})
	length := NewCache(client, Want{}, grace, func(doc *Document) (int, error) { return len(doc.Body), nil })
	if got, err := length.Get(t.Context(), server.URL); got != 8 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	refusing := NewCache(client, Want{}, grace, func(*Document) (int, error) { return 0, errDown })
	for range 10 {
		if _, err := refusing.Get(t.Context(), server.URL); !errors.Is(err, errDown) {
			t.Errorf("refused: %v", err)
		}
	}
	if got := fetches.Load(); int(got) != 1+pace.Burst {
		t.Errorf("%d fetches", got)
	}
	if _, err := refusing.Get(t.Context(), "https://127.1/"); !errors.Is(err, ErrURL) {
		t.Errorf("a URL that is none: %v", err)
	}
}
