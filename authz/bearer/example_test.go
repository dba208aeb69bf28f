package bearer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz/bearer"
)

// exampleIssuer stands for authzd, which serves both of these addresses.
type exampleIssuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newExampleIssuer() *exampleIssuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	is, mux := &exampleIssuer{key: key}, http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": is.URL, "jwks_uri": is.URL + "/jwks.json"})
	})
	mux.HandleFunc("GET /jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		public := jose.JSONWebKey{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	})
	is.Server = httptest.NewServer(mux)
	return is
}

// token issues an access token for the API https://api.example.com.
func (is *exampleIssuer) token(extra map[string]any) string {
	claims := map[string]any{
		"iss": is.URL, "aud": "https://api.example.com", "sub": "alice", "client_id": "spa", "jti": "1",
		"iat": time.Now().Unix(), "exp": time.Now().Add(15 * time.Minute).Unix(),
	}
	for name, value := range extra {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: is.key},
		(&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "1"))
	if err != nil {
		log.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		log.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		log.Fatal(err)
	}
	return token
}

func (is *exampleIssuer) verifier() *bearer.Verifier {
	v, err := bearer.New(bearer.Config{Issuer: is.URL, Audience: "https://api.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// call sends a request with a token, or without one, and prints what comes back.
func call(api http.Handler, method, path, token string) {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body.String())
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
		fmt.Println(challenge)
	}
}

// An API with one route for everybody who may read orders.
func Example() {
	issuer := newExampleIssuer() // in real life: authzd, at https://id.example.com
	defer issuer.Close()

	v, err := bearer.New(bearer.Config{
		Issuer:   issuer.URL,
		Audience: "https://api.example.com", // the resource in authzd's configuration
	})
	if err != nil {
		log.Fatal(err)
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := bearer.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", caller.Subject)
	})
	api := http.NewServeMux()
	api.Handle("GET /orders", v.Protect(bearer.RequireScope("orders.read")(orders)))

	call(api, "GET", "/orders", issuer.token(map[string]any{"scope": "openid orders.read"}))
	call(api, "GET", "/orders", issuer.token(map[string]any{"scope": "openid"}))
	call(api, "GET", "/orders", "")
	// Output:
	// 200 orders of alice
	// 403 {"error":"insufficient_scope","error_description":"the token lacks a scope that this needs"}
	//
	// Bearer realm="https://api.example.com", error="insufficient_scope", error_description="the token lacks a scope that this needs", scope="orders.read"
	// 401 {"error":"unauthorized","error_description":"an access token is needed: send it as Authorization: Bearer"}
	//
	// Bearer realm="https://api.example.com"
}

// Roles come from the issuer, inside the token; nothing that the client sends can add one.
func ExampleRequireRole() {
	issuer := newExampleIssuer()
	defer issuer.Close()

	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "admin's page") })
	api := http.NewServeMux()
	api.Handle("/admin", issuer.verifier().Protect(bearer.RequireRole("admin", "owner")(admin)))

	call(api, "GET", "/admin", issuer.token(map[string]any{"roles": []string{"admin"}}))
	call(api, "GET", "/admin?role=admin", issuer.token(nil))
	// Output:
	// 200 admin's page
	// 403 {"error":"insufficient_scope","error_description":"the user lacks a role that this needs"}
	//
	// Bearer realm="https://api.example.com", error="insufficient_scope", error_description="the user lacks a role that this needs"
}

// While callers move from the old session cookie to tokens, a route can take both. Cookies need a
// defence against forged requests of other sites, which tokens do not.
func ExampleVerifier_Either() {
	issuer := newExampleIssuer()
	defer issuer.Close()

	sessions := map[string]string{"5ca1ab1e": "bob"} // the application's old session store
	csrf := http.NewCrossOriginProtection()
	cookieUser := func(r *http.Request) (*bearer.Principal, bool) {
		cookie, err := r.Cookie("session")
		if err != nil || csrf.Check(r) != nil {
			return nil, false
		}
		user, ok := sessions[cookie.Value]
		return &bearer.Principal{Subject: user}, ok
	}
	profile := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := bearer.FromContext(r.Context())
		fmt.Fprintf(w, "profile of %s", caller.Subject)
	})
	v := issuer.verifier()
	api := http.NewServeMux()
	api.Handle("/profile", v.Either(cookieUser, profile)) // both
	api.Handle("/orders", v.Protect(profile))             // moved already: tokens only

	r := httptest.NewRequest("GET", "/profile", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "5ca1ab1e"})
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	call(api, "GET", "/profile", issuer.token(nil))
	// Output:
	// 200 profile of bob
	// 200 profile of alice
}

// Verify is for tokens that don't come in an HTTP header, as in a gRPC call.
func ExampleVerifier_Verify() {
	issuer := newExampleIssuer()
	defer issuer.Close()
	v := issuer.verifier()

	for _, token := range []string{issuer.token(map[string]any{"department": "tea"}), "eyJhbGciOiJub25lIn0.e30."} {
		caller, err := v.Verify(context.Background(), token)
		var invalid *bearer.TokenError
		switch {
		case errors.As(err, &invalid):
			fmt.Println("refused:", invalid.Reason)
			continue
		case errors.Is(err, bearer.ErrUnavailable):
			fmt.Println("try again later")
			continue
		}
		var claims struct{ Department string }
		if err := caller.Decode(&claims); err != nil {
			log.Fatal(err)
		}
		fmt.Println(caller.Subject, "of", claims.Department)
	}
	// Output:
	// alice of tea
	// refused: the token is not a signed JWT
}
