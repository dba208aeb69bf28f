package bearer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/jwks"
)

// The tests below run on the clock of a synctest bubble: time.Sleep there moves time and takes none.

func verifies(v *Verifier, token string) error {
	_, err := v.Verify(context.Background(), token)
	return err
}

func rotated(kid string) object { return header().with("kid", kid) }

func (is *issuer) publish(kid string) {
	is.set(func(is *issuer) {
		is.keys = append(is.keys, jose.JSONWebKey{Key: ecKey().Public(), KeyID: kid, Use: "sig"})
	})
}

func TestParallelFirstRequestsFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.gate = make(chan struct{})
		v := is.verifier(t)
		var wg sync.WaitGroup
		errs := make(chan error, 200)
		for range 200 {
			wg.Go(func() { errs <- verifies(v, goodToken()) })
		}
		synctest.Wait() // all of them hang on the issuer
		close(is.gate)
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(is.requests) != 2 {
			t.Errorf("requests: %q, want metadata and keys once each", is.requests)
		}
	})
}

// The first request gives up; those that wait for the same fetch must not suffer.
func TestFetchOutlivesTheRequestThatCausedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.gate = make(chan struct{})
		v := is.verifier(t)
		ctx, cancel := context.WithCancel(context.Background())
		var first, second error
		var wg sync.WaitGroup
		wg.Go(func() { _, first = v.Verify(ctx, goodToken()) })
		synctest.Wait()
		wg.Go(func() { second = verifies(v, goodToken()) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(is.gate)
		wg.Wait()
		if !errors.Is(first, ErrUnavailable) || !errors.Is(first, context.Canceled) || second != nil {
			t.Errorf("first %v, second %v", first, second)
		}
	})
}

func TestUnknownKeyFloodFetchesOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		v := is.verifier(t, func(c *Config) { c.RefreshInterval = time.Minute })
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		flood := []string{token(rotated("a"), goodClaims()), token(rotated("b"), goodClaims())}
		for range 601 {
			for _, unknown := range flood {
				err := verifies(v, unknown)
				if invalid := (*TokenError)(nil); !errors.As(err, &invalid) {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if n := is.fetches(); n != 11 { // the first, and one for each of the ten minutes
			t.Errorf("%d fetches in ten minutes", n)
		}
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		v := is.verifier(t)
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(defaultRefreshInterval)
		is.publish("new")
		if err := verifies(v, token(rotated("new"), goodClaims())); err != nil {
			t.Errorf("a new key is not found: %v", err)
		}
		if err := verifies(v, goodToken()); err != nil {
			t.Errorf("the old key is gone: %v", err)
		}
		if n := is.fetches(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

// A key that the issuer has withdrawn stops working when the set has expired, also if no request
// came for long: the first one must not be let through on old keys.
func TestWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.cache = "public, max-age=600"
		v := is.verifier(t)
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		is.set(func(is *issuer) { is.keys = is.keys[:1] })
		time.Sleep(599 * time.Second)
		synctest.Wait()
		if n := is.fetches(); n != 1 {
			t.Errorf("%d fetches before max-age", n)
		}
		time.Sleep(time.Second)
		if err := verifies(v, goodToken()); err == nil {
			t.Error("withdrawn key accepted after max-age")
		}
	})
}

// With steady traffic the keys are renewed before they expire, and no request waits for it.
func TestAgingKeysAreFetchedInBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.cache = "max-age=600"
		v := is.verifier(t)
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		is.set(func(is *issuer) { is.gate = make(chan struct{}) })
		time.Sleep(460 * time.Second)
		start := time.Now()
		if err := verifies(v, goodToken()); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(is.gate)
		synctest.Wait()
		if n := is.fetches(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestStaleKeysWhileTheIssuerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.cache = "max-age=600"
		v := is.verifier(t)
		long := goodClaims().with("exp", time.Now().Add(48*time.Hour).Unix())
		if err := verifies(v, token(header(), long)); err != nil {
			t.Fatal(err)
		}
		is.set(func(is *issuer) { is.down = true })
		for range 23 {
			time.Sleep(time.Hour)
			if err := verifies(v, token(header(), long)); err != nil {
				t.Fatalf("known key, after %v: %v", time.Since(time.Unix(long["iat"].(int64), 0)), err)
			}
			// Nobody can tell whether the issuer has this one.
			if err := verifies(v, token(rotated("new"), long)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("unknown key: %v", err)
			}
		}
		time.Sleep(2 * time.Hour)
		if err := verifies(v, token(header(), long)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("keys of a day ago still used: %v", err)
		}
		is.set(func(is *issuer) { is.down = false })
		time.Sleep(time.Minute)
		if err := verifies(v, token(header(), long)); err != nil {
			t.Errorf("no recovery: %v", err)
		}
	})
}

// An issuer that hangs costs the first request after the expiry its time, not every one.
func TestHangingIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.cache = "max-age=600"
		v := is.verifier(t)
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		is.set(func(is *issuer) { is.gate = make(chan struct{}) })
		time.Sleep(601 * time.Second)
		for i, want := range []time.Duration{refreshTimeout, 0, 0} {
			start := time.Now()
			if err := verifies(v, goodToken()); err != nil || time.Since(start) != want {
				t.Errorf("request %d: %v after %v, want it after %v", i, err, time.Since(start), want)
			}
			time.Sleep(time.Minute) // lets a fetch in the background fail, and the next be due
		}
	})
}

func TestNoKeysAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.down = true
		var log bytes.Buffer
		v := is.verifier(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 60 * 20 {
			if err := verifies(v, goodToken()); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		attempts := strings.Count(log.String(), "fetch of signing keys failed")
		if attempts != 6 { // after 0, 1, 3, 7, 15 and 31 seconds
			t.Errorf("%d attempts in a minute:\n%s", attempts, log.String())
		}
		if after := v.authorities[0].keys.retryAfter(); after < time.Second || after > defaultRefreshInterval {
			t.Errorf("retry after %v", after)
		}
		is.set(func(is *issuer) { is.down = false })
		time.Sleep(v.authorities[0].keys.retryAfter())
		if err := verifies(v, goodToken()); err != nil {
			t.Errorf("no recovery: %v", err)
		}
	})
}

// An issuer whose keys have moved is found again.
func TestJWKSMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := newIssuer()
		is.cache = "max-age=60"
		v := is.verifier(t)
		if err := verifies(v, goodToken()); err != nil {
			t.Fatal(err)
		}
		is.set(func(is *issuer) {
			is.answer = func(url string) (int, string, bool) {
				switch url {
				case testIssuer + "/.well-known/oauth-authorization-server":
					return 200, asJSON(object{"issuer": testIssuer, "jwks_uri": testIssuer + "/keys"}), true
				case testIssuer + "/keys":
					return 200, asJSON(object{"keys": []any{jose.JSONWebKey{Key: ecKey().Public(), KeyID: "moved"}}}), true
				}
				return 404, "", true
			}
		})
		time.Sleep(time.Minute)
		moved := token(rotated("moved"), goodClaims())
		if err := verifies(v, moved); !errors.Is(err, ErrUnavailable) {
			t.Errorf("while the old place answers 404: %v", err)
		}
		time.Sleep(firstRetry)
		if err := verifies(v, moved); err != nil {
			t.Error(err)
		}
	})
}

// Keys live at least an interval and at most a day, with any answer of the issuer.
func TestLifetimeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for cache, want := range map[string]time.Duration{"no-store": defaultRefreshInterval, "max-age=2000000000": maxLifetime} {
			is := newIssuer()
			is.cache = cache
			v := is.verifier(t)
			if err := verifies(v, goodToken()); err != nil {
				t.Fatal(err)
			}
			fetched := time.Now()
			is.set(func(is *issuer) { is.gate = make(chan struct{}) }) // who needs a fetch now waits
			for _, age := range []time.Duration{want - 1, want} {
				time.Sleep(age - time.Since(fetched))
				start := time.Now()
				if err := verifies(v, goodToken()); err != nil {
					t.Fatal(err)
				}
				if fresh := time.Since(start) == 0; fresh != (age < want) {
					t.Errorf("%s: keys of an age of %v are fresh: %t", cache, age, fresh)
				}
			}
		}
	})
}

func TestParseKeysSkipsWhatItCannotUse(t *testing.T) {
	byID, err := parseKeys([]byte(asJSON(object{"keys": append(oddKeys(), newIssuer().keys...)})))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if want := []string{"ec", "ed", "es384", "rsa"}; !slices.Equal(ids, want) {
		t.Errorf("kept %v, want %v", ids, want) // es384 does not fit any token: see TestVerifyRefuses
	}
	many := slices.Repeat([]any{jose.JSONWebKey{Key: ecKey().Public(), KeyID: "x"}}, jwks.MaxKeys+1)
	for name, body := range map[string]string{
		"none": `{"keys":[]}`, "absent": `{}`, "null": `null`, "no JSON": `<html>`, "no list": `{"keys":{}}`,
		"only unusable": asJSON(object{"keys": oddKeys()[:2]}), "too many": asJSON(object{"keys": many}),
	} {
		if _, err := parseKeys([]byte(body)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
