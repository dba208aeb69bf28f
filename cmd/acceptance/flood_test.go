package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// forFlood is short-lived records, and a proxy that says where requests come from.
const forFlood = `
trusted_proxies: [127.0.0.1/32]
lifetimes: {par: 5s, device_code: 30s, refresh_token: 60s, refresh_idle: 30s}
registration: {mode: open}
`

// Requests of strangers, from any number of addresses, make the database grow by a bounded amount. When the records
// have expired, the room is free again.
func TestFlood(t *testing.T) {
	t.Parallel()
	const allowed = 50 << 20 // bytes
	n := many(2000, 100_000)
	s := startServerWith(t, tv, forFlood)
	mustSignIn(t, s)
	before := s.store(t)
	challenge := "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	authorization := url.Values{
		"response_type": {"code"}, "client_id": {"spa"}, "redirect_uri": {spaCallback}, "scope": {"openid"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "state": {strings.Repeat("s", 300)},
	}.Encode()
	for _, kind := range []struct {
		name, method, path, contentType, body string
	}{
		{"authorize", http.MethodGet, "/authorize?" + authorization, "", ""},
		{"par", http.MethodPost, "/par", "application/x-www-form-urlencoded", authorization},
		{"device", http.MethodPost, "/device_authorization", "application/x-www-form-urlencoded", "client_id=tv&scope=openid"},
		{"register", http.MethodPost, "/register", "application/json", `{"redirect_uris": ["https://app.example.com/callback"]}`},
	} {
		if kind.name == "register" { // such clients stay for hours, up to registration.max_clients
			s.fallsBack(t, before)
		}
		was, start := s.store(t), time.Now()
		statuses := s.flood(t, n, kind.method, kind.path, kind.contentType, kind.body)
		now := s.store(t)
		t.Logf("%d of %s: %v in %v; the database grew by %.1f MB, by %.0f commits", n, kind.name, statuses,
			time.Since(start).Round(time.Second), (now.file-was.file)/1e6, now.commits-was.commits)
		if kind.name == "authorize" && now.commits-was.commits > 20 { // what the server itself does meanwhile
			t.Errorf("%.0f commits for requests that are to be sealed in a URL", now.commits-was.commits)
		}
	}
	grown := s.store(t)
	if grown.file-before.file > allowed {
		t.Errorf("the database grew by %.1f MB", (grown.file-before.file)/1e6)
	}
}

// fallsBack waits until what a flood has left is swept.
func (s *server) fallsBack(t *testing.T, before storeState) {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	start, most := time.Now(), s.store(t)
	now := most
	for ; now.used() > before.used()+500<<10; now = s.store(t) {
		if time.Since(start) > 5*time.Minute {
			t.Fatalf("%.2f MB were in use before the flood, and %.2f MB five minutes after it", before.used()/1e6, now.used()/1e6)
		}
		<-tick.C
	}
	t.Logf("in use: %.2f MB before, %.2f MB at most, %.2f MB %v later", before.used()/1e6, most.used()/1e6,
		now.used()/1e6, time.Since(start).Round(time.Second))
}

// storeState is what the metrics tell of the database.
type storeState struct{ file, free, commits float64 }

func (s storeState) used() float64 { return s.file - s.free }

func (s *server) store(t *testing.T) storeState {
	t.Helper()
	m, err := s.metrics()
	if err != nil {
		t.Fatal(err)
	}
	return storeState{m["authzd_store_file_bytes"], m["authzd_store_free_bytes"], m["authzd_store_commits_total"]}
}

// flood sends a request n times, each from another network, and counts the answers.
func (s *server) flood(t *testing.T, n int, method, path, contentType, body string) map[int]int {
	t.Helper()
	const senders = 16
	client := http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: senders},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	statuses := make(map[int]int)
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := sender; i < n; i += senders {
				req, err := http.NewRequest(method, s.issuer+path, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("2600:%x:%x::1", i>>16, i&0xffff))
				if contentType != "" {
					req.Header.Set("Content-Type", contentType)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body) // for the connection
				resp.Body.Close()
				mu.Lock()
				statuses[resp.StatusCode]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return statuses
}
