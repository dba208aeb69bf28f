package connect_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/connect"
)

// TestFreshLogin: a login is as fresh as the upstream proves, whichever type it is, or as it is trusted.
func TestFreshLogin(t *testing.T) {
	ago := func(d time.Duration) any { return d }
	for name, test := range map[string]struct {
		authTime any
		maxAge   int
		ok       bool
	}{
		"says nothing":        {nil, 0, false},
		"says nothing, hour":  {nil, 3600, false},
		"says no number":      {"now", 0, false},
		"says zero":           {0, 3600, false},
		"now":                 {ago(0), 0, true},
		"an hour ago":         {ago(time.Hour), 0, false},
		"half an hour of one": {ago(30 * time.Minute), 3600, true},
		"two hours of one":    {ago(2 * time.Hour), 3600, false},
		"far in the future":   {ago(-24 * time.Hour), 0, false},
	} {
		for _, google := range []bool{true, false} {
			for _, trusted := range []bool{true, false} {
				u := newUpstream(t)
				cfg := u.config()
				if google {
					cfg = u.googleConfig()
				}
				cfg.TrustFreshLogin = trusted
				c := newConnector(t, cfg)
				began := time.Now().Add(-time.Second)
				authURL, a, err := c.Begin(t.Context(), connect.BeginParams{MaxAge: &test.maxAge})
				if err != nil {
					t.Fatal(err)
				}
				if sent, err := url.Parse(authURL); err != nil || google == (sent.Query().Get("claims") == "") {
					t.Errorf("%s: sent to %s", name, authURL)
				}
				callback, told := u.signIn(t, authURL, a, "rabbit"), map[string]any{}
				if test.authTime != nil {
					told["auth_time"] = test.authTime
				}
				if d, ok := test.authTime.(time.Duration); ok {
					told["auth_time"] = time.Now().Add(-d).Unix()
				}
				u.answerWith(t, a, told, nil)
				id, err := c.Finish(t.Context(), callback, a)
				switch {
				case !test.ok && !trusted:
					wantCode(t, err, connect.LoginRequired)
				case err != nil:
					t.Errorf("%s, google %v, trusted %v: %v", name, google, trusted, err)
				case id.AuthTime.Before(began.Add(-time.Duration(test.maxAge)*time.Second)) || id.AuthTime.After(time.Now().Add(time.Second)):
					t.Errorf("%s, google %v, trusted %v: auth_time is %v", name, google, trusted, id.AuthTime)
				}
			}
		}
	}
}

// TestAuthTimeIsNotInvented: what nobody asked for and nobody tells is not known.
func TestAuthTimeIsNotInvented(t *testing.T) {
	for _, google := range []bool{true, false} {
		u := newUpstream(t)
		cfg := u.config()
		if google {
			cfg = u.googleConfig()
		}
		c := newConnector(t, cfg)
		callback, a := u.login(t, c)
		u.answerWith(t, a, map[string]any{}, nil)
		if id, err := c.Finish(t.Context(), callback, a); err != nil || !id.AuthTime.IsZero() {
			t.Errorf("google %v: auth_time %v, %v", google, id.AuthTime, err)
		}
	}
}

func TestEmailVerified(t *testing.T) {
	for rule, want := range map[string][2]bool{ // without the claim, and with it
		"": {false, true}, connect.EmailByClaim: {false, true}, connect.EmailAlways: {true, true}, connect.EmailNever: {false, false},
	} {
		for i, claim := range []any{nil, true} {
			u := newUpstream(t)
			u.SetDisableUserInfo(true)
			u.setUser(map[string]any{"email_verified": claim}, nil)
			cfg := u.config()
			cfg.EmailVerified, cfg.EmailAuthoritative = rule, true
			c := newConnector(t, cfg)
			callback, a := u.login(t, c)
			id, err := c.Finish(t.Context(), callback, a)
			if err != nil || id.EmailVerified != want[i] || id.EmailAuthoritative != want[i] {
				t.Errorf("%q, claim %v: %v, %v", rule, claim, id.EmailVerified, err)
			}
		}
	}
	cfg := newUpstream(t).config()
	cfg.EmailVerified = "perhaps"
	if _, err := connect.New(cfg); err == nil {
		t.Error("perhaps is taken")
	}
}
