package bearer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
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
	// 401 {"error":"unauthorized","error_description":"an access token is needed: send it in the Authorization header"}
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

// A copy of a token that is bound to a key is worthless: each request needs a proof that only the key's holder can
// make, for this request alone.
func Example_senderConstrained() {
	issuer := newExampleIssuer()
	defer issuer.Close()

	v, err := bearer.New(bearer.Config{
		Issuer:   issuer.URL,
		Audience: "https://api.example.com",
		DPoP:     bearer.DPoP{Required: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	api := v.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := bearer.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s", caller.Subject)
	}))

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // of the client, which keeps it
	if err != nil {
		log.Fatal(err)
	}
	public := jose.JSONWebKey{Key: key.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	token := issuer.token(map[string]any{"cnf": map[string]string{"jkt": base64.RawURLEncoding.EncodeToString(thumbprint)}})

	call(api, "GET", "/orders", token) // as a thief would
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", newProof(key, "GET", "https://api.example.com/orders", token))
	for range 2 {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 401 {"error":"invalid_token","error_description":"the token is bound to a DPoP key: send it as Authorization: DPoP, with a proof"}
	//
	// DPoP realm="https://api.example.com", error="invalid_token", error_description="the token is bound to a DPoP key: send it as Authorization: DPoP, with a proof", algs="ES256 EdDSA PS256 RS256"
	// 200 orders of alice
	// 401 {"error":"invalid_dpop_proof","error_description":"the proof was used before"}
}

// newProof is what a client does for each request.
func newProof(key *ecdsa.PrivateKey, method, url, token string) string {
	hash := sha256.Sum256([]byte(token))
	claims, err := json.Marshal(map[string]any{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	})
	if err != nil {
		log.Fatal(err)
	}
	opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts)
	if err != nil {
		log.Fatal(err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		log.Fatal(err)
	}
	proof, err := jws.CompactSerialize()
	if err != nil {
		log.Fatal(err)
	}
	return proof
}

// A route can demand a stronger and a more recent login than the token comes from.
func ExampleRequireACR() {
	issuer := newExampleIssuer()
	defer issuer.Close()

	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "admin's page") })
	stepUp := bearer.RequireACR("urn:authzd:acr:mfa")(bearer.RequireAuthAge(5 * time.Minute)(admin))
	api := http.NewServeMux()
	api.Handle("/admin", issuer.verifier().Protect(stepUp))

	now := time.Now().Unix()
	call(api, "GET", "/admin", issuer.token(map[string]any{"acr": "urn:authzd:acr:password", "auth_time": now - 3600}))
	call(api, "GET", "/admin", issuer.token(map[string]any{"acr": "urn:authzd:acr:mfa", "auth_time": now}))
	// Output:
	// 401 {"error":"insufficient_user_authentication","error_description":"a stronger or more recent login is needed"}
	//
	// Bearer realm="https://api.example.com", error="insufficient_user_authentication", error_description="a stronger or more recent login is needed", acr_values="urn:authzd:acr:mfa", max_age="300"
	// 200 admin's page
}

// A client that knows nothing but the API's URL follows the challenge to the metadata, and from there
// to the issuer.
func ExampleVerifier_Metadata() {
	v, err := bearer.New(bearer.Config{
		Issuer:   "https://id.example.com",
		Audience: "https://api.example.com",
		Metadata: &bearer.Metadata{Name: "Orders", Scopes: []string{"orders.read", "orders.write"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(v.Metadata())
	mux.Handle("/", v.Protect(http.NotFoundHandler()))

	call(mux, "GET", "/", "")
	call(mux, "GET", "/.well-known/oauth-protected-resource", "")
	// Output:
	// 401 {"error":"unauthorized","error_description":"an access token is needed: send it in the Authorization header"}
	//
	// Bearer realm="https://api.example.com", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"
	// 200 {"resource":"https://api.example.com","authorization_servers":["https://id.example.com"],"scopes_supported":["orders.read","orders.write"],"bearer_methods_supported":["header"],"resource_name":"Orders","dpop_signing_alg_values_supported":["ES256","EdDSA","PS256","RS256"]}
}

// A page fetches a ticket with its token, and opens a WebSocket with it.
func ExampleTickets() {
	issuer := newExampleIssuer()
	defer issuer.Close()

	v := issuer.verifier()
	tickets, err := bearer.NewTickets(bearer.TicketsConfig{Verifier: v})
	if err != nil {
		log.Fatal(err)
	}
	socket := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := bearer.FromContext(r.Context())
		watched, stop := v.Watch(r.Context(), caller) // close the socket with 4401 when it ends
		defer stop()
		fmt.Println(caller.Subject, "is let in:", watched.Err() == nil, r.Header["Sec-Websocket-Protocol"])
		// upgrade the connection here, with the library of your choice
	})
	api := http.NewServeMux()
	api.Handle("POST /ticket", v.Protect(tickets.Issue()))
	api.Handle("GET /socket", tickets.Redeem(socket))

	r := httptest.NewRequest("POST", "/ticket", strings.NewReader(`{"url": "/socket?room=1"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+issuer.token(nil))
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	var answer struct{ Protocol string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		handshake := httptest.NewRequest("GET", "/socket?room=1", nil)
		handshake.Header.Set("Connection", "Upgrade")
		handshake.Header.Set("Upgrade", "websocket")
		handshake.Header.Set("Sec-WebSocket-Protocol", "authzd.ticket, "+answer.Protocol)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, handshake)
		fmt.Println(w.Code)
	}
	// Output:
	// alice is let in: true [authzd.ticket]
	// 200
	// 401
}
