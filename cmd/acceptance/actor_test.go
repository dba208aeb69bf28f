package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An actor is a client that remembers every answer in its exported fields. They show whether the server has broken a
// promise between two steps.
type actor interface {
	// step asks the server for one thing, and calls remember after each change of its memory: before
	// it asks for what must not be asked for twice, and as soon as it has an answer. An error that is
	// a brokenPromise is a fault of the server. After any other, no answer arrived, and the next step
	// asks again.
	step(s *server, remember func()) error
}

// brokenPromise says what was promised and what came of it.
type brokenPromise string

func (b brokenPromise) Error() string { return string(b) }

func broken(format string, args ...any) error { return brokenPromise(fmt.Sprintf(format, args...)) }

// errUnanswered is a server that says that it can't take writes now, which leaves open what became of
// this one.
var errUnanswered = errors.New("503")

// answered tells a refusal, which is an answer, from a server that is down or draining.
func answered(a answer, err error) (answer, error) {
	switch {
	case err != nil:
		return a, err
	case a.status == http.StatusServiceUnavailable:
		return a, errUnanswered
	case a.status >= http.StatusInternalServerError:
		return a, broken("an error of the server: %v", a)
	}
	return a, nil
}

// pace is how long an actor rests where a test waits for processes to start and faults to pass: there are steps all
// the time, and the processors have time for what is waited for.
const pace = 200 * time.Millisecond

// cast is actors that act at the same time.
type cast struct {
	s      *server
	actors map[string]actor // by name
	// remember is told of every change of an actor's memory; nil: nobody else wants to know. It is
	// called by one goroutine at a time for each actor.
	remember func(name string, a actor)
	// pause is how long an actor rests after each step.
	pause time.Duration
	// life is after how long another takes an actor's place; 0: none does.
	life time.Duration
	// demanding is that a request without an answer is a broken promise.
	demanding bool

	steps atomic.Int64 // that were answered

	mu   sync.Mutex
	errs []error
}

// newCast is one of each kind of actor, and as many more that refresh.
func newCast(s *server, refreshers int) *cast {
	c := &cast{s: s, pause: 10 * time.Millisecond, actors: map[string]actor{
		"redeemer":   &redeemer{},
		"registrant": &registrant{},
		"revoker":    &revoker{},
		"leaver":     &leaver{},
		"member":     &member{},
	}}
	for i := range refreshers {
		c.actors[fmt.Sprint("refresher ", i)] = &refresher{}
	}
	return c
}

// play lets everybody act until ctx ends or a promise is broken.
func (c *cast) play(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for name, a := range c.actors {
		pause, life := c.pause, c.life
		switch a.(type) { // most of what they do costs the server a password's hash, and 19 MiB for that
		case *leaver:
			pause = min(5*pause, time.Second)
		case *member:
			pause, life = min(20*pause, 2*time.Second), 4*life
		}
		wg.Go(func() {
			for born := time.Now(); ctx.Err() == nil; {
				if life > 0 && time.Since(born) > life {
					a, born = reflect.New(reflect.TypeOf(a).Elem()).Interface().(actor), time.Now()
				}
				err := c.act(name, a)
				switch {
				case err == nil:
					c.steps.Add(1)
					wait(ctx, pause)
				case errors.As(err, new(brokenPromise)):
					cancel()
					return
				default:
					wait(ctx, c.pause+5*time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

// act is one step of one actor. It notes a broken promise.
func (c *cast) act(name string, a actor) error {
	err := a.step(c.s, func() {
		if c.remember != nil {
			c.remember(name, a)
		}
	})
	if err != nil && c.demanding && !errors.As(err, new(brokenPromise)) {
		err = broken("no answer: %v", err)
	}
	if errors.As(err, new(brokenPromise)) {
		err = fmt.Errorf("%s: %w", name, err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs = append(c.errs, err)
	}
	return err
}

// err is every broken promise.
func (c *cast) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

// settle has every actor's steps answered, once more each, by a server that is well: what it was told
// before is looked at in its first step.
func (c *cast) settle(t *testing.T) {
	t.Helper()
	for name, a := range c.actors {
		for range 2 {
			if err := c.act(name, a); err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

// waitForSteps returns once the actors together have had n more answers, or a promise was broken.
func (c *cast) waitForSteps(t *testing.T, n int64) {
	t.Helper()
	goal := c.steps.Load() + n
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.steps.Load() < goal && c.err() == nil {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the actors made no progress for five minutes")
		}
	}
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
}

// wait rests, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// visitor is a person with a browser. Its memory is the cookies.
type visitor struct {
	Cookies  map[string]string
	SignedIn bool // has been, in the session of the cookies

	browser *browser
}

// code gets a code for spa, and signs in for that once.
func (v *visitor) code(s *server, scope string) (*codeFlow, error) {
	if v.browser == nil {
		v.browser = openBrowser(s)
		v.browser.setCookies(v.Cookies)
	}
	v.browser.logins = 0
	f, err := newScopedCode(s, v.browser, scope)
	if v.SignedIn && v.browser.logins > 0 {
		return nil, broken("a session was lost: the user was asked for the password again")
	}
	if err == nil {
		v.SignedIn, v.Cookies = true, v.browser.cookies()
	}
	return f, err
}

// tokens is code, and redeems it.
func (v *visitor) tokens(s *server, scope string) (answer, error) {
	f, err := v.code(s, scope)
	if err != nil {
		return answer{}, err
	}
	a, err := answered(f.redeem())
	if err == nil && a.status != http.StatusOK {
		err = broken("a code that was never sent before: %v", a)
	}
	return a, err
}

// send sends a request with JSON, and returns the status and the body of the answer.
func send(method, target, token string, body any) (status int, answer []byte, err error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, target, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := tokenClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
