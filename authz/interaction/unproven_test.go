package interaction_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/storage"
)

// silentUpstream is an OpenID provider that signs everybody in at once, and never says when they signed in there.
type silentUpstream struct {
	*httptest.Server
	key       *ecdsa.PrivateKey
	connector string   // that leads here
	amr       []string // in the ID token; nil: none
	nonce     string   // of the last authorization request
}

const upstreamClient = "authzd"

func newSilentUpstream(t *testing.T) *silentUpstream {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u := &silentUpstream{key: key, connector: "corp"}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": u.URL, "authorization_endpoint": u.URL + "/authorize", "token_endpoint": u.URL + "/token", "jwks_uri": u.URL + "/jwks",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
		if err != nil {
			t.Error(err)
		}
		now := time.Now()
		claims := map[string]any{"iss": u.URL, "aud": upstreamClient, "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": u.nonce}
		if u.amr != nil {
			claims["amr"] = u.amr
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Error(err)
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
	})
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

// callback is what the upstream answers to an authorization request.
func (u *silentUpstream) callback(t *testing.T, s *authztest.Server, authorizationURL string) string {
	t.Helper()
	target, err := url.Parse(authorizationURL)
	if err != nil || target.Query().Get("state") == "" {
		t.Fatalf("sent to %q, %v", authorizationURL, err)
	}
	u.nonce = target.Query().Get("nonce")
	return s.URL + "/callback/" + u.connector + "?" + url.Values{"code": {"c"}, "state": {target.Query().Get("state")}}.Encode()
}

// config is the connector that leads to the upstream.
func (u *silentUpstream) config() connect.Config {
	return connect.Config{ID: u.connector, Type: connect.TypeOIDC, Name: "Corp", Issuer: u.URL, ClientID: upstreamClient, ClientSecret: "secret"}
}

// arrive signs in at the upstream for an app, and returns what the callback answers.
func (u *silentUpstream) arrive(t *testing.T, b *authztest.Browser, change url.Values) *authztest.Page {
	t.Helper()
	login := b.Get(t, b.Ask(t, authztest.SPA, change).Header.Get("Location"))
	away := b.Get(t, b.Server.URL+"/login/"+u.connector+"?flow="+url.QueryEscape(login.URL.Query().Get("flow")))
	return b.Get(t, u.callback(t, b.Server, away.Header.Get("Location")))
}

// Where an upstream proves no fresh login, a person with another factor here proves by it that they are there now. Without
// one, the app gets the error that it got before, and nobody is signed in.
func TestUnprovenLoginIsConfirmed(t *testing.T) {
	t.Parallel()
	u := newSilentUpstream(t)
	s := authztest.Start(t, authz.Config{Connectors: []connect.Config{u.config()}}, nil)
	arrive := func(b *authztest.Browser, change url.Values) *authztest.Page { return u.arrive(t, b, change) }
	fresh := url.Values{"max_age": {"60"}}

	stranger := s.NewBrowser(t)
	if got := arrive(stranger, fresh).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("a stranger: %v", got)
	}
	if n := blackbox.Count(t, s.Store, storage.Identities.Table); n != 0 {
		t.Errorf("a sign-in that was refused has made %d users", n)
	}

	b := s.NewBrowser(t)
	on := arrive(b, nil) // an app that does not ask: the user is made
	if got := b.Get(t, on.Header.Get("Location")).Redirect(t); got.Get("code") == "" {
		t.Fatalf("%v", got)
	}
	if got := arrive(s.NewBrowser(t), fresh).Redirect(t); got.Get("error") != "login_required" {
		t.Errorf("a user without another factor: %v", got)
	}

	session := blackbox.SessionCookie(t, b)
	record, _, err := storage.Sessions.Get(t.Context(), s.Store, session[:22])
	if err != nil {
		t.Fatal(err)
	}
	app := blackbox.GiveApp(t, s, record.UserID)
	again := s.NewBrowser(t)
	asked := arrive(again, fresh)
	page := again.Get(t, asked.Header.Get("Location"))
	if !page.Has("otp") {
		t.Fatalf("no question: %d %s %.300s", page.Status, asked.Header.Get("Location"), page.Body)
	}
	if wrong := enter(t, again, page, otp(app.WrongCode())); !wrong.Has("problem") {
		t.Errorf("a wrong code: %d", wrong.Status)
	} else {
		page = wrong
	}
	if got := enter(t, again, page, otp(app.Code(t, s))).Redirect(t); got.Get("code") == "" {
		t.Fatalf("confirmed: %v", got)
	}

	// A device on which no code is asked for proves nothing of this kind.
	here := s.NewBrowser(t)
	fields := otp(app.Code(t, s))
	fields.Set("remember-me", "true")
	known := here.Get(t, arrive(here, nil).Header.Get("Location"))
	if got := enter(t, here, known, fields).Redirect(t); got.Get("code") == "" {
		t.Fatalf("remembered: %v", got)
	}
	if got := here.Get(t, arrive(here, url.Values{"prompt": {"login"}}).Header.Get("Location")); !got.Has("otp") || got.Has("remember-me") {
		t.Errorf("on a remembered device: %d %s", got.Status, got.Header.Get("Location"))
	}
	if got := again.Ask(t, authztest.SPA, url.Values{"prompt": {"none"}, "max_age": {"60"}}).Redirect(t); got.Get("code") == "" {
		t.Errorf("once confirmed: %v", got)
	}
}
