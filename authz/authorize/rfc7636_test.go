package authorize_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
)

// OpenID Connect basic profile: a confidential client may do without PKCE and nonce if it is told so.
func TestRFC7636Section4_4_1_OnlyConfidentialClientsMayDoWithout(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Web {
			m.RequirePKCE = new(false)
		}
	})
	b := s.SignedIn(t, nil)
	bare := url.Values{"code_challenge": {}, "code_challenge_method": {}, "nonce": {}}
	code := b.Ask(t, authztest.Web, bare).Redirect(t).Get("code")
	if got := s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(code, "")); got.Status != 200 {
		t.Errorf("neither PKCE nor nonce: %+v", got)
	}
	code = b.Ask(t, authztest.Web, bare).Redirect(t).Get("code")
	verifier, _ := authztest.PKCE()
	if got := s.Token(t, authztest.Web, authztest.Secret, authztest.CodeForm(code, verifier)); got.Error != "invalid_grant" {
		t.Errorf("a verifier without a challenge (RFC 9700 section 2.1.1): %+v", got)
	}
	if got := b.Ask(t, authztest.SPA, bare).Redirect(t); got.Get("error") != "invalid_request" {
		t.Errorf("a public client must use PKCE: %v", got)
	}
}

// A code that was bound to a challenge always needs its verifier, whoever the client is, and a
// mistake does not use the code up.
func TestRFC7636Section4_6_TheVerifierMustFit(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for clientID, secret := range map[string]string{authztest.SPA: "", authztest.Web: authztest.Secret} {
		code, verifier := s.NewBrowser(t).Code(t, clientID, nil)
		other, challenge := authztest.PKCE()
		for name, wrong := range map[string]string{
			"another": other, "none": "", "the challenge": challenge, "too short": verifier[:42], "too long": strings.Repeat("v", 129), "padded": verifier + "=",
		} {
			if got := s.Token(t, clientID, secret, authztest.CodeForm(code, wrong)); got.Status != 400 || got.Error != "invalid_grant" {
				t.Errorf("%s, %s: %+v", clientID, name, got)
			}
		}
		if got := s.Token(t, clientID, secret, authztest.CodeForm(code, verifier)); got.Status != 200 {
			t.Errorf("%s: the code is used up: %+v", clientID, got)
		}
	}
}

// plain, which is also what the absence of a method means, protects nobody (RFC 9700 section 2.1.1).
func TestRFC7636Section4_3_OnlyS256(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	b := s.SignedIn(t, nil)
	for name, change := range map[string]url.Values{
		"plain":         {"code_challenge_method": {"plain"}},
		"no method":     {"code_challenge_method": {}},
		"S512":          {"code_challenge_method": {"S512"}},
		"not a hash":    {"code_challenge": {"short"}},
		"with padding":  {"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="}},
		"method, alone": {"code_challenge": {}},
	} {
		if got := b.Ask(t, authztest.SPA, change).Redirect(t); got.Get("error") != "invalid_request" || got.Get("code") != "" {
			t.Errorf("%s: %v", name, got)
		}
	}
}
