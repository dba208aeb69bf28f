package feed_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// TestMemoryOfSlowFollowers: followers that ask for a long list and read nothing of it, or send half a request, cost
// little memory. It runs alone, since it measures the process.
func TestMemoryOfSlowFollowers(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	entries := many(10_000, 90_000)
	endMany(t, s.Store, entries)
	var size int
	var after string
	blackbox.Until(t, "the server lists them", func() bool {
		response := get(t, s, url.Values{})
		size, after = len(response.Body), strings.Trim(response.Header.Get("ETag"), `"`)
		return response.Status == http.StatusOK && size > 20*entries
	})

	host := strings.TrimPrefix(s.URL, "http://")
	before := residentBytes(t)
	most := watchResident(t)
	slow := many(150, 1000)
	for i := range slow {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		half := "GET /revocations HTTP/1.1\r\nHost: " + host + "\r\n"
		if i%3 > 0 {
			half += "\r\n" // reads nothing
		}
		if _, err := fmt.Fprint(conn, half); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if d := get(t, s, url.Values{"after": {after}, "wait": {"1"}}); d.Status != http.StatusOK {
		t.Errorf("a follower that reads gets %d %s", d.Status, d.Body)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a follower that reads waits %v", took)
	}
	grown := (most() - before) >> 20
	t.Logf("%d slow followers of a list of %d KiB: resident + %d MiB", slow, size>>10, grown)
	if grown > 64 {
		t.Errorf("resident memory grew by %d MiB", grown)
	}
}

// endMany puts many ends into the store of a server.
func endMany(t *testing.T, store storage.Store, entries int) {
	t.Helper()
	f := newFeed(t, store, nil)
	var writes []storage.Write
	for i := range entries {
		writes = append(writes, f.Put("test", feed.Token(fmt.Sprint("token ", i))))
		if len(writes) == 1_000 {
			if err := store.Apply(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			writes = nil
		}
	}
}

// residentBytes is what the process has in memory.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Logf("memory is not measured: %v", err)
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// watchResident returns a function that says how much the process had in memory at most.
func watchResident(t *testing.T) (most func() int64) {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		highest := int64(0)
		for {
			highest = max(highest, residentBytes(t))
			select {
			case <-stop:
				result <- highest
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() int64 { close(stop); return <-result }
}
