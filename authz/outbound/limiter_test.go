package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hold lets n callers enter at each of the sites and stay until release is closed. It returns how
// many run at most, and how many were turned away.
func hold(t *testing.T, sites, n int) (most, refused int) {
	l := newLimiter()
	var running, highest, busy atomic.Int32
	release := make(chan struct{})
	var all sync.WaitGroup
	for i := range sites * n {
		all.Go(func() {
			leave, err := l.enter(t.Context(), fmt.Sprint(i%sites))
			if errors.Is(err, ErrBusy) {
				busy.Add(1)
				return
			}
			highest.Store(max(highest.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			leave()
		})
	}
	synctest.Wait()
	most = int(highest.Load())
	close(release)
	all.Wait()
	if len(l.sites) != 0 || l.calls != 0 || len(l.running) != 0 {
		t.Errorf("left over: %d sites, %d calls, %d running", len(l.sites), l.calls, len(l.running))
	}
	return most, int(busy.Load())
}

func TestLimiter(t *testing.T) {
	for _, test := range []struct {
		sites, callers, most, refused int // callers of each site
	}{
		{1, maxSiteRunning, maxSiteRunning, 0},
		{1, 10 * maxSiteCalls, maxSiteRunning, 9 * maxSiteCalls},
		{100, 3, maxRunning, 0},
		{1000, 1, maxRunning, 1000 - maxCalls},
	} {
		synctest.Test(t, func(t *testing.T) {
			if most, refused := hold(t, test.sites, test.callers); most != test.most || refused != test.refused {
				t.Errorf("%d sites with %d callers: %d running, %d refused", test.sites, test.callers, most, refused)
			}
		})
	}
}

// A caller that waits in vain leaves nothing behind, in the counts of the site or of all.
func TestLimiterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		var leaves []func()
		for i := range maxRunning {
			leave, err := l.enter(t.Context(), fmt.Sprint(i/maxSiteRunning))
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, site := range []string{"0", "another"} {
			if _, err := l.enter(ctx, site); !errors.Is(err, ErrBusy) {
				t.Errorf("site %s: %v", site, err)
			}
		}
		for _, leave := range leaves {
			leave()
		}
		if len(l.sites) != 0 || l.calls != 0 || len(l.running) != 0 {
			t.Error("places are lost")
		}
	})
}

// A slow target holds its own callers only.
func TestSlowSiteLeavesOthersAlone(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 2*maxSiteCalls)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
	}))
	t.Cleanup(server.Close)
	c := newClient(t, Config{AllowPrivateNetworks: loopback, RootCAs: rootsOf(server), Resolver: resolver(t, "127.0.0.1"), Timeout: time.Minute})
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	var all sync.WaitGroup
	var busy atomic.Int32
	for range 2 * maxSiteCalls {
		all.Go(func() {
			if errors.Is(get(t, c, server.URL+"/slow"), ErrBusy) {
				busy.Add(1)
			}
		})
	}
	for range maxSiteRunning {
		<-arrived
	}
	if err := get(t, c, "https://example.com:"+port); err != nil {
		t.Errorf("another site: %v", err)
	}
	if len(arrived) > 0 {
		t.Error("the slow site has more than its share")
	}
	close(release)
	all.Wait()
	if busy.Load() > maxSiteCalls {
		t.Errorf("%d callers were turned away", busy.Load())
	}
}
