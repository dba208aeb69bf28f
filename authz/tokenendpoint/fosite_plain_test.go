package tokenendpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	memory "github.com/ory/fosite/storage"

	"github.com/authzd/authzd/authz/authztest"
)

// plainFosite is a server as fosite's own documentation puts it together: everything enabled, its
// memory store, and clients of the names that authztest has. Alice signed in an hour ago and agrees
// to everything.
func plainFosite(t *testing.T, change func(*memory.MemoryStore)) (http.Handler, *memory.MemoryStore) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	store := memory.NewMemoryStore()
	store.Clients[authztest.SPA] = plainClient(t, authztest.SPA, "")
	store.Clients[authztest.ThirdParty] = plainClient(t, authztest.ThirdParty, "")
	store.Clients[authztest.Web] = plainClient(t, authztest.Web, authztest.Secret)
	if change != nil {
		change(store)
	}
	return plainHandler(store, key), store
}

func plainClient(t *testing.T, id, secret string) *fosite.DefaultResponseModeClient {
	t.Helper()
	c := &fosite.DefaultClient{
		ID: id, Public: secret == "", RedirectURIs: []string{authztest.RedirectURI},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		Scopes: []string{"openid", "offline_access", "orders.read", "orders.write"},
	}
	if secret != "" {
		var err error
		hasher := &fosite.BCrypt{Config: &fosite.Config{HashCost: 4}}
		if c.Secret, err = hasher.Hash(context.Background(), []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	return &fosite.DefaultResponseModeClient{DefaultClient: c, ResponseModes: []fosite.ResponseModeType{
		fosite.ResponseModeDefault, fosite.ResponseModeQuery, fosite.ResponseModeFormPost,
	}}
}

func plainHandler(store any, key any) http.Handler {
	config := &fosite.Config{GlobalSecret: []byte("0123456789abcdef0123456789abcdef"), AccessTokenLifespan: time.Hour}
	provider := compose.ComposeAllEnabled(config, store, key)
	session := func() fosite.Session {
		s := openid.NewDefaultSession()
		s.Subject, s.Claims.Subject = "alice", "alice"
		s.Claims.RequestedAt, s.Claims.AuthTime = time.Now().UTC(), time.Now().UTC().Add(-time.Hour)
		return s
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAuthorizeRequest(r.Context(), r)
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		response, err := provider.NewAuthorizeResponse(r.Context(), request, session())
		if err != nil {
			provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		provider.WriteAuthorizeResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/par", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewPushedAuthorizeRequest(r.Context(), r)
		if err != nil {
			provider.WritePushedAuthorizeError(r.Context(), w, request, err)
			return
		}
		response, err := provider.NewPushedAuthorizeResponse(r.Context(), request, session())
		if err != nil {
			provider.WritePushedAuthorizeError(r.Context(), w, request, err)
			return
		}
		provider.WritePushedAuthorizeResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, session())
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		response, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		provider.WriteAccessResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) {
		response, err := provider.NewIntrospectionRequest(r.Context(), r, session())
		if err != nil {
			provider.WriteIntrospectionError(r.Context(), w, err)
			return
		}
		provider.WriteIntrospectionResponse(r.Context(), w, response)
	})
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		provider.WriteRevocationResponse(r.Context(), w, provider.NewRevocationRequest(r.Context(), r))
	})
	return mux
}

// open sends an authorization request with some parameters changed.
func open(h http.Handler, clientID, challenge string, change url.Values) *httptest.ResponseRecorder {
	params := authztest.AuthorizationParams(clientID, challenge)
	for name, values := range change {
		params[name] = values
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/authorize?"+params.Encode(), nil))
	return recorder
}

// plainCode is Browser.Code at plain fosite.
func plainCode(t *testing.T, h http.Handler, clientID string, change url.Values) (code, verifier string) {
	t.Helper()
	verifier, challenge := authztest.PKCE()
	response := open(h, clientID, challenge, change)
	location, err := url.Parse(response.Header().Get("Location"))
	if code = location.Query().Get("code"); err != nil || code == "" {
		t.Fatalf("no code: %d %s %s", response.Code, location, response.Body)
	}
	return code, verifier
}
