package feed_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/revocation"
	"github.com/authzd/authzd/storage"
)

// TestEndpoint: the feed is found by the metadata, and any page and cache may have it.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	if at := blackbox.Discovery(t, s)["authzd_revocations_endpoint"]; at != s.URL+"/revocations" {
		t.Fatalf("the metadata names %v", at)
	}
	request, err := http.NewRequest(http.MethodGet, s.URL+"/revocations", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://elsewhere.example.com")
	full := s.Send(t, request)
	d := open(t, s, full.Body)
	for name, want := range map[string]string{
		"Content-Type": "application/revocations+jwt", "Cache-Control": "public, max-age=1", "ETag": `"` + d.Cursor().String() + `"`,
		"Access-Control-Allow-Origin": "*",
	} {
		if got := full.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if d.Delta || d.Issuer != s.URL || d.Expires != d.IssuedAt+60 || d.Window != 990*time.Second || len(d.Entries) != 0 {
		t.Errorf("%+v", d)
	}
	request.Header.Set("If-None-Match", full.Header.Get("ETag"))
	if again := s.Send(t, request); again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("the same document again: %d %.100s", again.Status, again.Body)
	}
	waited := get(t, s, url.Values{"after": {d.Cursor().String()}, "wait": {"0"}})
	if d := open(t, s, waited.Body); !d.Delta || waited.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v, %v", d, waited.Header)
	}
}

// TestBadInput: a cursor that is none gets the complete list at once (50 ms, measured by the full run), and nothing else
// is answered with a document.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	cursor := open(t, s, get(t, s, url.Values{}).Body).Cursor()
	foreign, past, future := cursor, cursor, cursor
	foreign.Epoch, past.Seq, future.Seq = "another", cursor.Seq-120_000_000, cursor.Seq+3_600_000_000
	for _, after := range []string{
		"", "garbage", "-1", ".", cursor.Epoch, cursor.Epoch + ".", cursor.Epoch + ".-1", cursor.Epoch + ".99999999999999999999",
		cursor.Epoch + "." + strings.Repeat("9", 4000), strings.Repeat("x", 4000), "<script>", cursor.Epoch + ".1",
		foreign.String(), past.String(), future.String(),
	} {
		for _, wait := range []string{"", "0", "25"} {
			query, began := url.Values{"after": {after}}, time.Now()
			if wait != "" {
				query.Set("wait", wait)
			}
			response := get(t, s, query)
			if response.Status != http.StatusOK || open(t, s, response.Body).Delta {
				t.Errorf("after=%.60q wait=%s: %d %.100s", after, wait, response.Status, response.Body)
			}
			if took := time.Since(began); took > time.Duration(many(20_000, 50))*time.Millisecond {
				t.Errorf("after=%.60q wait=%s: took %v", after, wait, took)
			}
		}
	}
	for _, wait := range []string{"-1", "x", "1.5", " ", "99999999999", "0x1", "1e9"} {
		if response := get(t, s, url.Values{"wait": {wait}}); response.Status != http.StatusBadRequest || blackbox.ErrorOf(t, response) != oauth.InvalidRequest {
			t.Errorf("wait=%q: %d %s", wait, response.Status, response.Body)
		}
	}
	if response := s.PostForm(t, "/revocations", url.Values{}, nil); response.Status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", response.Status, response.Body)
	}
}

// TestClientsOnly: a feed that is for clients shows itself to those that prove who they are.
func TestClientsOnly(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{Revocations: authz.Revocations{ClientsOnly: true}}, nil)
	send := func(method, authorization string, form url.Values) authztest.Response {
		request, err := http.NewRequest(method, s.URL+"/revocations", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			request.Header = blackbox.FormHeader()
		}
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		return s.Send(t, request)
	}
	for name, test := range map[string]struct {
		method, authorization string
		form                  url.Values
		status                int
	}{
		"nobody":                        {"GET", "", nil, 401},
		"a wrong secret":                {"GET", "Basic " + "d29ya2VyOnguLg==", nil, 401},
		"a public client":               {"POST", "", url.Values{"client_id": {authztest.SPA}}, 401},
		"a secret in the header":        {"GET", blackbox.Basic(authztest.Worker), nil, 200},
		"the same by POST, with a wait": {"POST", blackbox.Basic(authztest.Worker), url.Values{"wait": {"0"}}, 200},
	} {
		response := send(test.method, test.authorization, test.form)
		if response.Status != test.status || (strings.Count(response.Body, ".") == 2) != (test.status == 200) {
			t.Errorf("%s: %d %.100s", name, response.Status, response.Body)
		}
		if cache := response.Header.Get("Cache-Control"); cache != "no-store" {
			t.Errorf("%s: Cache-Control %s", name, cache)
		}
	}
}

// TestStoreAway: without the store there is no answer that looks fresh.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	store := &away{Store: blackbox.OpenBolt(t)}
	f := newFeed(t, store, nil)
	store.gone.Store(true)
	blackbox.Until(t, "the last scan is old", func() bool {
		_, err := ask(f, url.Values{})
		return errors.Is(err, storage.ErrUnavailable)
	})
	store.gone.Store(false)
	cursor := read(t, f, url.Values{}).Cursor()
	answered := make(chan error)
	go func() {
		_, err := ask(f, url.Values{"after": {cursor.String()}, "wait": {"1"}})
		answered <- err
	}()
	blackbox.Until(t, "it waits", func() bool { return f.Status().Waiting == 1 })
	store.gone.Store(true)
	if err := <-answered; !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a wait ends with %v", err)
	}
}

// TestOneSignatureForAll: many who wait get one document, soon after the change.
func TestOneSignatureForAll(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	f := newFeed(t, store, nil)
	cursor := read(t, f, url.Values{}).Cursor()
	before := f.Status().Signatures
	const followers = 100
	var bodies sync.Map
	var waiting sync.WaitGroup
	for range followers {
		waiting.Go(func() {
			recorder, err := ask(f, url.Values{"after": {cursor.String()}, "wait": {"20"}})
			if err != nil {
				t.Error(err)
			}
			bodies.Store(recorder.Body.String(), true)
		})
	}
	blackbox.Until(t, "all wait", func() bool { return f.Status().Waiting == followers })
	began := time.Now()
	for i := range 10 {
		end(t, f, store, fmt.Sprint("token ", i))
	}
	waiting.Wait()
	if took := time.Since(began); took > time.Minute {
		t.Errorf("they waited %v", took)
	}
	distinct := 0
	bodies.Range(func(any, any) bool { distinct++; return true })
	if made := f.Status().Signatures - before; made > 2 || distinct > 2 {
		t.Errorf("%d signatures and %d documents for one change", made, distinct)
	}
}

// TestSilence: if nothing happens, a wait ends with an empty delta that is fresh. A stop of the server ends it at once.
func TestSilence(t *testing.T) {
	t.Parallel()
	f := newFeed(t, blackbox.OpenBolt(t), nil)
	first := read(t, f, url.Values{})
	began := time.Now()
	d := read(t, f, url.Values{"after": {first.Cursor().String()}, "wait": {"2"}})
	if took := time.Since(began); !d.Delta || len(d.Entries) > 0 || d.IssuedAt < first.IssuedAt+1 || took < 2*time.Second {
		t.Errorf("after %v: %+v", took, d)
	}
	answered := make(chan time.Time)
	go func() {
		_, _ = ask(f, url.Values{"after": {d.Cursor().String()}, "wait": {"25"}})
		answered <- time.Now()
	}()
	blackbox.Until(t, "it waits", func() bool { return f.Status().Waiting == 1 })
	stopped := time.Now()
	f.Drain()
	if took := (<-answered).Sub(stopped); took > time.Minute {
		t.Errorf("the stop waited %v for a follower", took)
	}
	read(t, f, url.Values{"after": {d.Cursor().String()}, "wait": {"25"}})
}

// TestSlowFollowers: followers that do not read take nothing from the others.
func TestSlowFollowers(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	var half []net.Conn
	for range many(150, 1000) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /revocations?wait=25 HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		half = append(half, conn)
	}
	f := follow(t, s)
	began := time.Now()
	f.load(t, url.Values{"wait": {"1"}})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a follower waited %v behind %d that do not read", took, len(half))
	}
}

// TestFollowersWaitAtOnce: no kind of cursor is answered again and again while nothing happens.
func TestFollowersWaitAtOnce(t *testing.T) {
	t.Parallel()
	store := blackbox.OpenBolt(t)
	f := newFeed(t, store, nil)
	list := revocation.NewList(issuer)
	listen(t, f, list, "0")
	end(t, f, store, "one")
	answers := 0
	for began := time.Now(); time.Since(began) < 2*time.Second; answers++ {
		listen(t, f, list, "1")
	}
	if !knows(list, "one") || answers > 10 {
		t.Errorf("%d answers in two seconds for one change", answers)
	}
}
