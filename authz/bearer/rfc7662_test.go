package bearer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	opaque       = "azt_0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
	introspectAt = testIssuer + "/introspect"
)

// oracle is an issuer that answers introspections.
type oracle struct {
	*issuer

	mu        sync.Mutex
	says      map[string]any // by token; what is not there is inactive
	status    int            // 0: 200
	body      string         // "": from says
	gate      chan struct{}  // nil, or closed to let answers out
	questions []*http.Request
	asked     []string // the tokens
}

func newOracle() *oracle {
	o := &oracle{issuer: newIssuer(), says: map[string]any{opaque: active()}}
	o.answer = func(url string) (int, string, bool) {
		document := object{"issuer": testIssuer, "jwks_uri": testIssuer + "/jwks.json", "introspection_endpoint": introspectAt}
		return 200, asJSON(document), strings.HasSuffix(url, "/.well-known/oauth-authorization-server")
	}
	return o
}

func active() object {
	return goodClaims().with("active", true).with("token_type", "Bearer").with("username", "alice")
}

func (o *oracle) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() != introspectAt {
		return o.issuer.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.questions, o.asked = append(o.questions, r), append(o.asked, r.PostForm.Get("token"))
	said, ok := o.says[r.PostForm.Get("token")]
	status, text, gate := max(o.status, 200), o.body, o.gate
	o.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if !ok {
		said = object{"active": false}
	}
	if text == "" {
		text = asJSON(said)
	}
	return &http.Response{StatusCode: status, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func (o *oracle) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.questions)
}

func (o *oracle) verifier(t testing.TB, change ...func(*Config)) *Verifier {
	return o.issuer.verifier(t, append([]func(*Config){func(c *Config) {
		c.Client = &http.Client{Transport: o}
		c.Introspection = &Introspection{ClientSecret: "s:ecret"}
	}}, change...)...)
}

func TestRFC7662Section2_1_Request(t *testing.T) {
	o := newOracle()
	v := o.verifier(t)
	w := serve(v.Protect(RequireScope("orders.read")(RequireRole("admin")(hello))), get("/", "Bearer "+opaque))
	if w.Code != 200 || w.Body.String() != "hello alice" {
		t.Fatal(w.Code, w.Body)
	}
	q := o.questions[0]
	id, secret, ok := q.BasicAuth()
	if !ok || id != "https%3A%2F%2Fapi.example.com" || secret != "s%3Aecret" { // RFC 6749 section 2.3.1
		t.Errorf("Basic %q:%q", id, secret)
	}
	if q.Method != "POST" || q.PostForm.Get("token_type_hint") != "access_token" || q.PostForm.Has("client_id") || q.URL.RawQuery != "" {
		t.Errorf("%s %s %v", q.Method, q.URL, q.PostForm)
	}

	certified := o.verifier(t, func(c *Config) {
		c.Introspection = &Introspection{ClientID: "reports", Client: &http.Client{Transport: o}}
	})
	if err := verifies(certified, opaque); err != nil {
		t.Fatal(err)
	}
	if q := o.questions[1]; q.Header.Get("Authorization") != "" || q.PostForm.Get("client_id") != "reports" {
		t.Errorf("%v %v", q.Header, q.PostForm)
	}
}

// The answer of the issuer is checked as a JWT would be.
func TestRFC7662Section2_2_Refused(t *testing.T) {
	o := newOracle()
	v := o.verifier(t)
	now := time.Now().Unix()
	for reason, answers := range map[string]map[string]any{
		"the token is not active": {"inactive": object{"active": false}, "inactive with claims": active().with("active", false)},
		"the token is not an access token": {
			"a refresh token": active().with("token_type", "refresh_token"), "an ID token": active().with("nonce", "x"),
			"another type": active().with("token_type", "N_A"),
		},
		"the token is from another issuer":                            {"iss": active().with("iss", partnerIssuer)},
		"the token is for another audience":                           {"aud": active().with("aud", "https://other.example"), "list": active().with("aud", []string{"a", "b"})},
		"the token has no audience":                                   {"no aud": active().without("aud")},
		"the token has expired":                                       {"exp": active().with("exp", now-31)},
		"the token is not valid yet":                                  {"nbf": active().with("nbf", now+60)},
		"the token has no subject":                                    {"no sub": active().without("sub")},
		"the token is bound to a key in a way that is not known here": {"cnf": active().with("cnf", object{"kid": "x"})},
		"the token is bound to a key":                                 {"jkt": active().with("cnf", object{"jkt": "x"})},
	} {
		for name, said := range answers {
			token := "azt_" + b64(name)
			o.set(func() { o.says[token] = said })
			p, err := v.Verify(t.Context(), token)
			if invalid := (*TokenError)(nil); p != nil || !errors.As(err, &invalid) || invalid.Reason != reason {
				t.Errorf("%s: %+v, %v; want %q", name, p, err, reason)
			}
		}
	}
	for name, said := range map[string]object{
		"no iss": active().without("iss"), "no type": active().without("token_type"), "no exp": active().without("exp"),
		"no jti": active().without("jti"), "type in another case": active().with("token_type", "bearer"),
	} {
		token := "azt_" + b64(name)
		o.set(func() { o.says[token] = said })
		if p, err := v.Verify(t.Context(), token); err != nil || p.Issuer != testIssuer {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// A broken answer, or one about the API itself, says nothing about the token: 503, and the client keeps it.
func TestRFC7662_BrokenAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"our secret is wrong": {401, `{"error":"invalid_client"}`}, "forbidden": {403, `{}`}, "gone": {404, `{}`},
		"redirect": {302, `{"active":true}`}, "broken": {500, ``}, "busy": {503, ``}, "created": {201, asJSON(active())},
		"no JSON": {200, `<html>`}, "a list": {200, `[]`}, "null": {200, `null`}, "no active": {200, asJSON(active().without("active"))},
		"active a string": {200, asJSON(active().with("active", "true"))}, "active null": {200, `{"active":null}`},
		"active twice": {200, `{"active":false,"active":true,"sub":"x"}`}, "ACTIVE": {200, asJSON(active().without("active").with("ACTIVE", true))},
		"sub a number": {200, asJSON(active().with("sub", 1))}, "too large": {200, asJSON(active()) + strings.Repeat(" ", maxDocument)},
		"details": {200, asJSON(active().with("authorization_details", []any{object{}}))},
	} {
		o := newOracle()
		o.status, o.body = test.status, test.body
		var log bytes.Buffer
		v := o.verifier(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		w := serve(v.Protect(hello), get("/", "Bearer "+opaque))
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if text := log.String() + w.Body.String(); !strings.Contains(text, "introspection failed") || strings.Contains(text, "azt_") || strings.Contains(text, "ecret") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Only what may be a token of the issuer is shown to it.
func TestIntrospectionShowsNoOtherToken(t *testing.T) {
	for prefix, shown := range map[string]map[string]bool{
		"":     {opaque: true, "abc": true, goodToken(): false, "a b": false, "ü": false, "": false, "a.b.c": false, strings.Repeat("a", maxToken+1): false},
		"azt_": {opaque: true, "abc": false, goodToken(): false, "azr_refresh": false, "AZT_x": false, "azt_a b": false, "azt_x\n": false},
	} {
		for token, want := range shown {
			o := newOracle()
			v := o.verifier(t, func(c *Config) { c.Introspection.Prefix = prefix })
			_ = verifies(v, token)
			if asked := o.count() == 1; asked != want {
				t.Errorf("prefix %q, token %.20q: asked %t", prefix, token, asked)
			}
		}
	}
	o := newOracle()
	v := o.issuer.verifier(t, func(c *Config) { c.Client = &http.Client{Transport: o} })
	if err := verifies(v, opaque); !errors.As(err, new(*TokenError)) || o.count() != 0 {
		t.Errorf("without Introspection: %v, asked %d times", err, o.count())
	}
}

// A JWT beside it is still checked here.
func TestIntrospectionLeavesJWTsAlone(t *testing.T) {
	o := newOracle()
	v := o.verifier(t)
	if err := verifies(v, goodToken()); err != nil || o.count() != 0 {
		t.Errorf("%v, asked %d times", err, o.count())
	}
}

func TestIntrospectionIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		says  any
		lives time.Duration
	}{
		"active":             {active(), keepActive},
		"active, 20 seconds": {active().with("exp", float64(946684820)), 20 * time.Second}, // the bubble begins in 2000
		"no exp":             {active().without("exp"), keepActive},
		"inactive":           {object{"active": false}, keepInactive},
		"for somebody else":  {active().with("aud", "x"), keepInactive},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := newOracle()
			if said := test.says.(object); said["active"] == true && said["exp"] != nil && name == "active" {
				test.says = said.with("exp", time.Now().Unix()+900)
			}
			o.says[opaque] = test.says
			v := o.verifier(t)
			first := verifies(v, opaque)
			time.Sleep(test.lives - 1)
			if again := verifies(v, opaque); o.count() != 1 || (first == nil) != (again == nil) {
				t.Errorf("%s: asked %d times, %v, %v", name, o.count(), first, again)
			}
			time.Sleep(time.Nanosecond)
			if _ = verifies(v, opaque); o.count() != 2 {
				t.Errorf("%s: asked %d times after %v", name, o.count(), test.lives)
			}
		})
	}
}

// A token that was revoked is refused at the latest a minute later.
func TestIntrospectionAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		o.says[opaque] = active().with("exp", time.Now().Unix()+900)
		v := o.verifier(t)
		if err := verifies(v, opaque); err != nil {
			t.Fatal(err)
		}
		o.set(func() { delete(o.says, opaque) })
		time.Sleep(keepActive)
		if err := verifies(v, opaque); !errors.As(err, new(*TokenError)) {
			t.Error(err)
		}
	})
}

func TestIntrospectionIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		o.says[opaque] = active().with("exp", time.Now().Unix()+900)
		o.gate = make(chan struct{})
		v := o.verifier(t)
		hurried, cancel := context.WithCancel(t.Context())
		var gaveUp error
		var wg sync.WaitGroup
		wg.Go(func() { _, gaveUp = v.Verify(hurried, opaque) }) // causes the question, and does not wait for it
		synctest.Wait()
		errs := make(chan error, 200)
		for range 200 {
			wg.Go(func() { errs <- verifies(v, opaque) })
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(o.gate)
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !errors.Is(gaveUp, ErrUnavailable) || o.count() != 1 {
			t.Errorf("%v, asked %d times", gaveUp, o.count())
		}
	})
}

// Each caller gets another principal.
func TestIntrospectionSharesNoPrincipal(t *testing.T) {
	o := newOracle()
	v := o.verifier(t)
	first, err := v.Verify(t.Context(), opaque)
	if err != nil {
		t.Fatal(err)
	}
	first.Subject = "mallory"
	if second, err := v.Verify(t.Context(), opaque); err != nil || second.Subject != "alice" {
		t.Errorf("%+v, %v", second, err)
	}
}

// An issuer that is away is asked once a second, a hanging one by a bounded number of requests.
func TestIntrospectionWhileTheIssuerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle()
		v := o.verifier(t)
		if err := verifies(v, opaque); err != nil { // finds the endpoint
			t.Fatal(err)
		}
		o.set(func() { o.status = 500 })
		for i := range 100 {
			if err := verifies(v, "azt_"+strconv.Itoa(i)); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := o.count() - 1; n != 10 {
			t.Errorf("asked %d times in ten seconds", n)
		}
		o.set(func() { o.status, o.gate = 0, make(chan struct{}) })
		time.Sleep(restAfterFailure)
		var wg sync.WaitGroup
		var refused int
		var mu sync.Mutex
		before := o.count()
		for i := range 2 * maxWaiting {
			wg.Go(func() {
				start := time.Now()
				if err := verifies(v, fmt.Sprintf("azt_hang%d", i)); !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if time.Since(start) == 0 {
					refused++
				}
			})
		}
		synctest.Wait()
		if asked := o.count() - before; asked != maxQuestions || refused != maxWaiting {
			t.Errorf("%d questions at once, %d refused at once", asked, refused)
		}
		wg.Wait()
		close(o.gate)
		time.Sleep(restAfterFailure)
		o.set(func() { o.says["azt_back"] = active().with("exp", time.Now().Unix()+900) })
		if err := verifies(v, "azt_back"); err != nil {
			t.Errorf("no recovery: %v", err)
		}
	})
}

// An opaque token that is bound to a key needs its proof.
func TestIntrospectionOfBoundTokens(t *testing.T) {
	o := newOracle()
	o.says[opaque] = active().with("token_type", "DPoP").with("cnf", object{"jkt": thumbprint(clientKey())})
	h := o.verifier(t).Protect(hello)
	if w := serve(h, get("/", "Bearer "+opaque)); w.Code != 401 {
		t.Errorf("without a proof: %d", w.Code)
	}
	if w := serve(h, proved("/", "DPoP", opaque, proof(clientKey(), proofClaims(opaque)))); w.Code != 200 {
		t.Errorf("with its proof: %d %s", w.Code, w.Body)
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := recent[int]{max: 1000}
	key := func(i int) (h tokenHash) { copy(h[:], strconv.Itoa(i)); return h }
	for i := range 100_000 {
		r.put(key(i), i)
		if n := len(r.young) + len(r.old); n > 1000 {
			t.Fatalf("%d are kept", n)
		}
		if v, ok := r.get(key(0)); !ok || v != 0 {
			t.Fatalf("after %d: a value in use was dropped", i)
		}
		if v, ok := r.get(key(max(0, i-240))); !ok || v != max(0, i-240) {
			t.Fatalf("after %d: a value of late was dropped", i)
		}
	}
}

func FuzzIntrospectionAnswer(f *testing.F) {
	f.Add([]byte(asJSON(active())))
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(`{"active":true,"token_type":"refresh_token","sub":"x","aud":["https://api.example.com"]}`))
	f.Add([]byte(`{"active":true,"active":false}`))
	i := newOracle().verifier(f).authorities[0].asks
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := i.read(body, now)
		if err != nil || a.refused != nil {
			return
		}
		p := a.principal
		if p.Subject == "" || p.Issuer != testIssuer || len(p.Audience) == 0 || a.until.After(now.Add(keepActive)) {
			t.Errorf("%s: %+v until %v", body, p, a.until)
		}
	})
}
