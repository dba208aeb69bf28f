package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// goClient is an application made of golang.org/x/oauth2 and coreos/go-oidc.
type goClient struct {
	oauth2.Config
	provider *oidc.Provider
}

func newGoClient(t *testing.T, s *server, id string) *goClient {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	c := &goClient{provider: provider, Config: oauth2.Config{
		ClientID:     id,
		ClientSecret: secret,
		Endpoint:     provider.Endpoint(),
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders.read"},
	}}
	switch id {
	case "spa":
		c.ClientSecret = ""
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		c.RedirectURL = spaCallback
	case "web":
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
		c.RedirectURL = webCallback
	case "web-post": // x/oauth2 tries HTTP Basic first, and must not lose the code by it
		c.RedirectURL = webPostCallback
	}
	return c
}

// login is what the application keeps between the redirect to authzd and the callback.
type login struct {
	code, nonce, verifier string
}

func (c *goClient) signIn(t *testing.T, b *browser) login {
	t.Helper()
	l := login{nonce: oauth2.GenerateVerifier(), verifier: oauth2.GenerateVerifier()}
	state := oauth2.GenerateVerifier()
	callback, err := b.authorize(c.AuthCodeURL(state, oidc.Nonce(l.nonce), oauth2.S256ChallengeOption(l.verifier)))
	if err != nil {
		t.Fatal(err)
	}
	query := callback.Query()
	if query.Get("state") != state || query.Get("iss") != b.issuer {
		t.Fatalf("state or iss of another request: %s", callback)
	}
	if l.code = query.Get("code"); l.code == "" {
		t.Fatalf("no code: %s", callback)
	}
	return l
}

// verify checks the ID token of a response as go-oidc does, and at_hash if there is one.
func (c *goClient) verify(t *testing.T, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	idToken, err := c.provider.Verifier(&oidc.Config{ClientID: c.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			t.Fatal(err)
		}
	}
	return idToken
}

func TestGoRelyingParty(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	for _, id := range []string{"spa", "web", "web-post"} {
		t.Run(id, func(t *testing.T) {
			c := newGoClient(t, s, id)
			l := c.signIn(t, newBrowser(t, s))
			token, err := c.Exchange(t.Context(), l.code, oauth2.VerifierOption(l.verifier))
			if err != nil {
				t.Fatal(err)
			}
			idToken := c.verify(t, token)
			if idToken.Nonce != l.nonce {
				t.Errorf("nonce %q, want %q", idToken.Nonce, l.nonce)
			}

			info, err := c.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			if info.Subject != idToken.Subject || info.Email != "alice@example.com" || !info.EmailVerified {
				t.Errorf("userinfo %+v does not fit the ID token's subject %q", info, idToken.Subject)
			}

			token.Expiry = time.Now().Add(-time.Minute)
			refreshed, err := c.TokenSource(t.Context(), token).Token()
			if err != nil {
				t.Fatal(err)
			}
			if refreshed.AccessToken == token.AccessToken {
				t.Error("the refresh gave the same access token")
			}
			newIDToken := c.verify(t, refreshed)
			if newIDToken.Subject != idToken.Subject || newIDToken.Nonce != "" {
				t.Errorf("ID token after refresh: %+v", newIDToken)
			}
		})
	}
}

func TestGoRelyingPartyIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, "")
	b := newBrowser(t, s)
	stranger := newGoClient(t, s, "web-post")

	for _, test := range []struct {
		name   string
		client string
		// exchange gets a fresh code of the client; its error must be invalid_grant.
		exchange func(ctx context.Context, c *goClient, l login) error
	}{
		{"wrong verifier", "spa", func(ctx context.Context, c *goClient, l login) error {
			_, err := c.Exchange(ctx, l.code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
			return err
		}},
		{"wrong verifier, then none", "web", func(ctx context.Context, c *goClient, l login) error {
			_, first := c.Exchange(ctx, l.code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
			_, second := c.Exchange(ctx, l.code)
			if first == nil {
				return nil
			}
			return second
		}},
		{"another client's code", "web", func(ctx context.Context, c *goClient, l login) error {
			_, err := stranger.Exchange(ctx, l.code, oauth2.VerifierOption(l.verifier))
			return err
		}},
		{"another redirect URI", "web", func(ctx context.Context, c *goClient, l login) error {
			_, err := c.Exchange(ctx, l.code, oauth2.VerifierOption(l.verifier),
				oauth2.SetAuthURLParam("redirect_uri", spaCallback))
			return err
		}},
		{"changed code", "spa", func(ctx context.Context, c *goClient, l login) error {
			_, err := c.Exchange(ctx, l.code+"A", oauth2.VerifierOption(l.verifier))
			return err
		}},
		{"second use", "spa", func(ctx context.Context, c *goClient, l login) error {
			if _, err := c.Exchange(ctx, l.code, oauth2.VerifierOption(l.verifier)); err != nil {
				return fmt.Errorf("the first use was refused: %v", err) // not wrapped: not the refusal wanted
			}
			_, err := c.Exchange(ctx, l.code, oauth2.VerifierOption(l.verifier))
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newGoClient(t, s, test.client)
			wantInvalidGrant(t, test.exchange(t.Context(), c, c.signIn(t, b)))
		})
	}
}

func TestExpiredCode(t *testing.T) {
	t.Parallel()
	s := startServer(t, "lifetimes: {code: 1s}")
	c := newGoClient(t, s, "spa")
	l := c.signIn(t, newBrowser(t, s))
	<-time.After(time.Second) // the code is at least as old now; a running binary has no other clock
	_, err := c.Exchange(t.Context(), l.code, oauth2.VerifierOption(l.verifier))
	wantInvalidGrant(t, err)
}

func wantInvalidGrant(t *testing.T, err error) {
	t.Helper()
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v, want the token endpoint's own", err)
	}
	if refusal.ErrorCode != "invalid_grant" || refusal.Response.StatusCode != http.StatusBadRequest {
		t.Fatalf("error %v, want 400 invalid_grant", refusal)
	}
}
