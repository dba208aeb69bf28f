package tokeninfo_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// RFC 7009: one token revokes the family, and a revocation that could not be stored is no 200.
func TestRFC7009Section2_1_OneTokenEndsTheGrant(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	for _, which := range []string{"refresh", "access"} {
		tokens := s.SignIn(t, authztest.SPA, "", nil)
		token := tokens.RefreshToken
		if which == "access" {
			token = tokens.AccessToken
		}
		form := url.Values{"client_id": {authztest.SPA}, "token": {token}, "token_type_hint": {"nonsense"}}
		for range 2 { // again is as good
			if status, body := blackbox.PostAs(t, s, "/revoke", "", form); status != 200 {
				t.Fatalf("revoke %s: %d %v", which, status, body)
			}
		}
		if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken)); got.Error != "invalid_grant" {
			t.Errorf("refresh after revoking the %s token: %+v", which, got)
		}
		if status := blackbox.UserinfoStatus(t, s, tokens.AccessToken); status != 401 {
			t.Errorf("userinfo after revoking the %s token: %d", which, status)
		}
	}
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	introspect := url.Values{"token": {app.AccessToken}}
	if _, got := blackbox.PostAs(t, s, "/introspect", authztest.Worker, introspect); got["active"] != true {
		t.Errorf("app token: %v", got)
	}
	blackbox.PostAs(t, s, "/revoke", authztest.Worker, introspect)
	if _, got := blackbox.PostAs(t, s, "/introspect", authztest.Worker, introspect); got["active"] != false || len(got) != 1 {
		t.Errorf("revoked app token: %v", got)
	}
}

// A token that was revoked stays so on a replica whose clock is slow.
func TestRFC7009Section2_RememberedLongerThanAccepted(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	app := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {"client_credentials"}})
	blackbox.PostAs(t, s, "/revoke", authztest.Worker, url.Values{"token": {app.AccessToken}})
	revoked, err := s.Store.Scan(t.Context(), storage.RevokedTokens.Table, "", "", 10)
	if err != nil || len(revoked) != 1 {
		t.Fatalf("%d revocations, %v", len(revoked), err)
	}
	if exp := int64(blackbox.Claims(t, app.AccessToken)["exp"].(float64)); revoked[0].Expires.Unix()-exp < 10 {
		t.Errorf("revoked until %v, valid until %v", revoked[0].Expires, time.Unix(exp, 0))
	}
}

// Another client's request must not do anything to a family, not even by a replay.
func TestRFC7009Section2_1_OthersCannotRevoke(t *testing.T) {
	t.Parallel()
	s := authztest.Start(t, authz.Config{}, nil)
	first := s.SignIn(t, authztest.SPA, "", nil)
	second := s.Token(t, authztest.SPA, "", authztest.RefreshForm(first.RefreshToken))
	third := s.Token(t, authztest.SPA, "", authztest.RefreshForm(second.RefreshToken))
	if got := s.Token(t, authztest.ThirdParty, "", authztest.RefreshForm(first.RefreshToken)); got.Error != "invalid_grant" {
		t.Fatalf("%+v", got)
	}
	if status, _ := blackbox.PostAs(t, s, "/revoke", "", url.Values{"client_id": {authztest.ThirdParty}, "token": {third.RefreshToken}}); status != 200 {
		t.Errorf("revoke by another client: %d", status)
	}
	if got := s.Token(t, authztest.SPA, "", authztest.RefreshForm(third.RefreshToken)); got.Status != 200 {
		t.Errorf("the family is dead: %+v", got)
	}
}
