package docs

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/bearer"
)

func live(verifier *bearer.Verifier) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols:       []string{"chat", bearer.TicketProtocol}, // the ticket's is the last one
			InsecureSkipVerify: true,                                    // Redeem has compared the origin
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		caller, _ := bearer.FromContext(r.Context())
		counts, stop := verifier.Watch(context.Background(), caller)
		defer stop()
		go func() {
			<-counts.Done() // the token has expired, or its user has signed out
			c.Close(4401, "the session has ended")
		}()
		for {
			kind, message, err := c.Read(context.Background())
			if err != nil {
				return
			}
			if err := c.Write(context.Background(), kind, append([]byte(caller.Subject+": "), message...)); err != nil {
				return
			}
		}
	})
}

// The API of the recipe opens a socket for a ticket, once, and closes it when its token is revoked.
func TestWebSocketsRecipe(t *testing.T) {
	recipe, err := os.ReadFile("websockets.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("websockets_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, function, _ := strings.Cut(string(source), "\nfunc live(")
	function, _, _ = strings.Cut(function, "\n}\n")
	if !strings.Contains(string(recipe), "func live("+function) {
		t.Error("websockets.md shows another API than the one that is tried here")
	}

	s := authztest.Start(t, authz.Config{}, nil)
	follower, err := bearer.NewFollower(bearer.FollowerConfig{Issuer: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); follower.Run(ctx) }()
	defer func() { cancel(); <-stopped }()
	verifier, err := bearer.New(bearer.Config{Issuer: s.URL, Audience: authztest.API, Revocations: follower})
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := bearer.NewTickets(bearer.TicketsConfig{Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /ticket", verifier.Protect(tickets.Issue()))
	mux.Handle("GET /live", tickets.Redeem(live(verifier)))
	api := httptest.NewServer(mux)
	defer api.Close()

	tokens := s.SignIn(t, authztest.SPA, "", url.Values{"scope": {"openid offline_access orders.read"}})
	r, err := http.NewRequest(http.MethodPost, api.URL+"/ticket", strings.NewReader(`{"url": "/live?room=1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://app.example.com")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var ticket struct{ Protocol string }
	if err := json.NewDecoder(answer.Body).Decode(&ticket); err != nil || ticket.Protocol == "" {
		t.Fatal(answer.Status, err)
	}
	options := &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://app.example.com"}}, Subprotocols: []string{"chat", ticket.Protocol}}
	c, _, err := websocket.Dial(t.Context(), api.URL+"/live?room=1", options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := c.Read(t.Context()); err != nil || !strings.HasSuffix(string(message), ": hello") || c.Subprotocol() != "chat" {
		t.Fatalf("%s, %q: %v", message, c.Subprotocol(), err)
	}
	if _, again, err := websocket.Dial(t.Context(), api.URL+"/live?room=1", options); err == nil || again.StatusCode != http.StatusUnauthorized {
		t.Errorf("the ticket again: %v", err)
	}
	if got := s.PostForm(t, "/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {authztest.SPA}}, nil); got.Status != http.StatusOK {
		t.Fatal(got.Status)
	}
	began := time.Now() // two seconds, unless the machine has all other tests to run
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != 4401 || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
