package bearer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

// promised is how long it takes at most until a token is refused.
const promised = 2 * time.Second

func claimsOf(c object) *revocation.Claims {
	text := func(name string) string { s, _ := c[name].(string); return s }
	return &revocation.Claims{
		Grant: text("gid"), Session: text("sid"), Subject: text("sub"), Token: text("jti"), Client: text("client_id"),
		IssuedAt: c["iat"].(int64),
	}
}

// Each kind of end refuses the tokens that it concerns, in time, and no others.
func TestEndedTokensAreRefused(t *testing.T) {
	ends := map[string]func(*feed){
		"gid":       func(f *feed) { f.end(revocation.Grant, "g1", 0) },
		"sid":       func(f *feed) { f.end(revocation.Session, "s1", 0) },
		"sub":       func(f *feed) { f.end(revocation.Subject, "alice", time.Now().Unix()) },
		"jti":       func(f *feed) { f.end(revocation.Token, "1", 0) },
		"client_id": func(f *feed) { f.end(revocation.Client, "spa", 0) },
		"all": func(f *feed) {
			f.set(func() { f.all, f.entries = time.Now().Unix(), append(f.entries, revocation.Entry{Kind: 'g'}) })
		},
	}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			follower := f.follow(t)
			v := f.verifier(t, follower)
			alice := goodToken()
			bob := token(header(), object{
				"iss": testIssuer, "aud": testAudience, "sub": "bob", "client_id": "worker", "jti": "2", "gid": "g2", "sid": "s2",
				"iat": time.Now().Unix() + 1, "exp": time.Now().Unix() + 900,
			})
			time.Sleep(time.Minute)
			if err := verifies(v, alice); err != nil {
				t.Fatal(err)
			}
			again := goodClaims() // Alice's next token of the same grant, a second later
			end(f)
			time.Sleep(promised)
			w := serve(v.Protect(hello), get("/", "Bearer "+alice))
			if w.Code != 401 || !strings.Contains(w.Body.String(), "the token has been revoked") || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			fresh := verifies(v, token(header(), again.with("iat", time.Now().Unix())))
			if wantFresh := name == "sub" || name == "all"; (fresh == nil) != wantFresh {
				t.Errorf("%s: a later token: %v", name, fresh)
			}
			if err := verifies(v, bob); (err == nil) != (name != "all") { // Bob's is older than the rule for all
				t.Errorf("%s: Bob: %v", name, err)
			}
			if n := follower.Stats().Refused[name]; n == 0 {
				t.Errorf("%s: not counted: %v", name, follower.Stats().Refused)
			}
		})
	}
}

// A list of the time before the API's start counts at once, and with it what two other instances know.
func TestFollowerLoadsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		for i := range 1000 {
			f.end(revocation.Grant, fmt.Sprint("g", i), 0)
		}
		follower := f.follow(t)
		synctest.Wait()
		if w := serve(follower, get("/metrics")); !strings.Contains(w.Body.String(), `bearer_feed_state{issuer="`+testIssuer+`",state="fresh"} 1`) ||
			!strings.Contains(w.Body.String(), `bearer_feed_entries{issuer="`+testIssuer+`"} 1000`) ||
			!strings.Contains(w.Body.String(), `bearer_feed_loads_total{issuer="`+testIssuer+`",result="full"} 1`) {
			t.Errorf("%s", w.Body)
		}
		if s := follower.Stats(); s.Entries != 1000 || s.State != FeedFresh || s.Loads["full"] != 1 {
			t.Errorf("%+v", s)
		}
		if !follower.Ended(&revocation.Claims{Grant: "g999"}) || follower.Ended(&revocation.Claims{Grant: "g1000"}) || follower.Ended(&revocation.Claims{Session: "g999"}) {
			t.Error("a wrong list")
		}
	})
}

// A document that the issuer has not signed as its feed changes nothing: no entry counts, and none is forgotten.
func TestForeignDocumentsAreIgnored(t *testing.T) {
	typ, padding := header().with("typ", revocation.Type), strings.Repeat("A", revocation.MaxDocument)
	for name, sign := range map[string]func(claims string) string{
		"signature": func(c string) string { return es256(otherKey(), asJSON(typ), c) },
		"unsigned": func(c string) string {
			return b64(`{"alg":"none","typ":"revocations+jwt","kid":"ec"}`) + "." + b64(c) + "."
		},
		"HMAC":         func(c string) string { return hs256([]byte("x"), asJSON(typ.with("alg", "HS256")), c) },
		"unknown kid":  func(c string) string { return es256(ecKey(), asJSON(typ.with("kid", "x")), c) },
		"no kid":       func(c string) string { return es256(ecKey(), asJSON(typ.without("kid")), c) },
		"access token": func(c string) string { return es256(ecKey(), asJSON(header()), c) },
		"no typ":       func(c string) string { return es256(ecKey(), asJSON(typ.without("typ")), c) },
		"crit":         func(c string) string { return es256(ecKey(), asJSON(typ.with("crit", []string{"x"})), c) },
		"iss": func(c string) string {
			return es256(ecKey(), asJSON(typ), strings.ReplaceAll(c, testIssuer, partnerIssuer))
		},
		"no e":    func(c string) string { return es256(ecKey(), asJSON(typ), strings.ReplaceAll(c, `"e":`, `"f":`)) },
		"no JSON": func(string) string { return es256(ecKey(), asJSON(typ), "x") },
		"HTML":    func(string) string { return "<html>" },
		"nothing": func(string) string { return "" },
		"too long": func(c string) string {
			return es256(ecKey(), asJSON(typ), c) + padding
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.end(revocation.Grant, "ended", 0)
			follower := f.follow(t, func(c *FollowerConfig) { c.Lost = Refuse })
			synctest.Wait()
			if s := follower.Stats(); s.Entries != 1 || s.Loads["bad"] != 0 {
				t.Fatalf("%s: %+v", name, s)
			}
			f.set(func() { f.sign = sign })
			f.end(revocation.Grant, "forged", 0)
			time.Sleep(30 * time.Second)
			if follower.Ended(&revocation.Claims{Grant: "forged"}) || !follower.Ended(&revocation.Claims{Grant: "ended"}) {
				t.Errorf("%s: entries were taken or lost", name)
			}
			if s := follower.Stats(); s.Entries != 1 || s.Loads["bad"] == 0 || s.Loads["failed"] < s.Loads["bad"] {
				t.Errorf("%s: %+v", name, s)
			}
			time.Sleep(32 * time.Second) // it is no sign of life either
			if err := follower.Check(); follower.State() != FeedLost || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %s, %v", name, follower.State(), err)
			}
			f.set(func() { f.sign = newFeed().sign })
			time.Sleep(pollRetry + promised)
			if s := follower.Stats(); s.State != FeedFresh || !follower.Ended(&revocation.Claims{Grant: "forged"}) {
				t.Errorf("%s: no recovery: %+v", name, s)
			}
		})
	}
}

// The feed is away for 59 and 61 seconds, with both policies. There is never a 401 for that.
func TestFeedAway(t *testing.T) {
	for policy, statuses := range map[Lost][2]int{GoOn: {200, 200}, Refuse: {200, 503}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.end(revocation.Grant, "ended", 0)
			var log logbook
			follower := f.follow(t, func(c *FollowerConfig) {
				c.Lost, c.Strict = policy, true
				c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			h := f.verifier(t, follower, func(c *Config) { c.Leeway = time.Hour }).Protect(hello)
			good, ended := token(header(), goodClaims()), token(header(), goodClaims().with("gid", "ended"))
			synctest.Wait()
			f.set(func() { f.status = 503 })
			time.Sleep(59 * time.Second)
			if w := serve(h, get("/", "Bearer "+good)); w.Code != statuses[0] || follower.State() != FeedStale || strings.Contains(log.String(), "is lost") {
				t.Errorf("%s: after 59 s: %d, %s", policy, w.Code, follower.State())
			}
			time.Sleep(2 * time.Second)
			w := serve(h, get("/", "Bearer "+good))
			if w.Code != statuses[1] || follower.State() != FeedLost || w.Code == 503 && (w.Header().Get("Retry-After") != "5" || w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s: after 61 s: %d, %s, %v", policy, w.Code, follower.State(), w.Header())
			}
			if w := serve(h, get("/", "Bearer "+ended)); policy == GoOn && w.Code != 401 || policy == Refuse && w.Code != 503 {
				t.Errorf("%s: an ended token: %d", policy, w.Code)
			}
			time.Sleep(9 * time.Minute)
			if n := strings.Count(log.String(), "is lost"); n != 1 {
				t.Errorf("%s: %d alarms", policy, n)
			}
			if n := len(f.asked()); n < 60 || n > 180 { // it tries every ten seconds or so
				t.Errorf("%s: %d requests in ten minutes", policy, n)
			}
			f.set(func() { f.status = 0 })
			time.Sleep(pollRetry)
			if w := serve(h, get("/", "Bearer "+good)); w.Code != 200 || follower.State() != FeedFresh || !strings.Contains(log.String(), "is back") {
				t.Errorf("%s: no recovery: %d, %s", policy, w.Code, follower.State())
			}
		})
	}
}

// At the start a minute passes before Lost decides; a strict start refuses until the first list.
func TestFeedAwayAtStart(t *testing.T) {
	for _, test := range []struct {
		lost           Lost
		strict         bool
		before, after  bool // honoured in the first minute, and later
		running        bool
		wantAlarmAfter bool
	}{
		{GoOn, false, true, true, true, true},
		{GoOn, true, false, false, true, true},
		{Refuse, false, true, false, true, true},
		{Refuse, true, false, false, true, true},
		{Refuse, false, true, false, false, true}, // somebody forgot to call Run
		{GoOn, true, false, false, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.down = true
			var log logbook
			set := func(c *FollowerConfig) {
				c.Lost, c.Strict, c.Logger = test.lost, test.strict, slog.New(slog.NewTextHandler(&log, nil))
			}
			var follower *Follower
			if test.running {
				follower = f.follow(t, set)
			} else {
				cfg := FollowerConfig{Issuer: testIssuer}
				set(&cfg)
				follower = must(NewFollower(cfg))
			}
			time.Sleep(59 * time.Second)
			if err := follower.Check(); (err == nil) != test.before || err != nil && !errors.Is(err, ErrUnavailable) {
				t.Errorf("%+v: before: %v", test, err)
			}
			time.Sleep(2 * time.Second)
			if err := follower.Check(); (err == nil) != test.after {
				t.Errorf("%+v: after: %v", test, err)
			}
			if strings.Contains(log.String(), "is lost") != test.wantAlarmAfter {
				t.Errorf("%+v: %s", test, log.String())
			}
			if !test.running {
				return
			}
			f.issuer.set(func(is *issuer) { is.down = false })
			time.Sleep(pollRetry + promised)
			if err := follower.Check(); err != nil || follower.State() != FeedFresh {
				t.Errorf("%+v: no recovery: %v", test, err)
			}
		})
	}
}

// No clock has to agree with another: entries count, and the feed is fresh.
func TestClocksDiffer(t *testing.T) {
	for _, ahead := range []time.Duration{5 * time.Minute, -5 * time.Minute, -time.Hour, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.ahead = ahead
			follower := f.follow(t, func(c *FollowerConfig) { c.Lost = Refuse })
			time.Sleep(5 * time.Minute)
			c := claimsOf(goodClaims().with("iat", time.Now().Add(ahead).Unix()))
			if follower.Ended(c) || follower.Check() != nil || follower.State() != FeedFresh {
				t.Errorf("%v: %s", ahead, follower.State())
			}
			f.end(revocation.Subject, "alice", c.IssuedAt)
			time.Sleep(promised)
			if !follower.Ended(c) {
				t.Errorf("%v: the entry does not count", ahead)
			}
			c.IssuedAt++
			if follower.Ended(c) {
				t.Errorf("%v: the next token is refused", ahead)
			}
			time.Sleep(time.Hour) // and is forgotten by the follower's clock
			f.end(revocation.Grant, "x", 0)
			time.Sleep(promised)
			if n := follower.Stats().Entries; n != 1 {
				t.Errorf("%v: %d entries", ahead, n)
			}
		})
	}
}

// A server's clock that is set back an hour: what it ends from now on counts all the same.
func TestServersClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		follower := f.follow(t)
		time.Sleep(time.Minute)
		f.set(func() { f.ahead = -time.Hour })
		for i := range 10 {
			id := fmt.Sprint("g", i)
			f.end(revocation.Grant, id, 0)
			time.Sleep(promised)
			if !follower.Ended(&revocation.Claims{Grant: id}) {
				t.Errorf("entry %d does not count", i)
			}
		}
		if n := len(f.asked()); n > 60 {
			t.Errorf("%d requests", n)
		}
	})
}

// An issuer that was restored from a backup has forgotten what the follower knows.
func TestNewEpochForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.end(revocation.Grant, "before", 0)
		follower := f.follow(t)
		synctest.Wait()
		f.set(func() { f.epoch, f.entries = "two", nil })
		time.Sleep(promised)
		f.end(revocation.Grant, "after", 0)
		time.Sleep(promised)
		for id, want := range map[string]bool{"before": true, "after": true, "never": false} {
			if follower.Ended(&revocation.Claims{Grant: id}) != want {
				t.Errorf("%s: %t", id, !want)
			}
		}
		if s := follower.Stats(); s.Entries != 2 || s.Loads["full"] != 2 || s.State != FeedFresh {
			t.Errorf("%+v", s)
		}
		time.Sleep(990 * time.Second)
		f.end(revocation.Grant, "later", 0)
		time.Sleep(promised + time.Minute)
		f.end(revocation.Grant, "last", 0)
		time.Sleep(promised)
		if n := follower.Stats().Entries; n != 2 {
			t.Errorf("%d entries after the window", n)
		}
	})
}

// After a document that leaves something out, the whole list is loaded.
func TestGapLoadsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		follower := f.follow(t)
		synctest.Wait()
		good, once := f.sign, true
		f.set(func() {
			f.sign = func(claims string) string {
				if strings.Contains(claims, `"from":0`) && once {
					claims, once = strings.NewReplacer(`"from":0`, `"from":1`, `"e":{"g":[[`, `"e":{"t":[[`).Replace(claims), false
				}
				return good(claims)
			}
		})
		f.end(revocation.Grant, "left out", 0)
		time.Sleep(promised)
		if s := follower.Stats(); !follower.Ended(&revocation.Claims{Grant: "left out"}) || s.Loads["gap"] != 1 || s.Loads["full"] != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// A cache that shows one document for ever is no sign of life.
func TestOneDocumentForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		follower := f.follow(t)
		synctest.Wait()
		frozen := f.sign(f.document(revocation.Cursor{}, false))
		f.set(func() { f.sign = func(string) string { return frozen } })
		time.Sleep(62 * time.Second)
		if s := follower.Stats(); s.State != FeedLost {
			t.Errorf("%+v", s)
		}
	})
}

// A server without long polls is asked about once a second.
func TestFeedWithoutLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.noWait = true
		follower := f.follow(t)
		time.Sleep(100 * time.Second)
		if n := len(f.asked()); n < 50 || n > 200 {
			t.Errorf("%d requests in 100 seconds", n)
		}
		f.end(revocation.Grant, "g1", 0)
		time.Sleep(promised)
		if !follower.Ended(&revocation.Claims{Grant: "g1"}) {
			t.Error("not ended")
		}
	})
}

// A server that repeats itself at once is asked four times a second.
func TestFeedRepeatsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		f.noWait, f.overlap = true, true
		f.end(revocation.Grant, "g1", 0)
		f.follow(t)
		time.Sleep(10 * time.Second)
		if n := len(f.asked()); n > 42 {
			t.Errorf("%d requests in ten seconds", n)
		}
	})
}

// A connection that hangs is given up in time for the feed not to be lost.
func TestFeedHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		follower := f.follow(t, func(c *FollowerConfig) { c.Lost, c.Client.Timeout = Refuse, time.Second })
		synctest.Wait()
		f.set(func() { f.hangs = true })
		time.Sleep(29 * time.Second)
		f.set(func() { f.hangs = false })
		time.Sleep(10 * time.Second)
		if s := follower.Stats(); s.State != FeedFresh || s.Loads["failed"] != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// 503 with Retry-After is heeded, within bounds. A redirect is not followed.
func TestFeedRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		header     http.Header
		least, max int // requests in a minute
	}{
		"Retry-After 20":      {503, http.Header{"Retry-After": {"20"}}, 3, 4},
		"Retry-After 1 year":  {503, http.Header{"Retry-After": {"31536000"}}, 2, 3},
		"Retry-After -1":      {429, http.Header{"Retry-After": {"-1"}}, 6, 25},
		"Retry-After garbage": {503, http.Header{"Retry-After": {"soon"}}, 6, 25},
		"redirect":            {302, http.Header{"Location": {"https://evil.example/"}}, 6, 25},
		"not found":           {404, nil, 6, 25},
		"unauthorized":        {401, nil, 6, 25},
		"nothing new":         {304, nil, 6, 25},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.status, f.header = test.status, test.header
			follower := f.follow(t)
			time.Sleep(time.Minute)
			if n := len(f.asked()); n < test.least || n > test.max {
				t.Errorf("%s: %d requests in a minute", name, n)
			}
			if s := follower.Stats(); s.State != FeedLost || s.Loads["full"] != 0 {
				t.Errorf("%s: %+v", name, s)
			}
			for _, asked := range append(f.issuer.requests, f.asked()[0].URL.String()) {
				if !strings.HasPrefix(asked, testIssuer+"/") {
					t.Errorf("%s: asked %s", name, asked)
				}
			}
		})
	}
}

// An issuer without a feed, and one whose feed is no https URL.
func TestNoFeedInMetadata(t *testing.T) {
	for _, at := range []any{nil, "http://id.example.com/revocations", "/revocations", 1} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			f.answer = func(url string) (int, string, bool) {
				document := object{"issuer": testIssuer, "jwks_uri": testIssuer + "/jwks.json", "authzd_revocations_endpoint": at}
				return 200, asJSON(document), strings.HasSuffix(url, "/.well-known/oauth-authorization-server")
			}
			follower := f.follow(t, func(c *FollowerConfig) { c.Strict = true })
			time.Sleep(time.Minute)
			if err := follower.Check(); len(f.asked()) != 0 || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v: %d requests, %v", at, len(f.asked()), err)
			}
		})
	}
}

// With revocations.access: clients, the follower proves who it is. A fixed URL needs no metadata.
func TestFollowerAuthenticates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		follower := f.follow(t, func(c *FollowerConfig) {
			c.URL, c.ClientID, c.ClientSecret = feedAt, testAudience, "s:ecret"
		})
		synctest.Wait()
		id, secret, _ := f.asked()[0].BasicAuth()
		if id != "https%3A%2F%2Fapi.example.com" || secret != "s%3Aecret" || follower.State() != FeedFresh {
			t.Errorf("Basic %q:%q, %s", id, secret, follower.State())
		}
		if q := f.asked()[0].URL.RawQuery; q != "" {
			t.Errorf("first request: %q", q)
		}
		if q := f.asked()[1].URL.RawQuery; q != "after=one.0&wait=25" {
			t.Errorf("second request: %q", q)
		}
	})
}

func TestFollowerConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]FollowerConfig{
		"an Issuer is required": {},
		"must be an https URL":  {Issuer: "http://id.example.com"},
		"the URL":               {Issuer: testIssuer, URL: "http://id.example.com/revocations"},
		"without userinfo":      {Issuer: testIssuer, URL: "https://id.example.com/revocations?x=y"},
		"the policy Lost":       {Issuer: testIssuer, Lost: "shrug"},
		"belong together":       {Issuer: testIssuer, ClientID: "api"},
		"two ways":              {Issuer: testIssuer, ClientID: "api", ClientSecret: "x", Authenticate: func(url.Values, http.Header) error { return nil }},
	} {
		if _, err := NewFollower(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	other := must(NewFollower(FollowerConfig{Issuer: partnerIssuer}))
	_, err := New(Config{Issuer: testIssuer, Audience: testAudience, Revocations: other})
	if err == nil || !strings.Contains(err.Error(), "follow another issuer") {
		t.Error(err)
	}
}

// A token that the feed has ended is refused, also if the issuer has called it active a moment ago. The age of the feed
// does not matter: the issuer itself was asked.
func TestFeedEndsOpaqueTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := newFeed(), newOracle()
		o.issuer = f.issuer
		answer := f.answer
		f.answer = func(url string) (int, string, bool) {
			status, body, ok := answer(url)
			return status, strings.Replace(body, "{", `{"introspection_endpoint":"`+introspectAt+`",`, 1), ok
		}
		o.says = map[string]any{opaque: active(), "azt_bob": active().with("sub", "bob").with("sid", "s2").with("gid", "g2")}
		v := f.verifier(t, f.follow(t, func(c *FollowerConfig) { c.Lost = Refuse }), func(c *Config) {
			c.Introspection = &Introspection{ClientSecret: "x", Client: &http.Client{Transport: o}}
		})
		for range 3 {
			if err := errors.Join(verifies(v, opaque), verifies(v, "azt_bob")); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		f.end(revocation.Subject, "alice", time.Now().Unix()) // her roles have changed
		time.Sleep(promised)
		if err := verifies(v, opaque); !errors.Is(err, errRevoked) {
			t.Errorf("Alice: %v", err)
		}
		o.set(func() { o.says["azt_next"] = active().with("iat", time.Now().Unix()) })
		if err := errors.Join(verifies(v, "azt_bob"), verifies(v, "azt_next")); err != nil {
			t.Errorf("Bob, and Alice's next token: %v", err)
		}
		if n := o.count(); n != 3 {
			t.Errorf("asked %d times", n)
		}
		f.set(func() { f.status = 503 })
		time.Sleep(2 * time.Minute)
		if err := verifies(v, "azt_bob"); err != nil {
			t.Errorf("without the feed: %v", err)
		}
	})
}

// A connection that outlives its request ends with the token: at exp, by the feed, or with its caller.
func TestWatch(t *testing.T) {
	for want, test := range map[string]struct {
		end   func(*feed, context.CancelFunc)
		after time.Duration
	}{
		"the token has expired":      {func(*feed, context.CancelFunc) {}, 900 * time.Second},
		"the token has been revoked": {func(f *feed, _ context.CancelFunc) { f.end(revocation.Session, "s1", 0) }, promised},
		"context canceled":           {func(_ *feed, cancel context.CancelFunc) { cancel() }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFeed()
			follower := f.follow(t)
			v := f.verifier(t, follower)
			p := must(v.Verify(t.Context(), goodToken()))
			ctx, cancel := context.WithCancel(t.Context())
			watched, stop := v.Watch(ctx, p)
			defer stop()
			f.end(revocation.Session, "another", 0)
			time.Sleep(promised)
			if watched.Err() != nil {
				t.Fatalf("%s: ended at once: %v", want, context.Cause(watched))
			}
			start := time.Now()
			test.end(f, cancel)
			<-watched.Done()
			if err := context.Cause(watched); !strings.Contains(err.Error(), want) || time.Since(start) > test.after {
				t.Errorf("%v after %v, want %s", err, time.Since(start), want)
			}
			cancel()
		})
	}
	v := newIssuer().verifier(t)
	watched, stop := v.Watch(t.Context(), &Principal{Subject: "by cookie"})
	if watched.Err() != nil {
		t.Error(watched.Err())
	}
	if stop(); watched.Err() == nil {
		t.Error("not stopped")
	}
}
