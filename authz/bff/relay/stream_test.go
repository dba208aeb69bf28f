package relay_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
)

// events is an API with a stream of events. Each has the time when it was sent.
func events(t *testing.T, next <-chan struct{}, gone chan<- struct{}) *api {
	return newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		control := http.NewResponseController(w)
		for {
			select {
			case <-r.Context().Done():
				gone <- struct{}{}
				return
			case <-next:
				fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
				_ = control.Flush()
			}
		}
	})
}

func openStream(t *testing.T, ctx context.Context, s *site) *bufio.Reader {
	t.Helper()
	r := s.request(t, "/events/x", nil, "Sec-Fetch-Site", "same-origin").WithContext(ctx)
	r.Header.Del("X-Authzd-BFF")
	resp, err := s.client.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return bufio.NewReader(resp.Body)
}

// delayOf reads an event, and returns how old it is.
func delayOf(t *testing.T, stream *bufio.Reader) time.Duration {
	t.Helper()
	line, err := stream.ReadString('\n')
	if err == nil {
		_, err = stream.ReadString('\n')
	}
	sent, parseErr := strconv.ParseInt(strings.TrimSpace(strings.TrimPrefix(line, "data: ")), 10, 64)
	if err = errors.Join(err, parseErr); err != nil {
		t.Fatal(err)
	}
	return time.Since(time.Unix(0, sent))
}

// An event is with the page at once (50 ms), and when the page has gone, the API knows it (1 s). The full run measures;
// a machine that runs other tests at the same time is slower.
func TestEventStream(t *testing.T) {
	next, gone := make(chan struct{}), make(chan struct{})
	a := events(t, next, gone)
	s := newSite(t, nil, relay.Route{Path: "/events/", URL: a.URL + "/", EventStream: true})
	ctx, leave := context.WithCancel(t.Context())
	go func() { next <- struct{}{} }()
	stream := openStream(t, ctx, s)
	for range many(20, 1000) {
		if delay := delayOf(t, stream); delay > time.Duration(many(1000, 50))*time.Millisecond {
			t.Errorf("an event came after %v", delay)
		}
		next <- struct{}{}
	}
	leave()
	began := time.Now()
	<-gone
	if took := time.Since(began); took > time.Duration(many(20, 1))*time.Second {
		t.Errorf("the API was told after %v", took)
	}
}

// A stream ends with the session, and with the relay.
func TestEventStreamEnds(t *testing.T) {
	for name, end := range map[string]func(*site) error{
		"logout": func(s *site) error { return s.sessions.End(context.Background(), s.session.ID, websession.SignedOut) },
		"relay":  func(s *site) error { s.Relay.Close(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			next, gone := make(chan struct{}), make(chan struct{})
			a := events(t, next, gone)
			s := newSite(t, nil, relay.Route{Path: "/events/", URL: a.URL + "/", EventStream: true})
			go func() { next <- struct{}{} }()
			stream := openStream(t, t.Context(), s)
			delayOf(t, stream)
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			<-gone
			if rest, err := io.ReadAll(stream); err == nil {
				t.Errorf("the stream has ended well after %q", rest)
			}
		})
	}
}

// A client that leaves in the middle of a transfer leaves nothing behind.
func TestAborts(t *testing.T) {
	gone := make(chan error, 1)
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, err := io.Copy(io.Discard, r.Body)
			gone <- err
			return
		}
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 32<<10))
		}
		gone <- err
	})
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}})

	resp, err := s.client.Do(s.request(t, "/api/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<20)
	resp.Body.Close()
	began := time.Now()
	if <-gone; time.Since(began) > time.Duration(many(20, 1))*time.Second {
		t.Errorf("down: the API was told after %v", time.Since(began))
	}

	ctx, leave := context.WithCancel(t.Context())
	body, more := io.Pipe()
	go func() {
		_, _ = more.Write(make([]byte, 1<<20))
		leave()
		_ = more.CloseWithError(context.Canceled) // http.Client waits for the body
	}()
	if _, err := s.client.Do(s.request(t, "/api/x", body).WithContext(ctx)); err == nil {
		t.Error("the upload has ended well")
	}
	began = time.Now()
	if err := <-gone; err == nil || time.Since(began) > time.Duration(many(20, 1))*time.Second {
		t.Errorf("up: the API got %v after %v", err, time.Since(began))
	}
}

// An API that answers with less than it announced is not taken for one that has answered.
func TestAnswerThatBreaks(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/"})
	resp, err := s.client.Do(s.request(t, "/api/x", nil))
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the answer is whole")
	}
}

// Any amount passes, and none of it stays in memory.
func TestTransfer(t *testing.T) {
	size := int64(many(16<<20, 1<<30))
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d %v", n, err)
			return
		}
		if r.URL.Path == "/warm" {
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	})
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}})
	s.get(t, "/api/warm") // what is made once
	before := residentBytes(t)
	most := watchResident(t)
	for _, chunked := range []bool{false, true} {
		r := s.request(t, "/api/x", io.LimitReader(zeros{}, size))
		if !chunked {
			r.ContentLength = size
		}
		if got := s.send(t, r); got.body != fmt.Sprintf("%d <nil>", size) {
			t.Errorf("up: the API got %s", got.body)
		}
	}
	resp, err := s.client.Do(s.request(t, "/api/x", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("down: %d bytes, %v", n, err)
	}
	grown := (most() - before) >> 20
	t.Logf("%d MiB up twice and down once: resident + %d MiB", size>>20, grown)
	if grown > 32 {
		t.Errorf("resident memory grew by %d MiB", grown)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

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

// A client that stops in the middle of a body, or takes nothing of an answer, does not stay for ever. One that is slow
// does, beyond the limits of the server.
func TestStalledClients(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(w, r.Body)
		if r.Method == http.MethodGet {
			for err == nil {
				_, err = w.Write(make([]byte, 1<<20))
			}
		}
		gone <- err
	})
	s := newSite(t, nil, relay.Route{Path: "/api/", URL: a.URL + "/", Methods: []string{"GET", "POST"}})
	s.SetStall(time.Second)
	for name, request := range map[string]string{
		"up":   s.head("POST /api/x") + "Content-Length: 1000000\r\n\r\nbegin",
		"down": s.head("GET /api/x") + "\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-gone:
			if err == nil {
				t.Errorf("%s: the transfer has ended well", name)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s: the API waits", name)
		}
	}
	body, more := io.Pipe()
	go func() { // longer than a stall, with no pause as long as one
		for range 120 {
			_, _ = io.WriteString(more, "x")
			<-time.After(10 * time.Millisecond)
		}
		more.Close()
	}()
	if got := s.send(t, s.request(t, "/api/x", body)); got.body != strings.Repeat("x", 120) {
		t.Errorf("slow: %d %s", got.StatusCode, got.body)
	}
}
