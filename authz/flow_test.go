package authz_test

import (
	"net/url"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
)

func TestCodeFlow(t *testing.T) {
	s := authztest.Start(t, authz.Config{}, nil)
	tokens := s.SignIn(t, authztest.SPA, "", nil)
	t.Log(tokens)
	next := s.Token(t, authztest.SPA, "", authztest.RefreshForm(tokens.RefreshToken))
	t.Log(next)
	partner := s.SignIn(t, authztest.ThirdParty, "", url.Values{"scope": {"openid profile"}})
	t.Log(partner)
}
