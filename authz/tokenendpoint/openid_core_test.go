package tokenendpoint_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// Section 3.1.3.6, 12.2: the ID token of a request without a nonce has none, and a refresh changes
// nothing about the sign-in.
func TestOpenIDCoreSection12_2_RefreshedIDToken(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	blackbox.AgeLogins(t, s, time.Minute)
	first := b.SignIn(t, authztest.SPA, url.Values{"max_age": {"1000"}})
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	before, after := blackbox.Claims(t, first.IDToken), blackbox.Claims(t, second.IDToken)
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
		if before[name] == nil || fmt.Sprint(before[name]) != fmt.Sprint(after[name]) {
			t.Errorf("%s changed from %v to %v", name, before[name], after[name])
		}
	}
	if before["nonce"] == nil || after["nonce"] != nil {
		t.Errorf("nonce %v, after the refresh %v", before["nonce"], after["nonce"])
	}
	if id := blackbox.Claims(t, b.SignIn(t, authztest.SPA, url.Values{"nonce": {}}).IDToken); id["nonce"] != nil {
		t.Errorf("nonce %v that nobody sent", id["nonce"])
	}
}

// Section 3.1.3.2 and RFC 6749 section 4.1.2: a code that comes again ends what it gave.
func TestOpenIDCoreSection3_1_3_2_CodeReuse(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	form := authztest.CodeForm(code, verifier)
	tokens := s.Token(t, authztest.SPA, "", form)
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 200 {
		t.Fatalf("userinfo: %d", status)
	}
	if again := s.Token(t, authztest.SPA, "", form); again.Status != 400 || again.Error != "invalid_grant" {
		t.Errorf("the code again: %+v", again)
	}
	if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
		t.Errorf("userinfo afterwards: %d", status)
	}
}
