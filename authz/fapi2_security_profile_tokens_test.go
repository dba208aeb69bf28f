package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/internal/blackbox"
)

// FAPI 2.0 Security Profile sections 5.3.2.3, 5.3.4 and 5.4: what tokens say, how they are used, and
// the cryptography of it all.

// Section 5.3.2.3: who signed in is said by OpenID Connect.
func TestFAPI2SecurityProfileSection5_3_2_3_IDToken(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, url.Values{"claims": {`{"userinfo":{"name":{"essential":true}}}`}})
	claims := blackbox.Claims(t, tokens.IDToken)
	if claims["iss"] != app.Server.URL || claims["aud"] != app.ClientID || claims["sub"] == "" || claims["nonce"] != "nonce of the app" {
		t.Errorf("%v", claims)
	}
	var info map[string]any
	callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP).JSON(t, &info)
	if info["sub"] != claims["sub"] || info["name"] != "Alice Liddell" {
		t.Errorf("userinfo %v", info)
	}
}

// Section 5.3.4, items 1 and 2: tokens come in the header, and never in the query.
func TestFAPI2SecurityProfileSection5_3_4_TokensInTheQuery(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, nil)
	for _, header := range []http.Header{{}, {"Dpop": {app.DPoP.Proof(t, http.MethodGet, app.Server.URL+"/userinfo", tokens.AccessToken, "")}}} {
		r, err := http.NewRequest(http.MethodGet, app.Server.URL+"/userinfo?access_token="+url.QueryEscape(tokens.AccessToken), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		if response := app.Server.Send(t, r); response.Status < 400 || strings.Contains(response.Body, "Alice") {
			t.Errorf("%d %s", response.Status, response.Body)
		}
	}
}

// Section 5.3.4, items 3 and 5: what has been revoked is refused.
func TestFAPI2SecurityProfileSection5_3_4_Revocation(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	tokens := app.SignIn(t, nil)
	response := app.Server.PostForm(t, "/revoke", app.Authenticate(t, url.Values{"token": {tokens.RefreshToken}}), nil)
	if response.Status != http.StatusOK {
		t.Fatalf("%d %s", response.Status, response.Body)
	}
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusUnauthorized {
		t.Errorf("%d", response.Status)
	}
}

// Section 5.4.1: PS256, ES256 and EdDSA, and nothing else that is signed.
func TestFAPI2SecurityProfileSection5_4_1_Algorithms(t *testing.T) {
	t.Parallel()
	app, other := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	good := app.SignIn(t, nil)
	for name, token := range map[string]string{"access token": good.AccessToken, "ID token": good.IDToken} {
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
		if err != nil {
			t.Errorf("%s: %v, %v", name, signed, err)
		}
	}
	// The key of the other client is RSA: PS256 and RS256 differ in nothing else.
	weak := &authztest.Key{ID: other.Key.ID, Alg: jose.RS256, Private: other.Key.Private}
	form := authztest.Request(other.ClientID, nil)
	form.Set("client_assertion_type", authztest.AssertionType)
	form.Set("client_assertion", weak.Assertion(t, other.ClientID, other.Server.URL))
	parRefused(t, "an assertion by RS256", other.Server.PostForm(t, "/par", form, nil), "invalid_client")
	form.Set("client_assertion", other.Key.Assertion(t, other.ClientID, other.Server.URL))
	if response := other.Server.PostForm(t, "/par", form, nil); response.Status != http.StatusCreated {
		t.Errorf("an assertion by PS256: %d %s", response.Status, response.Body)
	}
	for alg, want := range map[jose.SignatureAlgorithm]int{jose.PS256: http.StatusOK, jose.EdDSA: http.StatusOK, jose.RS256: http.StatusBadRequest} {
		app.DPoP = authztest.NewKey(t, alg)
		if tokens := app.Token(t, authztest.RefreshForm(good.RefreshToken)); tokens.Status != want {
			t.Errorf("a proof by %s: %d %s", alg, tokens.Status, tokens.Description)
		}
	}
}

// Section 5.4.1: where the server itself signs with RS256, it does not for this client.
func TestFAPI2SecurityProfileSection5_4_1_BesideRS256(t *testing.T) {
	t.Parallel()
	signing := authz.DefaultSigning // RS256
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{Signing: signing}, func(m *client.Metadata) {
		m.Scopes, m.Resources = []string{"openid"}, nil
	})
	tokens := app.SignIn(t, url.Values{"scope": {"openid"}})
	for name, token := range map[string]string{"access token": tokens.AccessToken, "ID token": tokens.IDToken} {
		if _, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if response := callAs(t, app, "DPoP", tokens.AccessToken, app.DPoP); response.Status != http.StatusOK {
		t.Errorf("userinfo: %d", response.Status)
	}
}

// Section 5.4.1, item 4: credentials that nobody guesses.
func TestFAPI2SecurityProfileSection5_4_1_Entropy(t *testing.T) {
	t.Parallel()
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, nil)
	code, verifier := app.Code(t, nil)
	tokens := app.Token(t, authztest.CodeForm(code, verifier))
	const least = 128 / 6 // characters of base64url
	for _, secret := range []string{code, tokens.RefreshToken, app.Push(t, authztest.Request(app.ClientID, nil))} {
		if random := secret[strings.LastIndexAny(secret, "_:")+1:]; len(random) < least && len(secret) < 40 {
			t.Errorf("%q is short", secret)
		}
	}
}

// Section 5.4.3: keys of one kid are told apart by their type and algorithm.
func TestFAPI2SecurityProfileSection5_4_3_DuplicateKeyIDs(t *testing.T) {
	t.Parallel()
	rsa, ed := authztest.NewKey(t, jose.PS256), authztest.NewKey(t, jose.EdDSA)
	rsa.ID, ed.ID = "same", "same"
	app, _ := blackbox.StartFAPI(t, client.ProfileFAPI2, authz.Config{}, func(m *client.Metadata) {
		if m.ID == authztest.FAPI {
			m.JWKS = authztest.JWKS(t, rsa, ed)
		}
	})
	for _, key := range []*authztest.Key{rsa, ed} {
		app.Key = key
		if response := pushed(t, app, nil, nil); response.Status != http.StatusCreated {
			t.Errorf("%s: %d %s", key.Alg, response.Status, response.Body)
		}
	}
}
