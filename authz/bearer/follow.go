package bearer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

const (
	pollWait    = 25 * time.Second       // the server answers at the latest then
	pollTimeout = 30 * time.Second       // a connection that hangs leaves time to try again before the feed is lost
	pollGather  = 250 * time.Millisecond // a server gathers so long, and needs no more polls
	pollSpread  = 2 * time.Second        // over which the followers of a server come back after it went away
	pollRetry   = 10 * time.Second       // between two attempts, at most
	maxRetry    = 30 * time.Second       // that a server may ask for
	oldRetry    = time.Second            // after a document of the past: its entries count, and more may come
)

// Run follows the feed until the context ends, and returns its error. Call it once, in a goroutine.
func (f *Follower) Run(ctx context.Context) error {
	alarm := time.AfterFunc(lostAfter-time.Since(f.base), f.alarm)
	defer alarm.Stop()
	p := poller{Follower: f}
	for ctx.Err() == nil {
		pause := p.poll(ctx)
		age, _ := f.age()
		alarm.Reset(max(lostAfter-age, 0) + 1)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}

// poller is the state of Run.
type poller struct {
	*Follower
	issuedAt int64 // of the newest document
	gap      bool  // the list must be loaded whole
	failures int   // in a row
}

// poll asks once, and returns how long to wait before the next time.
func (p *poller) poll(ctx context.Context) (pause time.Duration) {
	start, query := time.Now(), pollQuery{after: p.cursor(), wait: pollWait}
	if p.gap {
		query.after = revocation.Cursor{}
	}
	if p.failures > 0 { // is it back?
		query.wait = 0
	}
	d, err := p.load(ctx, query)
	if err == nil {
		err = p.merge(d)
	}
	switch {
	case ctx.Err() != nil:
		return 0
	case errors.Is(err, revocation.ErrGap):
		p.stats.gaps.Add(1)
		alreadyWhole := p.gap
		p.gap = true
		if !alreadyWhole {
			return 0
		}
		return p.failed(err)
	case errors.Is(err, revocation.ErrOld):
		p.stats.old.Add(1)
		p.gap = false
		p.logger.Warn("the revocation feed went back in time", "issuer", p.issuer)
		return oldRetry
	case err != nil:
		return p.failed(err)
	}
	p.failures, p.gap = 0, false
	if d.Delta {
		p.stats.deltas.Add(1)
	} else {
		p.stats.full.Add(1)
	}
	took := time.Since(start)
	switch nothing := len(d.Entries) == 0 && d.AllBefore == 0; {
	case query.full():
		return 0
	case nothing && took < query.wait-pollSpread:
		return rand.N(pollSpread) // the server stops, or does not know of long polls
	}
	return max(pollGather-took, 0)
}

// failed counts a failure, and returns when to try again. The first pause is short.
func (p *poller) failed(err error) time.Duration {
	p.stats.failed.Add(1)
	p.logger.Warn("load of the revocation feed failed", "issuer", p.issuer, "failures", p.failures+1, "cause", err)
	pause := min(pollSpread<<min(p.failures, 8), pollRetry)
	p.failures++
	if busy := (*busyError)(nil); errors.As(err, &busy) && busy.after > 0 {
		return min(busy.after, maxRetry) + rand.N(pollSpread)
	}
	return rand.N(pause)
}

func (f *Follower) cursor() revocation.Cursor {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.list.Cursor()
}

// pollQuery is what is asked for. The zero cursor asks for the whole list, and that comes at once.
type pollQuery struct {
	after revocation.Cursor
	wait  time.Duration
}

func (q pollQuery) full() bool { return q.after == revocation.Cursor{} }

func (q pollQuery) values() url.Values {
	values := url.Values{}
	if q.full() {
		return values
	}
	values.Set("after", q.after.String())
	if q.wait > 0 {
		values.Set("wait", strconv.Itoa(int(q.wait/time.Second)))
	}
	return values
}

// load fetches a document and checks its signature.
func (f *Follower) load(ctx context.Context, query pollQuery) (*revocation.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	address := f.fixed
	if f.endpoint != nil {
		var err error
		if address, err = f.endpoint.Get(ctx); err != nil {
			return nil, err
		}
	}
	text, err := f.get(ctx, address, query.values())
	if busy := new(busyError); errors.As(err, &busy) && busy.status == http.StatusUnauthorized && f.prove != nil && !f.asked.Swap(true) {
		text, err = f.get(ctx, address, query.values())
	}
	if err != nil {
		return nil, err
	}
	d, err := revocation.Open(ctx, text, f.issuer, f.keys.find)
	if err != nil && !errors.Is(err, ErrUnavailable) {
		f.stats.bad.Add(1)
	}
	return d, err
}

// busyError is an answer that names when to come back.
type busyError struct {
	status int
	after  time.Duration
}

func (e *busyError) Error() string { return fmt.Sprintf("status %d", e.status) }

// request asks by GET. A feed that wants a proof other than a secret gets it with the parameters in a form.
func (f *Follower) request(ctx context.Context, address string, params url.Values) (*http.Request, error) {
	header := http.Header{"Accept": {"application/" + revocation.Type}}
	method, body := http.MethodGet, ""
	switch {
	case f.asked.Load():
		if err := f.prove(params, header); err != nil {
			return nil, err
		}
		method, body = http.MethodPost, params.Encode()
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case len(params) > 0:
		address += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	if f.secret != "" { // RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(f.id), url.QueryEscape(f.secret))
	}
	return req, nil
}

// get returns the body of an answer. No error quotes it.
func (f *Follower) get(ctx context.Context, address string, params url.Values) (string, error) {
	req, err := f.request(ctx, address, params)
	if err != nil {
		return "", err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date: 0
		return "", &busyError{resp.StatusCode, time.Duration(min(max(seconds, 0), 3600)) * time.Second}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, revocation.MaxDocument+1)) // Open refuses what is longer
	return string(body), err
}

// merge adds a document to the list. The feed is as fresh as the newest document: one that is shown again, by a
// cache for instance, proves nothing.
func (p *poller) merge(d *revocation.Document) error {
	now := time.Now()
	p.mu.Lock()
	err := p.list.Merge(d, now)
	if len(d.Entries) > 0 || d.AllBefore != 0 {
		close(p.changed)
		p.changed = make(chan struct{})
	}
	p.mu.Unlock()
	if err == nil && d.IssuedAt > p.issuedAt {
		p.issuedAt = d.IssuedAt
		p.heard.Store(max(int64(now.Sub(p.base)), 1))
		if p.alarmed.Swap(false) {
			p.logger.Info("the revocation feed is back", "issuer", p.issuer)
		}
	}
	return err
}
