package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// follow measures the revocation feed: followers wait by long polls while tokens are revoked, then all of them load the
// complete list at once.
func (r *runner) follow(ctx context.Context) (err error) {
	s := site{binary: r.binary, dir: filepath.Join(r.dir, "feed"), alg: r.algs[0]}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	server, _, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer server.kill()
	f := &following{
		issuer: "http://" + server.addr, server: server, site: s, rate: r.rate,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: r.followers, MaxIdleConns: 0}, Timeout: time.Minute},
		ends:   map[string]int{}, out: r.table,
	}
	if err := f.prepare(ctx, r.ended, int(float64(r.rate)*r.duration.Seconds())); err != nil {
		return err
	}
	if err := f.latencies(ctx, r.followers); err != nil {
		return err
	}
	return f.reconnects(ctx, r.followers)
}

// following is one measurement of the feed.
type following struct {
	issuer string
	server *process
	site   site
	client *http.Client
	rate   int // ends a second
	out    io.Writer

	tokens []string
	later  int            // how many of them, the last ones, end while the followers listen
	ends   map[string]int // hashed jti -> index of the token
	// revoked is when the revocation of a token was answered, in nanoseconds since 1970; 0: not yet.
	revoked []atomic.Int64

	parsed sync.Map // document -> indexes of the tokens in it
	ready  sync.WaitGroup
}

// prepare gets app tokens, and revokes some of them, so that the list is as long as it is later.
func (f *following) prepare(ctx context.Context, ended, more int) error {
	f.tokens, f.later = make([]string, ended+more), more
	f.revoked = make([]atomic.Int64, len(f.tokens))
	err := parallel(len(f.tokens), func(i int) error {
		body, _, err := f.post(ctx, "/token", url.Values{"grant_type": {"client_credentials"}})
		if err == nil {
			f.tokens[i], err = member(body, "access_token")
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, token := range f.tokens {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			return err
		}
		var claims struct{ JTI string }
		if err := json.Unmarshal(payload, &claims); err != nil {
			return err
		}
		f.ends[revocation.Hash(revocation.Token, f.issuer, claims.JTI).String()] = i
	}
	start := time.Now()
	err = parallel(ended, func(i int) error { return f.revoke(ctx, i) })
	f.figure("ended before, a second", float64(ended)/time.Since(start).Seconds(), "")
	return err
}

func (f *following) revoke(ctx context.Context, i int) error {
	_, _, err := f.post(ctx, "/revoke", url.Values{"token": {f.tokens[i]}})
	f.revoked[i].Store(time.Now().UnixNano())
	return err
}

// latencies measures how long it takes until each follower has heard of an end.
func (f *following) latencies(ctx context.Context, followers int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	memory := f.server.resident()
	results := make(chan []time.Duration, followers)
	f.ready.Add(followers)
	for range followers {
		go func() { results <- f.followed(ctx) }()
	}
	f.ready.Wait()
	start, cpu, signatures := time.Now(), f.server.cpu(), f.signatures()
	revoked := make(chan error)
	go func() { revoked <- f.revokeAll(ctx) }()
	if err := <-revoked; err != nil {
		return err
	}
	elapsed := time.Since(start)
	used, grown, signed := f.server.cpu()-cpu, f.server.resident()-memory, f.signatures()-signatures
	select { // the last ends must arrive
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	stop()
	var all []time.Duration
	for range followers {
		all = append(all, <-results...)
	}
	if len(all) == 0 {
		return errors.New("no follower has heard of anything")
	}
	slices.Sort(all)
	f.figure("followers", float64(followers), "")
	f.figure("heard of, of each end", float64(len(all))/float64(followers)/float64(f.later), "")
	f.figure("delay, median", milliseconds(all[len(all)/2]), "ms")
	f.figure("delay, p99", milliseconds(all[len(all)*99/100]), "ms")
	f.figure("delay, greatest", milliseconds(all[len(all)-1]), "ms")
	f.figure("processors", used.Seconds()/elapsed.Seconds(), "")
	f.figure("memory, more", mebibytes(grown), "MiB")
	f.figure("signatures", signed/elapsed.Seconds(), "a second")
	return nil
}

// before returns how many tokens had ended before the followers came.
func (f *following) before() int { return len(f.tokens) - f.later }

// revokeAll revokes the rest of the tokens, at the rate.
func (f *following) revokeAll(ctx context.Context) error {
	first := f.before()
	start := time.Now()
	took := make([]time.Duration, f.later)
	defer func() {
		slices.Sort(took)
		f.figure("revocation itself, median", milliseconds(took[len(took)/2]), "ms")
		f.figure("revocation itself, p99", milliseconds(took[len(took)*99/100]), "ms")
	}()
	return parallel(f.later, func(i int) error {
		select {
		case <-time.After(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(f.rate)))):
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		defer func() { took[i] = time.Since(began) }()
		return f.revoke(ctx, first+i)
	})
}

// followed follows until ctx ends, and returns how late the follower heard of each end.
func (f *following) followed(ctx context.Context) (delays []time.Duration) {
	seen := make([]bool, len(f.tokens))
	for i := range f.before() {
		seen[i] = true
	}
	for after := ""; ctx.Err() == nil; {
		body, etag, err := f.get(ctx, "/revocations?wait=25&after="+after)
		if err != nil {
			continue
		}
		if after == "" {
			f.ready.Done()
		}
		now := time.Now().UnixNano()
		after = strings.Trim(etag, `"`)
		for _, i := range f.indexes(etag, body) {
			if seen[i] {
				continue
			}
			seen[i] = true
			delay := time.Duration(0) // heard before the answer
			if at := f.revoked[i].Load(); at != 0 {
				delay = max(0, time.Duration(now-at))
			}
			delays = append(delays, delay)
		}
	}
	return delays
}

// indexes returns the tokens that a document names. All followers get the same documents, so each is read once.
func (f *following) indexes(etag string, body []byte) []int {
	name := fmt.Sprint(etag, len(body)) // a complete list and a delta may have one ETag
	if known, ok := f.parsed.Load(name); ok {
		return known.([]int)
	}
	parts := strings.Split(string(body), ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	d, err := revocation.Parse(payload)
	if err != nil {
		return nil
	}
	var found []int
	for _, e := range d.Entries {
		if i, ok := f.ends[e.ID.String()]; ok {
			found = append(found, i)
		}
	}
	f.parsed.Store(name, found)
	return found
}

// reconnects lets all followers load the complete list at once.
func (f *following) reconnects(ctx context.Context, followers int) error {
	var length atomic.Int64
	start := time.Now()
	var all sync.WaitGroup
	var failed atomic.Int64
	for range followers {
		all.Go(func() {
			body, _, err := f.get(ctx, "/revocations")
			length.Store(int64(len(body)))
			if err != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	f.figure("complete list", float64(length.Load())/1024, "KiB")
	f.figure("all have it after", time.Since(start).Seconds(), "s")
	f.figure("memory, after that", mebibytes(f.server.resident()), "MiB")
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d followers did not get the complete list", n)
	}
	return nil
}

func (f *following) post(ctx context.Context, path string, form url.Values) ([]byte, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header["X-Idempotency-Key"] = nil // net/http sends it again if the connection was closed; the header is not sent
	request.SetBasicAuth(defaultAccount.client, defaultAccount.secret)
	return f.send(request)
}

func (f *following) get(ctx context.Context, path string) ([]byte, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.issuer+path, nil)
	if err != nil {
		return nil, "", err
	}
	return f.send(request)
}

func (f *following) send(request *http.Request) (body []byte, etag string, err error) {
	response, err := f.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %.300s", request.URL.Path, response.StatusCode, body)
	}
	return body, response.Header.Get("ETag"), err
}

// signatures returns how many documents the server has signed.
func (f *following) signatures() float64 {
	n, err := f.site.metric("authzd_revocation_signatures_total")
	if err != nil {
		return 0
	}
	return n
}

func (f *following) figure(what string, value float64, unit string) {
	fmt.Fprintf(f.out, "%-28s %12.2f %s\n", what, value, unit)
}

// parallel calls fn for 0 to n-1, 32 at a time, and returns the first error.
func parallel(n int, fn func(i int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := fn(i); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		})
	}
	workers.Wait()
	return first
}
