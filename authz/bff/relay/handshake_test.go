package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/authzd/authzd/authz/bff/relay"
	"github.com/authzd/authzd/storage"
)

// Each is refused before 101, and reaches no API.
func TestHandshakesThatAreRefused(t *testing.T) {
	a, _ := echo(t)
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true}, relay.Route{Path: "/api/", URL: a.URL + "/"},
		relay.Route{Path: "/query/", URL: a.URL + "/", WebSocket: true, TicketInQuery: true})
	used := s.ticket(t, "/ws/x")
	c, _, err := s.dial(t, "/ws/x", []string{used})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	before := len(a.requests())
	mallory := newSiteOn(t, s.store, nil, nil) // another session of the same store
	fresh := func(path string) []string { return []string{"authzd.ticket", s.ticket(t, path)} }
	for name, test := range map[string]struct {
		path      string
		protocols []string
		header    []string
		status    int
	}{
		"without":            {"/ws/x", nil, nil, 401},
		"the name alone":     {"/ws/x", []string{"authzd.ticket"}, nil, 401},
		"empty":              {"/ws/x", []string{"authzd.ticket."}, nil, 403},
		"garbage":            {"/ws/x", []string{"authzd.ticket.abc"}, nil, 403},
		"unknown":            {"/ws/x", []string{"authzd.ticket." + strings.Repeat("A", 43)}, nil, 403},
		"used":               {"/ws/x", []string{used}, nil, 403},
		"two":                {"/ws/x", append(fresh("/ws/x"), s.ticket(t, "/ws/x")), nil, 400},
		"another path":       {"/ws/y", fresh("/ws/x"), nil, 403},
		"longer":             {"/ws/x/", fresh("/ws/x"), nil, 403},
		"escaped":            {"/ws/%78", fresh("/ws/x"), nil, 403},
		"a query":            {"/ws/x?a=1", fresh("/ws/x"), nil, 403},
		"another query":      {"/ws/x?a=1", fresh("/ws/x?a=2"), nil, 403},
		"no query":           {"/ws/x", fresh("/ws/x?a=1"), nil, 403},
		"another session":    {"/ws/x", fresh("/ws/x"), []string{"Cookie", mallory.cookie.Name + "=" + mallory.cookie.Value}, 403},
		"no session":         {"/ws/x", fresh("/ws/x"), []string{"Cookie", "a=b"}, 401},
		"foreign origin":     {"/ws/x", fresh("/ws/x"), []string{"Origin", "https://evil.example"}, 403},
		"null origin":        {"/ws/x", fresh("/ws/x"), []string{"Origin", "null"}, 403},
		"a like origin":      {"/ws/x", fresh("/ws/x"), []string{"Origin", s.url + ".evil.example"}, 403},
		"no origin":          {"/ws/x", fresh("/ws/x"), []string{"Origin", ""}, 403},
		"same-site":          {"/ws/x", fresh("/ws/x"), []string{"Sec-Fetch-Site", "same-site"}, 403},
		"no such route":      {"/api/x", fresh("/ws/x"), nil, 400},
		"unclean":            {"/ws//x", fresh("/ws/x"), nil, 400},
		"query, not allowed": {"/ws/x?ticket=" + strings.TrimPrefix(s.ticket(t, "/ws/x"), "authzd.ticket."), nil, nil, 401},
		"query, twice":       {"/query/x?ticket=a&%74icket=b", nil, nil, 400},
	} {
		c, resp, err := s.dial(t, test.path, test.protocols, test.header...)
		if err == nil {
			c.CloseNow()
			t.Errorf("%s: open", name)
		} else if resp == nil || resp.StatusCode != test.status {
			t.Errorf("%s: %v, %v", name, resp, err)
		} else if body, _ := io.ReadAll(resp.Body); len(test.protocols) > 0 && strings.Contains(string(body), strings.TrimPrefix(test.protocols[0], "authzd.ticket.")) && len(test.protocols[0]) > 20 {
			t.Errorf("%s: the answer repeats the ticket: %s", name, body)
		}
	}
	if n := len(a.requests()) - before; n > 0 {
		t.Errorf("the API got %d requests", n)
	}
}

// A ticket is for a WebSocket of this origin, and for somebody who is signed in.
func TestTicketsThatAreRefused(t *testing.T) {
	a, _ := echo(t)
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true}, relay.Route{Path: "/api/", URL: a.URL + "/"})
	ask := func(body string) *http.Request { return s.request(t, "/bff/ticket", strings.NewReader(body)) }
	for body, status := range map[string]int{
		"": 400, "{}": 400, `{"url":1}`: 400, `{"url":"/ws/x"`: 400, `{"url":"/ws/x","url":"/ws/y"}`: 400, `["/ws/x"]`: 400,
		`{"url":"` + strings.Repeat("x", 9<<10) + `"}`: 400,
		`{"url":"/api/x"}`: 404, `{"url":"/none"}`: 404, `{"url":"/bff/ticket"}`: 404,
		`{"url":"wss://evil.example/ws/x"}`: 400, `{"url":"//evil.example/ws/x"}`: 400, `{"url":"ws/x"}`: 400, `{"url":"/ws/../x"}`: 400, `{"url":"/ws/x#a"}`: 400, `{"url":"/ws/x?a#b"}`: 400,
		`{"url":"` + s.url + `.evil.example/ws/x"}`: 400,
	} {
		if got := s.send(t, ask(body)); got.StatusCode != status {
			t.Errorf("%.60s: %d %s", body, got.StatusCode, got.body)
		}
	}
	nobody := ask(`{"url":"/ws/x"}`)
	nobody.Header.Del("Cookie")
	s.wantRefusal(t, a, nobody, http.StatusUnauthorized, "login_required")
	tickets := 0
	for _, err := range storage.BFFTickets.All(t.Context(), s.store, "") {
		if err != nil {
			t.Fatal(err)
		}
		tickets++
	}
	if tickets > 0 {
		t.Errorf("%d tickets are stored", tickets)
	}
}

// What a page writes and what its browser sends are the same URL.
func TestTicketURLs(t *testing.T) {
	a, _ := echo(t)
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true})
	for asked, sent := range map[string]string{
		s.url + "/ws/x": "/ws/x",
		strings.Replace(s.url, "http", "ws", 1) + "/ws/x?a=1": "/ws/x?a=1",
		"/ws/é?q=é 'x'": "/ws/%C3%A9?q=%C3%A9%20%27x%27",
	} {
		u, err := url.Parse(sent)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := s.dial(t, u.RequestURI(), []string{s.ticket(t, asked)})
		if err != nil {
			t.Errorf("%s: %v", asked, err)
			continue
		}
		c.CloseNow()
	}
}

// By choice, the ticket comes in the query, and goes no further.
func TestTicketInQuery(t *testing.T) {
	a, _ := echo(t)
	s := newSite(t, nil, relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true, TicketInQuery: true})
	for _, query := range []string{"?ticket=%s", "?a=1&ticket=%s&b=2", "?%%74icket=%s&a=1"} {
		rest := strings.Trim(strings.NewReplacer("ticket=%s", "", "%%74icket=%s", "", "&&", "&").Replace(query), "?&")
		rest = strings.ReplaceAll(rest, "&&", "&")
		path := "/ws/x"
		if rest != "" {
			path += "?" + rest
		}
		ticket := strings.TrimPrefix(s.ticket(t, path), "authzd.ticket.")
		c, _, err := s.dial(t, "/ws/x"+fmt.Sprintf(query, ticket), nil)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		say(t, c, "hello")
		if got := a.last(t).RequestURI; got != strings.TrimPrefix(path, "/ws") {
			t.Errorf("%s: the API got %s, want %s", query, got, path)
		}
		c.CloseNow()
	}
}

// Of many who show one ticket, one opens a socket.
func TestTicketRace(t *testing.T) {
	a, _ := echo(t)
	rt := relay.Route{Path: "/ws/", URL: a.URL + "/", WebSocket: true}
	s := newSite(t, nil, rt)
	raceForTickets(t, many(10, 1000), s, s)
}

// raceForTickets shows each ticket 64 times to replicas of one origin.
func raceForTickets(t *testing.T, rounds int, sites ...*site) {
	t.Helper()
	for range rounds {
		ticket := sites[0].ticket(t, "/ws/x")
		var all sync.WaitGroup
		var mu sync.Mutex
		opened, refused := 0, 0
		for i := range 64 {
			all.Go(func() {
				s := sites[i%len(sites)]
				c, resp, err := s.dial(t, "/ws/x", []string{ticket}, "Origin", sites[0].url)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					opened++
					c.CloseNow()
				} else if resp != nil && resp.StatusCode == http.StatusForbidden {
					refused++
				} else {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if opened != 1 || refused != 63 {
			t.Fatalf("%d opened, %d were refused", opened, refused)
		}
	}
}
