package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authzd/authzd/authz/revocation"
)

const pageOrigin = "https://app.example.com"

func newTickets(t testing.TB, v *Verifier, change ...func(*TicketsConfig)) *Tickets {
	t.Helper()
	cfg := TicketsConfig{Verifier: v}
	for _, c := range change {
		c(&cfg)
	}
	tickets, err := NewTickets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}

// fetchTicket asks for a ticket as a page does.
func fetchTicket(h http.Handler, target, origin, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/ticket", strings.NewReader(asJSON(object{"url": target})))
	r.Header.Set("Content-Type", "application/json")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return serve(h, r)
}

func newTicket(t testing.TB, tickets *Tickets, target string) issued {
	t.Helper()
	w := fetchTicket(tickets.verifier.Protect(tickets.Issue()), target, pageOrigin, "Bearer "+goodToken())
	var got issued
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if !isTicket(got.Ticket) || got.Protocol != "authzd.ticket."+got.Ticket || got.ExpiresIn != 30 {
		t.Fatalf("%+v", got)
	}
	return got
}

// handshake is the request by which a page opens a WebSocket.
func handshake(target, origin string, protocols ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	for _, p := range protocols {
		r.Header.Add("Sec-WebSocket-Protocol", p)
	}
	return r
}

// socket answers 101 and says whom it let in, what is left to choose of, and where.
var socket = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	p, ok := FromContext(r.Context())
	if !ok {
		panic("no principal")
	}
	w.Header().Set("X-Seen", strings.Join([]string{p.Subject, strings.Join(r.Header["Sec-Websocket-Protocol"], "|"), r.URL.String(), r.RequestURI}, " "))
	w.WriteHeader(http.StatusSwitchingProtocols)
})

func TestTicketOpensASocket(t *testing.T) {
	v := newIssuer().verifier(t)
	tickets := newTickets(t, v, func(c *TicketsConfig) { c.Query = "ticket" })
	h := tickets.Redeem(RequireScope("orders.read")(socket))
	const target = "/socket?room=1&x=%2F"
	for name, test := range map[string]struct {
		protocols []string // T is the ticket
		query     string
		seen      string // protocols that are left
	}{
		"no other protocol":  {[]string{"authzd.ticket", "authzd.ticket.T"}, "", "authzd.ticket"},
		"the ticket alone":   {[]string{"authzd.ticket.T"}, "", ""},
		"one of the app's":   {[]string{"graphql-ws, authzd.ticket.T"}, "", "graphql-ws"},
		"and the name too":   {[]string{"authzd.ticket", "chat", "authzd.ticket.T", "chat2"}, "", "chat, chat2"},
		"like it":            {[]string{"authzd.ticket.T,authzd.tickets"}, "", "authzd.tickets"},
		"in the query":       {nil, "&ticket=T", ""},
		"in the query, both": {[]string{"chat", "authzd.ticket"}, "&ticket=T", "chat"},
		"escaped name":       {nil, "&%74icket=T", ""},
	} {
		ticket := newTicket(t, tickets, target).Ticket
		for i := range test.protocols {
			test.protocols[i] = strings.ReplaceAll(test.protocols[i], "T", ticket)
		}
		w := serve(h, handshake(target+strings.ReplaceAll(test.query, "T", ticket), pageOrigin, test.protocols...))
		if want := strings.Join([]string{"alice", test.seen, target, target}, " "); w.Code != 101 || w.Header().Get("X-Seen") != want {
			t.Errorf("%s: %d %q %s", name, w.Code, w.Header().Get("X-Seen"), w.Body)
		}
	}
	first := newTicket(t, tickets, target)
	if w := serve(h, handshake("/socket?ticket="+first.Ticket+"&room=1&x=%2F", pageOrigin)); w.Code != 101 {
		t.Errorf("ticket first in the query: %d %s", w.Code, w.Body)
	}
	only := newTicket(t, tickets, "/socket")
	if w := serve(h, handshake("/socket?ticket="+only.Ticket, pageOrigin)); w.Code != 101 || w.Header().Get("X-Seen") != "alice  /socket /socket" {
		t.Errorf("ticket alone in the query: %d %q", w.Code, w.Header().Get("X-Seen"))
	}
}

// Every refusal comes before 101, and the ticket is used up.
func TestTicketRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed()
		v := f.verifier(t, f.follow(t))
		tickets := newTickets(t, v)
		h := tickets.Redeem(socket)
		protocol := func(ticket string) string { return "authzd.ticket." + ticket }
		change := func(r *http.Request, name string, values ...string) *http.Request {
			r.Header[name] = values
			return r
		}
		for name, test := range map[string]struct {
			request func(ticket string) *http.Request
			status  int
			code    string
			spent   bool
		}{
			"none":               {func(string) *http.Request { return handshake("/socket?a=1", pageOrigin, "chat") }, 401, "unauthorized", false},
			"the name alone":     {func(string) *http.Request { return handshake("/socket?a=1", pageOrigin, "authzd.ticket") }, 401, "unauthorized", false},
			"empty":              {func(string) *http.Request { return handshake("/socket?a=1", pageOrigin, protocol("")) }, 401, "invalid_token", false},
			"unknown":            {func(x string) *http.Request { return handshake("/socket?a=1", pageOrigin, protocol(x[1:]+"A")) }, 401, "invalid_token", false},
			"respelled":          {func(x string) *http.Request { return handshake("/socket?a=1", pageOrigin, protocol(x+"=")) }, 401, "invalid_token", false},
			"two":                {func(x string) *http.Request { return handshake("/socket?a=1", pageOrigin, protocol(x), protocol(x)) }, 400, "invalid_request", false},
			"query not accepted": {func(x string) *http.Request { return handshake("/socket?a=1&ticket="+x, pageOrigin) }, 401, "unauthorized", false},
			"a token instead": {func(string) *http.Request {
				return change(handshake("/socket?a=1", pageOrigin), "Authorization", "Bearer "+goodToken())
			}, 401, "unauthorized", false},
			"no handshake": {func(x string) *http.Request {
				return change(handshake("/socket?a=1", pageOrigin, protocol(x)), "Upgrade")
			}, 400, "invalid_request", false},
			"another upgrade": {func(x string) *http.Request {
				return change(handshake("/socket?a=1", pageOrigin, protocol(x)), "Upgrade", "h2c")
			}, 400, "invalid_request", false},
			"no connection": {func(x string) *http.Request {
				return change(handshake("/socket?a=1", pageOrigin, protocol(x)), "Connection", "close")
			}, 400, "invalid_request", false},
			"POST": {func(x string) *http.Request {
				r := handshake("/socket?a=1", pageOrigin, protocol(x))
				r.Method = "POST"
				return r
			}, 400, "invalid_request", false},
			"another path":     {func(x string) *http.Request { return handshake("/admin?a=1", pageOrigin, protocol(x)) }, 401, "invalid_token", true},
			"another query":    {func(x string) *http.Request { return handshake("/socket?a=2", pageOrigin, protocol(x)) }, 401, "invalid_token", true},
			"no query":         {func(x string) *http.Request { return handshake("/socket", pageOrigin, protocol(x)) }, 401, "invalid_token", true},
			"another spelling": {func(x string) *http.Request { return handshake("/%73ocket?a=1", pageOrigin, protocol(x)) }, 401, "invalid_token", true},
			"another origin":   {func(x string) *http.Request { return handshake("/socket?a=1", "https://evil.example", protocol(x)) }, 401, "invalid_token", true},
			"no origin":        {func(x string) *http.Request { return handshake("/socket?a=1", "", protocol(x)) }, 401, "invalid_token", true},
			"origin null":      {func(x string) *http.Request { return handshake("/socket?a=1", "null", protocol(x)) }, 401, "invalid_token", true},
			"two origins": {func(x string) *http.Request {
				return change(handshake("/socket?a=1", "", protocol(x)), "Origin", pageOrigin, "")
			}, 401, "invalid_token", true},
			"31 seconds": {func(x string) *http.Request {
				time.Sleep(31 * time.Second)
				return handshake("/socket?a=1", pageOrigin, protocol(x))
			}, 401, "invalid_token", true},
		} {
			got := newTicket(t, tickets, "/socket?a=1")
			w := serve(h, test.request(got.Ticket))
			var body struct{ Error string }
			_ = json.Unmarshal(w.Body.Bytes(), &body)
			if w.Code != test.status || body.Error != test.code || strings.Contains(w.Body.String(), got.Ticket) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			again := serve(h, handshake("/socket?a=1", pageOrigin, got.Protocol))
			if spent := again.Code != 101; spent != test.spent {
				t.Errorf("%s: spent %t", name, spent)
			}
		}

		used := newTicket(t, tickets, "/socket")
		for i, want := range []int{101, 401, 401} {
			if w := serve(h, handshake("/socket", pageOrigin, used.Protocol)); w.Code != want {
				t.Errorf("use %d: %d", i+1, w.Code)
			}
		}
		ended := newTicket(t, tickets, "/socket")
		f.end(revocation.Session, "s1", 0)
		time.Sleep(promised)
		if w := serve(h, handshake("/socket", pageOrigin, ended.Protocol)); w.Code != 401 || !strings.Contains(w.Body.String(), "revoked") {
			t.Errorf("signed out since: %d %s", w.Code, w.Body)
		}
	})
}

// The token may expire in the half minute that its ticket lives.
func TestTicketOfAnExpiredToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newIssuer().verifier(t, func(c *Config) { c.Leeway = -1 })
		tickets := newTickets(t, v)
		short := token(header(), goodClaims().with("exp", time.Now().Unix()+10))
		w := fetchTicket(v.Protect(tickets.Issue()), "/socket", pageOrigin, "Bearer "+short)
		var got issued
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if w := serve(tickets.Redeem(socket), handshake("/socket", pageOrigin, got.Protocol)); w.Code != 401 || !strings.Contains(w.Body.String(), "expired") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Tickets are given out to callers only, for URLs of the API only.
func TestTicketIsNotIssued(t *testing.T) {
	v := newIssuer().verifier(t)
	for url, want := range map[string]map[string]int{
		"": {
			"/socket": 200, "/socket?x=y": 200, "wss://api.example.com/socket": 200, "https://api.example.com/socket": 200,
			"": 400, "socket": 400, "//api.example.com": 400, "//evil.example/socket": 400, "/socket#x": 400, "javascript:alert(1)": 400, "wss:/socket": 400,
			"wss://u:p@api.example.com/socket": 400, "ftp://api.example.com/socket": 400, "/%zz": 400, "/\n": 400, "wss:///socket": 400,
			"/" + strings.Repeat("x", maxTicketURL): 400,
		},
		"https://example.com/api": {
			"/api/socket": 200, "wss://EXAMPLE.com/api/socket": 200, "/socket": 400, "/api": 400, "/apis/socket": 400, "wss://evil.example/api/socket": 400,
		},
	} {
		tickets := newTickets(t, v, func(c *TicketsConfig) { c.URL = url })
		h := v.Protect(tickets.Issue())
		for target, status := range want {
			if w := fetchTicket(h, target, pageOrigin, "Bearer "+goodToken()); w.Code != status {
				t.Errorf("%q, %.60q: %d %s", url, target, w.Code, w.Body)
			}
		}
	}
	tickets := newTickets(t, v, func(c *TicketsConfig) { c.URL = "https://example.com/api/" })
	got := newTicket(t, tickets, "/api/socket?x=y")
	if w := serve(tickets.Redeem(socket), handshake("/socket?x=y", pageOrigin, got.Protocol)); w.Code != 101 {
		t.Errorf("behind a proxy: %d %s", w.Code, w.Body)
	}

	h := v.Protect(tickets.Issue())
	if w := fetchTicket(h, "/api/socket", pageOrigin, ""); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	if w := fetchTicket(tickets.Issue(), "/api/socket", pageOrigin, ""); w.Code != 500 {
		t.Errorf("outside of Protect: %d", w.Code)
	}
	for name, change := range map[string]func(*http.Request){
		"GET":            func(r *http.Request) { r.Method = "GET" },
		"a form":         func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"no type":        func(r *http.Request) { r.Header.Del("Content-Type") },
		"two origins":    func(r *http.Request) { r.Header["Origin"] = []string{"https://a.example", "https://b.example"} },
		"no JSON object": func(r *http.Request) { r.Body = http.NoBody },
	} {
		r := httptest.NewRequest("POST", "/ticket", strings.NewReader(`{"url":"/api/socket"}`))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("Authorization", "Bearer "+goodToken())
		change(r)
		if w := serve(h, r); w.Code != 400 && w.Code != 405 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// A store that is away is 503, and gives out nothing.
func TestTicketStoreAway(t *testing.T) {
	v := newIssuer().verifier(t)
	store := &brokenStore{TicketStore: NewMemoryTickets(0)}
	tickets := newTickets(t, v, func(c *TicketsConfig) { c.Store = store })
	got := newTicket(t, tickets, "/socket")
	store.broken.Store(true)
	if w := fetchTicket(v.Protect(tickets.Issue()), "/socket", pageOrigin, "Bearer "+goodToken()); w.Code != 503 || w.Header().Get("Retry-After") != "1" || strings.Contains(w.Body.String(), `"ticket"`) {
		t.Errorf("issue: %d %s", w.Code, w.Body)
	}
	if w := serve(tickets.Redeem(socket), handshake("/socket", pageOrigin, got.Protocol)); w.Code != 503 {
		t.Errorf("redeem: %d %s", w.Code, w.Body)
	}
	store.broken.Store(false)
	store.value = []byte(`{"Target":"/socket?","Origin":"` + pageOrigin + `"}`) // nobody's
	for _, damaged := range []string{`{"Target":"/socket?","Origin":"` + pageOrigin + `"}`, `x`, `null`, `{"Target":"/socket?","Origin":"` + pageOrigin + `","Claims":null}`, `{"Target":"/socket?","Origin":"` + pageOrigin + `","Claims":{"sub":"x"}}`} {
		store.value = []byte(damaged)
		if w := serve(tickets.Redeem(socket), handshake("/socket", pageOrigin, got.Protocol)); w.Code != 401 {
			t.Errorf("%s: %d %s", damaged, w.Code, w.Body)
		}
	}
}

// many is how often a test repeats itself: TEST_FULL=1 asks for the long run.
func many(short, full int) int {
	if on, _ := strconv.ParseBool(os.Getenv("TEST_FULL")); on {
		return full
	}
	return short
}

type brokenStore struct {
	TicketStore
	broken atomic.Bool
	value  []byte // nil: that of the store
}

func (s *brokenStore) Put(ctx context.Context, key string, value []byte, until time.Time) error {
	if s.broken.Load() {
		return errors.New("disk full")
	}
	return s.TicketStore.Put(ctx, key, value, until)
}

func (s *brokenStore) Take(ctx context.Context, key string) ([]byte, bool, error) {
	if s.broken.Load() {
		return nil, false, errors.New("disk full")
	}
	if s.value != nil {
		return s.value, true, nil
	}
	return s.TicketStore.Take(ctx, key)
}

// Of 64 handshakes with one ticket on two replicas, one is let in.
func TestTicketWorksOnce(t *testing.T) {
	store := NewMemoryTickets(0)
	v := newIssuer().verifier(t)
	var replicas [2]*Tickets
	var handlers [2]http.Handler
	for i := range replicas {
		replicas[i] = newTickets(t, v, func(c *TicketsConfig) { c.Store = store })
		handlers[i] = replicas[i].Redeem(socket)
	}
	for round := range many(20, 1000) {
		got := newTicket(t, replicas[round%2], "/socket")
		var let atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			wg.Go(func() {
				<-start
				if w := serve(handlers[i%2], handshake("/socket", pageOrigin, got.Protocol)); w.Code == 101 {
					let.Add(1)
				} else if w.Code != 401 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		close(start)
		wg.Wait()
		if let.Load() != 1 {
			t.Fatalf("round %d: %d were let in", round, let.Load())
		}
	}
}

// A caller by the old session gets tickets too, and one of an opaque token has the claims of its introspection.
func TestTicketsOfOtherCallers(t *testing.T) {
	o := newOracle()
	o.says[opaque] = active().without("iss").with("department", "tea")
	v := o.verifier(t)
	tickets := newTickets(t, v)
	legacy := func(*http.Request) (*Principal, bool) {
		return &Principal{Subject: "bob", Roles: []string{"admin"}}, true
	}
	h := v.Either(legacy, tickets.Issue())
	for authorization, want := range map[string]string{"": "bob", "Bearer " + opaque: "alice"} {
		var got issued
		if err := json.Unmarshal(fetchTicket(h, "/socket", "", authorization).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		w := serve(tickets.Redeem(RequireRole("admin")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := FromContext(r.Context())
			var more struct{ Department string }
			err := p.Decode(&more)
			fmt.Fprintf(w, "%s %s %s %t", p.Subject, p.Issuer, more.Department, err == nil)
		}))), handshake("/socket", "", got.Protocol))
		if body := map[string]string{"bob": "bob   false", "alice": "alice " + testIssuer + " tea true"}[want]; w.Body.String() != body {
			t.Errorf("%s: %d %q", want, w.Code, w.Body)
		}
	}
}

func TestMemoryTicketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemoryTickets(100)
		put := func(key string) error { return m.Put(t.Context(), key, nil, time.Now().Add(ticketLifetime)) }
		for i := range 100 {
			if err := put(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := put("one more"); !errors.Is(err, ErrTooManyTickets) {
			t.Error(err)
		}
		if _, ok, _ := m.Take(t.Context(), "0"); !ok {
			t.Error("the oldest is gone")
		}
		if err := put("in its place"); err != nil {
			t.Error(err)
		}
		time.Sleep(ticketLifetime)
		if _, ok, _ := m.Take(t.Context(), "1"); ok {
			t.Error("an old one is good")
		}
		if err := put("later"); err != nil || len(m.kept) != 1 || len(m.order) != 1 {
			t.Errorf("%v, %d are kept", err, len(m.kept))
		}
	})
}

func TestTicketsConfigIsChecked(t *testing.T) {
	v := newIssuer().verifier(t)
	for want, cfg := range map[string]TicketsConfig{
		"a Verifier is required": {},
		"the URL":                {Verifier: v, URL: "/api"},
		"must not need escapes":  {Verifier: v, Query: "ti&cket"},
	} {
		if _, err := NewTickets(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// No trace of a ticket is left, with any header and query.
func FuzzCutTicket(f *testing.F) {
	const ticket = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	f.Add("chat, authzd.ticket."+ticket, "room=1")
	f.Add("authzd.ticket,authzd.ticket."+ticket, "")
	f.Add("", "ticket="+ticket+"&x=%2F&&")
	f.Add("authzd.ticket.,authzd.ticket."+ticket, "%74icket="+ticket)
	f.Add("\"authzd.ticket."+ticket+"\"", "ticket=%41"+ticket[1:])
	tickets := newTickets(f, newIssuer().verifier(f), func(c *TicketsConfig) { c.Query = "ticket" })
	f.Fuzz(func(t *testing.T, protocols, query string) {
		r := httptest.NewRequest(http.MethodGet, "/socket", nil)
		r.URL.RawQuery, r.RequestURI = query, "/socket?"+query
		r.Header.Set("Sec-WebSocket-Protocol", protocols)
		text, inner, refused := tickets.cut(r)
		if refused != nil {
			return
		}
		values, _ := url.ParseQuery(inner.URL.RawQuery)
		if !isTicket(text) || values.Has("ticket") || len(inner.URL.RawQuery) > len(query) {
			t.Errorf("ticket %q, query %q", text, inner.URL.RawQuery)
		}
		for _, p := range list(inner.Header["Sec-Websocket-Protocol"]) {
			if strings.HasPrefix(p, TicketProtocol+".") || !strings.Contains(protocols, p) {
				t.Errorf("%q is left of %q", p, protocols)
			}
		}
		if inner.RequestURI != "/socket?"+inner.URL.RawQuery && inner.RequestURI != "/socket" {
			t.Errorf("request URI %q", inner.RequestURI)
		}
	})
}

// A target is a path and a query, and reads the same again.
func FuzzTicketTarget(f *testing.F) {
	for _, seed := range []string{"/socket?room=1", "wss://api.example.com/a/b%2Fc", "//evil.example", "/\\evil.example", "/a b", "https://@/x"} {
		f.Add(seed)
	}
	tickets := newTickets(f, newIssuer().verifier(f))
	f.Fuzz(func(t *testing.T, text string) {
		target, ok := tickets.target(text)
		if !ok {
			return
		}
		if !strings.HasPrefix(target, "/") || !strings.Contains(target, "?") || strings.Contains(target, "#") {
			t.Errorf("%q: %q", text, target)
		}
	})
}
