package tokenendpoint_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/tokenendpoint"
)

// A grant type is one line of the table: from there, the endpoint, discovery and the rules that no grant may forget know
// it. No other part of the server is told; the configuration lists the names that an operator may write.
func TestGrantIsOneLine(t *testing.T) { // not parallel: the table is shared
	const voucher = "urn:example:grant-type:voucher"
	tokenendpoint.AddGrant(t, voucher, func(form url.Values) ([]string, error) {
		if form.Get("code") != "good" {
			return nil, oauth.Refuse(oauth.InvalidGrant, "The voucher is worth nothing.")
		}
		return []string{"orders.read"}, nil
	})
	s := authztest.Start(t, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.GrantTypes = append(slices.Clone(m.GrantTypes), voucher)
		}
	})

	got := s.Token(t, authztest.Worker, authztest.Secret, url.Values{"grant_type": {voucher}, "code": {"good"}})
	if got.Status != http.StatusOK || got.Scope != "orders.read" || got.TokenType != oauth.SchemeBearer || got.AccessToken == "" {
		t.Errorf("a good voucher gets %+v", got)
	}
	for name, refused := range map[string]struct {
		client, secret string
		form           url.Values
		want           string
	}{
		"worthless":            {authztest.Worker, authztest.Secret, url.Values{"grant_type": {voucher}, "code": {"bad"}}, oauth.InvalidGrant},
		"wrong secret":         {authztest.Worker, "wrong", url.Values{"grant_type": {voucher}, "code": {"good"}}, oauth.InvalidClient},
		"not registered":       {authztest.Web, authztest.Secret, url.Values{"grant_type": {voucher}, "code": {"good"}}, oauth.UnauthorizedClient},
		"resource not granted": {authztest.Worker, authztest.Secret, url.Values{"grant_type": {voucher}, "code": {"good"}, "resource": {"https://other.example"}}, oauth.InvalidTarget},
	} {
		if got := s.Token(t, refused.client, refused.secret, refused.form); got.Error != refused.want || got.AccessToken != "" {
			t.Errorf("%s: %+v, want %s", name, got, refused.want)
		}
	}

	response, err := http.Get(s.URL + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var document struct {
		GrantTypes []string `json:"grant_types_supported"`
	}
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil || !slices.Contains(document.GrantTypes, voucher) {
		t.Errorf("discovery lists %v, %v", document.GrantTypes, err)
	}
}
