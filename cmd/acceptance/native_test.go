package acceptance

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// A phone may ask for a lost answer again when a browser app no longer may. Both are thieves who bring a
// token after the next one was used.
func TestNativeAppMayRetryForLonger(t *testing.T) {
	t.Parallel()
	const callback = "com.example.phone:/callback"
	s := startServerWith(t, "  - {client_id: phone, preset: native, first_party: true, scope: offline_access, redirect_uris: ["+callback+"]}",
		"lifetimes: {refresh_grace: 1s}\nsigning: {alg: ES256}")
	b := newBrowser(t, s)
	verifier := oauth2.GenerateVerifier()
	answered, err := b.authorize(s.issuer + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"phone"}, "redirect_uri": {callback}, "scope": {"offline_access"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	said := func(a answer, err error) answer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ask := func(form url.Values) answer {
		form.Set("client_id", "phone")
		return said(s.token(form))
	}
	refresh := func(token string) answer {
		return ask(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := ask(url.Values{"grant_type": {"authorization_code"}, "code": {answered.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}})
	second := refresh(first.RefreshToken)

	browserApp := mustSignIn(t, s)
	said(s.refresh(browserApp.RefreshToken))
	for deadline := time.Now().Add(startTimeout); !said(s.refresh(browserApp.RefreshToken)).refused(); {
		if time.Now().After(deadline) {
			t.Fatal("the browser app may retry for ever")
		}
	}
	if retry := refresh(first.RefreshToken); second.RefreshToken == "" || retry.RefreshToken != second.RefreshToken {
		t.Errorf("the phone's retry: %v", retry)
	}
	third := refresh(second.RefreshToken)
	before := strings.Count(s.log(t), "refresh_token_reuse")
	if theft := refresh(first.RefreshToken); !theft.refused() {
		t.Errorf("the first token after the second was used: %v", theft)
	}
	if dead := refresh(third.RefreshToken); third.RefreshToken == "" || !dead.refused() {
		t.Errorf("the grant lives on: %v, %v", third, dead)
	}
	if alarms := strings.Count(s.log(t), "refresh_token_reuse") - before; alarms == 0 {
		t.Error("no alarm")
	}
}
