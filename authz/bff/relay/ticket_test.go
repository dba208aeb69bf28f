package relay_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/storage/bolt"
)

// A ticket is good for thirty seconds.
func TestTicketExpires(t *testing.T) {
	for age, status := range map[time.Duration]int{29 * time.Second: http.StatusBadGateway, 31 * time.Second: http.StatusForbidden} {
		synctest.Test(t, func(t *testing.T) {
			store, err := bolt.Open(filepath.Join(t.TempDir(), "bff.db"), bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			secret, err := keys.NewSecret([]byte(strings.Repeat("s", 32)))
			if err != nil {
				t.Fatal(err)
			}
			sessions := websession.New(websession.Config{Frontend: "orders", ClientID: "orders-bff", Idle: time.Hour, Max: time.Hour, Store: store, Secret: secret})
			w := httptest.NewRecorder()
			if _, err := sessions.Start(t.Context(), w, &provider.Grant{User: &provider.User{Subject: "alice"}, IssuedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
			p, err := relay.New(relay.Config{URL: "https://app.example.com", Sessions: sessions, Store: store,
				Routes: []relay.Route{{Path: "/ws", URL: "http://127.0.0.1:1", WebSocket: true, Token: relay.TokenNone}}})
			if err != nil {
				t.Fatal(err)
			}
			ask := httptest.NewRequest(http.MethodPost, "https://app.example.com/bff/ticket", strings.NewReader(`{"url":"/ws"}`))
			ask.AddCookie(w.Result().Cookies()[0])
			given := httptest.NewRecorder()
			p.Ticket(given, ask)
			var ticket struct{ Protocol string }
			decode(t, given.Body.String(), &ticket)

			time.Sleep(age)
			open := httptest.NewRequest(http.MethodGet, "/ws", nil)
			open.Header = http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
				"Origin": {"https://app.example.com"}, "Sec-Websocket-Protocol": {ticket.Protocol},
			}
			open.AddCookie(w.Result().Cookies()[0])
			opened := httptest.NewRecorder()
			p.ServeHTTP(opened, open) // a good one is led to an API that is not there
			if opened.Code != status {
				t.Errorf("after %v: %d %s", age, opened.Code, opened.Body)
			}
		})
	}
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// No ticket, token, cookie or path of a request is in the log, used or refused; each request is there once.
func TestLog(t *testing.T) {
	log := &logged{}
	observer, err := observe.New(observe.Config{Logger: slog.New(slog.NewJSONHandler(log, nil)), Routes: relay.RouteNames})
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true, TicketInQuery: true})
	s.handler.Store(observer.Handler(s.Relay))
	var secrets []string
	for _, path := range []string{"/ws/secretpath?q=secretquery", "/none/secretpath", "/ws/secretpath/x"} {
		ticket := s.ticket(t, "/ws/secretpath?q=secretquery")
		bare := strings.TrimPrefix(ticket, "authzd.ticket.")
		secrets = append(secrets, bare)
		if _, _, err := s.dial(t, path, []string{ticket}); err == nil {
			t.Errorf("%s: open", path)
		}
		if _, _, err := s.dial(t, path+"&ticket="+bare, nil); err == nil {
			t.Errorf("%s: open", path)
		}
	}
	s.get(t, "/ws/secretpath?ticket=secretticket")
	observer.Alarm(context.Background(), "the last line")
	text := log.text()
	for _, secret := range append(secrets, "secretpath", "secretquery", "secretticket", "user-token", s.cookie.Value) {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %s:\n%s", secret, text)
		}
	}
	if n := strings.Count(text, `"msg":"request"`); n != 7 || !strings.Contains(text, `"sub":"alice"`) || !strings.Contains(text, `"route":"api"`) || !strings.Contains(text, `"error":"ticket_refused"`) {
		t.Errorf("%d requests are in the log:\n%s", n, text)
	}
}
