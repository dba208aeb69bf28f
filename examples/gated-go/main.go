// Command gated-go is a site behind a gate of authzd bff. It does not believe headers because they are there: it checks
// the signed assertion of the gate, so that nobody who reaches it past the proxy can be somebody else.
//
//	GATE=https://gate.example.com HOST=app.example.com go run ./examples/gated-go
//
// docs/gates.md has the proxy's part.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/authzd/authzd/authz/bff/assertion"
)

func main() {
	v := assertion.New(assertion.Config{Gate: os.Getenv("GATE"), Host: os.Getenv("HOST")})
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", site(v)))
}

// site greets its user.
func site(v *assertion.Verifier) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		user, err := v.Verify(r.Context(), r.Header.Get("X-Auth-Token"))
		switch {
		case errors.Is(err, assertion.ErrUnavailable):
			log.Print(err)
			http.Error(w, "try again in a moment", http.StatusServiceUnavailable)
		case err != nil:
			log.Print(err)
			http.Error(w, "come in by the front door", http.StatusUnauthorized)
		default:
			fmt.Fprintf(w, "Hello %s, your roles are %q.\n", user.Subject, user.Roles)
		}
	})
	return mux
}
