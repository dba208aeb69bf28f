package connect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/connect"
	"github.com/hashicorp/cap/oidc"
)

// After every bad answer of an endpoint the login fails as unavailable, and the answer stays out of the error, because
// some upstreams repeat the code or the secret.
func TestBrokenEndpoints(t *testing.T) {
	const marker = "MARKER-of-the-upstream"
	write := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(body, "ECHO", marker+" "+r.Form.Encode()+r.Header.Get("Authorization")))
		}
	}
	huge := `{"pad":"` + strings.Repeat("x", 2<<20) + `"}`
	faults := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"500", write(500, "text/plain", "ECHO")},
		{"500 in JSON", write(500, "application/json", `{"error":"ECHO","error_description":"ECHO"}`)},
		{"503", write(503, "text/html", "<p>ECHO")},
		{"404", write(404, "text/html", "<p>ECHO")},
		{"400", write(400, "application/json", `{"error":"invalid_grant","error_description":"ECHO"}`)},
		{"401", write(401, "application/json", `{"error":"ECHO"}`)},
		{"204", write(204, "application/json", "")},
		{"HTML", write(200, "text/html", "<!doctype html><title>ECHO</title>")},
		{"text", write(200, "text/plain", "ECHO")},
		{"form", write(200, "application/x-www-form-urlencoded", "error=ECHO")},
		{"garbage", write(200, "application/json", "\x00\xff\xfeECHO")},
		{"empty", write(200, "application/json", "")},
		{"cut off", write(200, "application/json", `{"issuer":"https://ECHO`)},
		{"list", write(200, "application/json", `["ECHO"]`)},
		{"null", write(200, "application/json", "null")},
		{"object of nothing", write(200, "application/json", `{}`)},
		{"wrong types", write(200, "application/json", `{"issuer":1,"keys":"ECHO","access_token":[],"id_token":{}}`)},
		{"deep", write(200, "application/json", strings.Repeat("[", 100_000))},
		{"huge", write(200, "application/json", huge)},
		{"huge failure", write(500, "application/json", huge)},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"hangs up halfway", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"access_token":"`+marker)
		}},
		{"redirects to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/elsewhere", http.StatusTemporaryRedirect)
		}},
		{"redirects to plain http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
		}},
		{"redirects for ever", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}},
	}
	for _, path := range []string{discoveryPath, tokenPath, jwksPath, userinfoPath} {
		for _, fault := range faults {
			t.Run(strings.Trim(path, "/")+" "+fault.name, func(t *testing.T) {
				u := newUpstream(t)
				u.setUser(map[string]any{"email": nil}, nil) // so that userinfo is asked
				u.detour(path, instead(t, fault.answer))
				err := u.tryLogin(t)
				switch {
				case path == userinfoPath && (fault.name == "null" || fault.name == "object of nothing" || fault.name == "wrong types"):
					wantCode(t, err, connect.ServerError) // it has no sub
				default:
					wantCode(t, err, connect.TemporarilyUnavailable)
				}
				for _, secret := range []string{marker, clientSecret, "code_verifier"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("error repeats what the upstream wrote: %v", err)
					}
				}
				if len(err.Error()) > 2000 {
					t.Errorf("error of %d bytes", len(err.Error()))
				}
				if u.count("/elsewhere") != 0 {
					t.Error("followed a redirect to another place")
				}
			})
		}
	}
}

// tryLogin returns the first error of a login.
func (u *upstream) tryLogin(t *testing.T) error {
	t.Helper()
	c := newConnector(t, u.config())
	authURL, a, err := c.Begin(t.Context(), connect.BeginParams{})
	if err != nil {
		return err
	}
	_, err = c.Finish(t.Context(), u.signIn(t, authURL, a, "rabbit"), a)
	return err
}

func TestRedirectOnTheSameHost(t *testing.T) {
	u := newUpstream(t)
	u.detour(jwksPath, direct{http.RedirectHandler("/moved", http.StatusFound)})
	u.detour("/moved", trip(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.URL.Path = jwksPath
		return u.next.RoundTrip(req)
	}))
	if err := u.tryLogin(t); err != nil {
		t.Error(err)
	}

	// The code and the client secret go to the token endpoint and nowhere else.
	u.detour(tokenPath, direct{http.RedirectHandler("/token2", http.StatusTemporaryRedirect)})
	wantCode(t, u.tryLogin(t), connect.TemporarilyUnavailable)
	if u.count("/token2") != 0 {
		t.Error("the token request was redirected")
	}
}

// A right answer that does not end is no right answer.
func TestEndlessAnswers(t *testing.T) {
	for _, path := range []string{discoveryPath, jwksPath, userinfoPath} {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			u := newUpstream(t)
			u.setUser(map[string]any{"email": nil}, nil)
			u.detour(path, direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u.ServeHTTP(w, r)
				fmt.Fprint(w, strings.Repeat(" ", 1<<20))
			})})
			wantCode(t, u.tryLogin(t), connect.TemporarilyUnavailable)
		})
	}
}

func TestUnknownCertificateAuthority(t *testing.T) {
	u := startUpstream(t)
	cfg := u.config()
	cfg.HTTPClient = nil
	_, _, err := newConnector(t, cfg).Begin(t.Context(), connect.BeginParams{})
	wantCode(t, err, connect.TemporarilyUnavailable)
}

func TestDiscoveryIsOfAnotherIssuer(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"issuer":              {"issuer": "https://evil.example"},
		"issuer with slash":   {"issuer": "https://127.0.0.1/"},
		"plain token":         {"token_endpoint": "http://evil.example/token"},
		"plain on loopback":   {"jwks_uri": "http://127.0.0.1/jwks"},
		"no token":            {"token_endpoint": ""},
		"relative":            {"jwks_uri": "/jwks"},
		"user in URL":         {"token_endpoint": "https://a:b@evil.example/token"},
		"script":              {"authorization_endpoint": "javascript:alert(1)"},
		"file":                {"jwks_uri": "file:///etc/passwd"},
		"userinfo":            {"userinfo_endpoint": "http://evil.example/userinfo"},
		"unknown client auth": {"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.SetAdditionalConfiguration(change)
			_, _, err := newConnector(t, u.config()).Begin(t.Context(), connect.BeginParams{})
			wantCode(t, err, connect.TemporarilyUnavailable)
		})
	}
}

// slow runs a test whose clock jumps to the end of every wait.
func slow(t *testing.T, test func(*testing.T, *upstream, connect.Connector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t)
		test(t, u, newConnector(t, u.config()))
	})
}

func TestSilentDiscovery(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		u.detour(discoveryPath, silence)
		start := time.Now()
		_, _, err := c.Begin(t.Context(), connect.BeginParams{})
		wantCode(t, err, connect.TemporarilyUnavailable)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestSilentTokenEndpoint(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		callback, a := u.login(t, c)
		u.detour(tokenPath, silence)
		start := time.Now()
		_, err := c.Finish(t.Context(), callback, a)
		wantCode(t, err, connect.TemporarilyUnavailable)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A caller that goes away stops waiting at once; the fetch that it began serves the next one.
func TestCallerGoesAway(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		u.detour(discoveryPath, trip(func(req *http.Request) (*http.Response, error) {
			time.Sleep(4 * time.Second)
			return u.next.RoundTrip(req)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := c.Begin(ctx, connect.BeginParams{})
		wantCode(t, err, connect.TemporarilyUnavailable)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s", took)
		}
		begin(t, c)
		if took := time.Since(start); took != 4*time.Second || u.count(discoveryPath) != 1 {
			t.Errorf("took %s and %d fetches", took, u.count(discoveryPath))
		}
	})
}

func TestConcurrentCallersShareOneFetch(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		release := make(chan struct{})
		u.detour(discoveryPath, trip(func(req *http.Request) (*http.Response, error) {
			<-release
			return u.next.RoundTrip(req)
		}))
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, _, err := c.Begin(t.Context(), connect.BeginParams{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all of them wait
		close(release)
		wg.Wait()
		if n := u.count(discoveryPath); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestDiscoveryRecovers(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		u.detour(discoveryPath, down)
		for range 3 {
			_, _, err := c.Begin(t.Context(), connect.BeginParams{})
			wantCode(t, err, connect.TemporarilyUnavailable)
		}
		if n := u.count(discoveryPath); n != 1 {
			t.Errorf("an outage is met by %d fetches at once", n)
		}
		u.detour(discoveryPath, nil)
		time.Sleep(5 * time.Second)
		begin(t, c)
	})
}

func TestDiscoveryIsRefreshed(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		begin(t, c)
		time.Sleep(time.Hour - time.Second)
		begin(t, c)
		if n := u.count(discoveryPath); n != 1 {
			t.Errorf("%d fetches within the hour", n)
		}
		time.Sleep(time.Second)
		u.SetAdditionalConfiguration(map[string]any{"authorization_endpoint": u.Addr() + "/moved"})
		if authURL, _ := begin(t, c); !strings.HasPrefix(authURL, u.Addr()+"/moved?") {
			t.Errorf("after an hour still sent to %s", authURL)
		}

		// An old document serves through an outage, with a try a minute, but not for ever.
		u.detour(discoveryPath, down)
		time.Sleep(time.Hour)
		for range 3 {
			begin(t, c)
		}
		if n := u.count(discoveryPath); n != 3 {
			t.Errorf("%d fetches, want one more", n)
		}
		time.Sleep(25 * time.Hour)
		_, _, err := c.Begin(t.Context(), connect.BeginParams{})
		wantCode(t, err, connect.TemporarilyUnavailable)
	})
}

func TestKeysAreRotated(t *testing.T) {
	slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
		finish := func() error {
			t.Helper()
			callback, a := u.login(t, c)
			_, err := c.Finish(t.Context(), callback, a)
			return err
		}
		rotate := func(kid string) {
			t.Helper()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			u.SetSigningKeys(key, &key.PublicKey, oidc.ES256, kid)
		}
		if err := finish(); err != nil {
			t.Fatal(err)
		}

		// Tokens with unknown keys don't make us hammer the upstream.
		rotate("second")
		for range 3 {
			wantCode(t, finish(), connect.ServerError)
		}
		if n := u.count(jwksPath); n != 1 {
			t.Errorf("%d fetches within 5 s", n)
		}
		time.Sleep(5 * time.Second)
		if err := finish(); err != nil {
			t.Errorf("after a rotation: %v", err)
		}

		// Unknown key while the keys can't be had: not the token's fault, so far as we know. A token with a known key
		// still counts.
		time.Sleep(5 * time.Second)
		key, public, alg, kid := u.SigningKeys()
		rotate("third")
		u.detour(jwksPath, down)
		wantCode(t, finish(), connect.TemporarilyUnavailable)
		wantCode(t, finish(), connect.TemporarilyUnavailable)
		u.SetSigningKeys(key, public, alg, kid)
		if err := finish(); err != nil {
			t.Errorf("with a known key: %v", err)
		}
	})
}

// A withdrawn key must not be trusted beyond the max-age of the set, not even in an outage.
func TestKeysAreCachedByMaxAge(t *testing.T) {
	for _, test := range []struct {
		cacheControl string
		fresh        time.Duration
	}{
		{"", 10 * time.Minute},
		{"public, max-age=7200, must-revalidate", 2 * time.Hour},
		{"Max-Age=\"600\"", 10 * time.Minute},
		{"max-age=1", time.Minute},
		{"max-age=-5", 10 * time.Minute},
		{"no-cache", time.Minute},
		{"max-age=7200, no-store", time.Minute},
		{"max-age=99999999999", 24 * time.Hour},
		{"max-age=soon", 10 * time.Minute},
	} {
		t.Run(test.cacheControl, func(t *testing.T) {
			slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
				serve := trip(func(req *http.Request) (*http.Response, error) {
					resp, err := u.next.RoundTrip(req)
					if err == nil && test.cacheControl != "" {
						resp.Header.Set("Cache-Control", test.cacheControl)
					}
					return resp, err
				})
				u.detour(jwksPath, serve)
				finish := func() error {
					t.Helper()
					callback, a := u.login(t, c)
					_, err := c.Finish(t.Context(), callback, a)
					return err
				}
				if err := finish(); err != nil {
					t.Fatal(err)
				}
				u.detour(jwksPath, down)
				time.Sleep(test.fresh - time.Second)
				if err := finish(); err != nil {
					t.Errorf("a second before the end: %v", err)
				}
				time.Sleep(time.Second)
				wantCode(t, finish(), connect.TemporarilyUnavailable)
				u.detour(jwksPath, serve)
				time.Sleep(5 * time.Second)
				if err := finish(); err != nil {
					t.Errorf("after the outage: %v", err)
				}
			})
		})
	}
}

func TestMaxAge(t *testing.T) {
	for _, test := range []struct {
		name     string
		maxAge   int
		authTime any           // seconds before the token was issued
		took     time.Duration // by the user
		ok       bool
	}{
		{"fresh", 60, 10, 0, true},
		{"just", 60, 61, 0, true},
		{"too old", 60, 62, 0, false},
		{"anew", 0, 0, 20 * time.Second, true},
		{"anew, then dawdled", 0, 15, 20 * time.Second, true},
		{"not anew", 0, 30, 20 * time.Second, false},
		{"not told", 60, nil, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			slow(t, func(t *testing.T, u *upstream, c connect.Connector) {
				authURL, a, err := c.Begin(t.Context(), connect.BeginParams{MaxAge: &test.maxAge})
				if err != nil {
					t.Fatal(err)
				}
				callback := u.signIn(t, authURL, a, "rabbit")
				time.Sleep(test.took)
				change := map[string]any{}
				if age, ok := test.authTime.(int); ok {
					change["auth_time"] = time.Now().Unix() - int64(age)
				}
				u.answerWith(t, a, change, nil)
				_, err = c.Finish(t.Context(), callback, a)
				if !test.ok {
					wantCode(t, err, connect.LoginRequired)
				} else if err != nil {
					t.Error(err)
				}
			})
		})
	}
}
