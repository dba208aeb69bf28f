// Command api-go is an API whose callers are signed in by authzd. It needs only the server's public keys and its
// revocation feed: no shared secret, no session, no call to the server for a request.
//
//	request -> CORS -> Protect (token, revocations: 401) -> RequireScope, RequireRole (403) -> handler
//
// ISSUER, AUDIENCE, ORIGINS and LISTEN change the defaults, which fit examples/authzd.yaml. LOST=refuse answers 503
// while the feed is away for longer than a minute; the default is to go on.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rs/cors"

	"github.com/authzd/authzd/authz/bearer"
)

func main() {
	issuer := cmp.Or(os.Getenv("ISSUER"), "http://localhost:9010")
	follower, err := bearer.NewFollower(bearer.FollowerConfig{Issuer: issuer, Lost: bearer.Lost(os.Getenv("LOST"))})
	if err != nil {
		log.Fatal(err)
	}
	go follower.Run(context.Background())
	verifier, err := bearer.New(bearer.Config{
		Issuer:      issuer,
		Audience:    cmp.Or(os.Getenv("AUDIENCE"), "http://localhost:8080"), // the resource in authzd.yaml
		Revocations: follower,
	})
	if err != nil {
		log.Fatal(err)
	}
	origins := strings.Split(cmp.Or(os.Getenv("ORIGINS"), "http://localhost:4200"), ",")
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("LISTEN"), "localhost:8080"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	server := &http.Server{Handler: newHandler(verifier, origins), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

// newHandler returns the API. CORS is outside of Protect, because a browser sends its preflight without a
// token, and an app can't read a 401 without CORS headers.
func newHandler(v *bearer.Verifier, origins []string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Protect(bearer.RequireScope("orders.read")(http.HandlerFunc(listOrders))))
	mux.Handle("POST /orders", v.Protect(bearer.RequireScope("orders.write")(http.HandlerFunc(placeOrder))))
	mux.Handle("GET /admin", v.Protect(bearer.RequireRole("admin")(http.HandlerFunc(admin))))
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"Authorization", "Content-Type", "DPoP"},
		ExposedHeaders: []string{"WWW-Authenticate"},
	}).Handler(mux)
}

type order struct {
	ID   string `json:"id"`
	Item string `json:"item"`
	For  string `json:"for"`
}

// listOrders answers for the subject of the token, never for a user that the request names.
func listOrders(w http.ResponseWriter, r *http.Request) {
	caller, _ := bearer.FromContext(r.Context())
	answer(w, http.StatusOK, []order{{"1001", "Treacle", caller.Subject}})
}

func placeOrder(w http.ResponseWriter, r *http.Request) {
	caller, _ := bearer.FromContext(r.Context())
	answer(w, http.StatusCreated, order{"1002", "Looking-glass", caller.Subject})
}

func admin(w http.ResponseWriter, r *http.Request) {
	caller, _ := bearer.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{"subject": caller.Subject, "roles": caller.Roles})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
