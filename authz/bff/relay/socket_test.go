package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
)

// echo is an API with a WebSocket that sends back what it gets. how a connection ended comes out of the channel.
func echo(t *testing.T, protocols ...string) (*api, <-chan error) {
	ends := make(chan error, 100)
	return newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: protocols, InsecureSkipVerify: true, CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1,
		})
		if err != nil {
			return
		}
		c.SetReadLimit(16 << 20)
		for {
			kind, message, err := c.Read(context.Background())
			if err == nil {
				err = c.Write(context.Background(), kind, message)
			}
			if string(message) == "close" {
				err = c.Close(4007, "as you like")
			}
			if err != nil {
				ends <- err
				return
			}
		}
	}), ends
}

// ticket asks for a ticket, and returns the sub-protocol that shows it.
func (s *site) ticket(t testing.TB, url string) string {
	t.Helper()
	got := s.send(t, s.request(t, "/bff/ticket", strings.NewReader(fmt.Sprintf(`{"url":%q}`, url))))
	if got.StatusCode != http.StatusOK {
		t.Fatalf("a ticket for %s: %d %s", url, got.StatusCode, got.body)
	}
	var ticket struct {
		Ticket, Protocol string
		ExpiresIn        int `json:"expires_in"`
	}
	decode(t, got.body, &ticket)
	if ticket.ExpiresIn != 30 || len(ticket.Ticket) != 43 || ticket.Protocol != "authzd.ticket."+ticket.Ticket || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", got.body, got.Header)
	}
	return ticket.Protocol
}

// dial opens a WebSocket as a browser does.
func (s *site) dial(t testing.TB, path string, protocols []string, header ...string) (*websocket.Conn, *http.Response, error) {
	h := http.Header{"Origin": {s.url}, "Cookie": {s.cookie.Name + "=" + s.cookie.Value}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	c, resp, err := websocket.Dial(t.Context(), s.url+path, &websocket.DialOptions{
		HTTPHeader: h, Subprotocols: protocols, CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1,
	})
	if err == nil {
		c.SetReadLimit(16 << 20)
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, resp, err
}

// mustDial is dial with a new ticket.
func (s *site) mustDial(t testing.TB, path string, protocols ...string) *websocket.Conn {
	t.Helper()
	if len(protocols) == 0 {
		protocols = []string{"authzd.ticket"}
	}
	c, _, err := s.dial(t, path, append(protocols, s.ticket(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != text {
		t.Fatalf("%d bytes came back: %v", len(got), err)
	}
}

// wantClose demands that the next read ends with a code of the relay within two seconds.
func wantClose(t testing.TB, c *websocket.Conn, code websocket.StatusCode) {
	t.Helper()
	began := time.Now()
	for {
		_, _, err := c.Read(t.Context())
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != code {
			t.Errorf("closed with %v, want %d", err, code)
		}
		if took := time.Since(began); took > time.Duration(many(20, 2))*time.Second {
			t.Errorf("closed after %v", took)
		}
		return
	}
}

func TestSocket(t *testing.T) {
	a, ends := echo(t, "graphql-ws", "chat")
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/base/", WebSocket: true, Resource: "https://ws.example"})
	c := s.mustDial(t, "/ws/x?room=1&b=%20")
	for _, text := range []string{"hello", "", strings.Repeat("long", 1<<20), "again"} {
		say(t, c, text)
	}
	if err := c.Ping(c.CloseRead(t.Context())); err != nil {
		t.Errorf("ping: %v", err)
	}
	seen := a.last(t)
	if seen.RequestURI != "/base/x?room=1&b=%20" || seen.Header.Get("Authorization") != "Bearer user-token-1" || seen.Header.Get("Cookie") != "" {
		t.Errorf("the API got %s %v", seen.RequestURI, seen.Header)
	}
	for name, values := range seen.Header {
		if strings.Contains(strings.Join(values, ""), "ticket") {
			t.Errorf("the API got %s: %s", name, values)
		}
	}
	if c.Subprotocol() != "authzd.ticket" {
		t.Errorf("sub-protocol %q", c.Subprotocol())
	}
	c.Close(4001, "bye")
	if err := <-ends; websocket.CloseStatus(err) != 4001 {
		t.Errorf("the API saw %v", err)
	}
	other := s.mustDial(t, "/ws/x")
	_ = other.Write(t.Context(), websocket.MessageText, []byte("close"))
	wantClose(t, other, 4007)
}

// The app's own sub-protocol is what counts, and browsers get one of those that they have offered.
func TestSubprotocols(t *testing.T) {
	a, _ := echo(t, "chat")
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
	for _, test := range []struct {
		offered        []string
		upstream, want string
	}{
		{[]string{"chat"}, "chat", "chat"}, {[]string{"other", "chat"}, "other|chat", "chat"}, {[]string{"authzd.ticket", "chat"}, "chat", "chat"},
		{[]string{"authzd.ticket"}, "", "authzd.ticket"}, {[]string{"other"}, "other", ""}, {nil, "", "the ticket"},
	} {
		ticket := s.ticket(t, "/ws/x")
		c, _, err := s.dial(t, "/ws/x", append(test.offered, ticket))
		if err != nil {
			t.Errorf("%v: %v", test.offered, err)
			continue
		}
		if test.want == "the ticket" {
			test.want = ticket
		}
		got := strings.ReplaceAll(strings.Join(a.last(t).Header.Values("Sec-Websocket-Protocol"), "|"), ", ", "|")
		if c.Subprotocol() != test.want || got != test.upstream {
			t.Errorf("%v: the API is offered %q, the browser gets %q", test.offered, got, c.Subprotocol())
		}
		c.CloseNow()
	}
}

// A socket ends with its session, and with the roles that it was opened with.
func TestSocketEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *site){
		"logout": func(t *testing.T, s *site) {
			if err := s.sessions.End(t.Context(), s.session.ID, websession.SignedOut); err != nil {
				t.Error(err)
			}
		},
		"by another replica": func(t *testing.T, s *site) {
			if err := newSiteOn(t, s.store, s, nil).sessions.EndBySubject(t.Context(), "alice"); err != nil {
				t.Error(err)
			}
		},
		"at its time": func(t *testing.T, s *site) {
			record, version, err := storage.BFFSessions.Get(t.Context(), s.store, s.session.ID)
			if err != nil {
				t.Fatal(err)
			}
			soon := storage.Now().Add(50 * time.Millisecond)
			if err := s.store.Apply(t.Context(), storage.BFFSessions.Put(s.session.ID, record, storage.At(version), soon)); err != nil {
				t.Error(err)
			}
		},
		"other roles": func(t *testing.T, s *site) {
			record, version, err := storage.BFFSessions.Get(t.Context(), s.store, s.session.ID)
			if err != nil {
				t.Fatal(err)
			}
			record.Roles = []string{"reader"}
			if err := s.store.Apply(t.Context(), storage.BFFSessions.Put(s.session.ID, record, storage.At(version), s.session.Expires())); err != nil {
				t.Error(err)
			}
		},
		"refresh token dead": func(t *testing.T, s *site) {
			s.provider.failWith(&provider.Refusal{Status: 400, Code: "invalid_grant"})
			if _, err := s.sessions.AccessToken(t.Context(), s.session, "https://another.example", ""); !errors.Is(err, websession.ErrEnded) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, ends := echo(t)
			s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
			c := s.mustDial(t, "/ws/x")
			say(t, c, "hello")
			end(t, s)
			wantClose(t, c, 4401)
			if err := <-ends; websocket.CloseStatus(err) != 4401 {
				t.Errorf("the API saw %v", err)
			}
		})
	}
}

// The relay ends sockets so that its server can stop.
func TestSocketsEndWithTheRelay(t *testing.T) {
	a, ends := echo(t)
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
	c := s.mustDial(t, "/ws/x")
	say(t, c, "hello")
	s.Relay.Close()
	wantClose(t, c, websocket.StatusGoingAway)
	if err := <-ends; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the API saw %v", err)
	}
}

// The close frame is put in between two frames of a message that is under way.
func TestSocketEndsInTheMiddle(t *testing.T) {
	for round := range many(5, 200) {
		a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			ctx := c.CloseRead(context.Background())
			message := make([]byte, 100_000)
			for err == nil {
				w, writerErr := c.Writer(ctx, websocket.MessageBinary)
				if err = writerErr; err == nil {
					for n := 0; n < len(message) && err == nil; n += 10_000 { // fragments
						_, err = w.Write(message[n : n+10_000])
					}
					_ = w.Close()
				}
			}
		})
		s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
		c := s.mustDial(t, "/ws/x")
		for range round%5 + 1 {
			if _, message, err := c.Read(t.Context()); err != nil || len(message) != 100_000 {
				t.Fatalf("%d bytes, %v", len(message), err)
			}
		}
		if err := s.sessions.End(t.Context(), s.session.ID, websession.SignedOut); err != nil {
			t.Fatal(err)
		}
		wantClose(t, c, 4401)
	}
}

// A browser or an API that is stuck in the middle of a frame holds nothing up.
func TestSocketThatIsStuck(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x82\x7e\xff\xffbegin", r.Header.Get("Sec-Websocket-Key"))
		rw.Flush()
		<-release
	})
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
	ticket := s.ticket(t, "/ws/x")
	done := make(chan string)
	go func() {
		_, text := s.raw(t, "GET /ws/x HTTP/1.1\r\nHost: x\r\nOrigin: "+s.url+"\r\nCookie: "+s.cookie.Name+"="+s.cookie.Value+
			"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+ticket+"\r\n\r\n")
		done <- text
	}()
	for len(a.requests()) == 0 {
		select {
		case text := <-done:
			t.Fatal(text)
		case <-time.After(time.Millisecond):
		}
	}
	began := time.Now()
	if err := s.sessions.End(t.Context(), s.session.ID, websession.SignedOut); err != nil {
		t.Fatal(err)
	}
	text := <-done
	if took := time.Since(began); took > time.Duration(many(20, 2))*time.Second || !strings.Contains(text, " 101 ") || strings.Contains(text, "\x11\x31") {
		t.Errorf("after %v: %q", took, text)
	}
}
