package bearer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestWays(t *testing.T) {
	ways := new(Ways)
	v := newIssuer().verifier(t, func(c *Config) { c.Ways = ways })
	legacy := func(r *http.Request) (*Principal, bool) {
		cookie, err := r.Cookie("session")
		return &Principal{Subject: "bob"}, err == nil && cookie.Value == "good"
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", v.Either(legacy, hello))
	mux.Handle("/profile", v.Protect(RequireRole("owner")(hello)))
	inside := http.NewServeMux() // the other way round: Protect is outside
	inside.Handle("POST /inside", hello)
	mux.Handle("/v2/", http.StripPrefix("/v2", v.Protect(inside)))
	whole := v.Protect(inside)

	withCookie := func(value string) *http.Request {
		r := get("/orders/2")
		r.AddCookie(&http.Cookie{Name: "session", Value: value})
		return r
	}
	good := "Bearer " + goodToken()
	both := withCookie("good")
	both.Header.Set("Authorization", "Bearer x")
	post := httptest.NewRequest("POST", "/inside", nil)
	post.Header.Set("Authorization", good)
	for _, r := range []*http.Request{
		get("/orders/1", good), get("/orders/2", good), withCookie("good"), withCookie("bad"), both, get("/orders/3"),
		get("/profile", good), get("/profile?access_token=x"),
	} {
		serve(mux, r)
	}
	serve(whole, post)
	serve(whole, get("/nowhere", good))
	want := []string{
		" token 1", // the route that is not there
		"/profile refused 1", "/profile token 1",
		"GET /orders/{id} none 2", "GET /orders/{id} refused 1", "GET /orders/{id} session 1", "GET /orders/{id} token 2",
		"POST /inside token 1",
	}
	var got []string
	for _, c := range ways.Counts() {
		got = append(got, fmt.Sprintf("%s %s %d", c.Route, c.Way, c.Requests))
		if c.Last.IsZero() {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	w := serve(ways, get("/metrics"))
	for _, line := range []string{
		`bearer_requests_total{route="GET /orders/{id}",way="session"} 1`, `bearer_last_request_timestamp_seconds{route="/profile",way="token"} `,
		"# TYPE bearer_requests_total counter\n",
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("%s is missing in\n%s", line, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "alice") || strings.Contains(w.Body.String(), "orders/1") {
		t.Errorf("names more than routes:\n%s", w.Body)
	}
}

func TestWaysInParallel(t *testing.T) {
	ways := new(Ways)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			ways.add("route", []string{WayToken, WaySession}[i%2])
			ways.Counts()
		})
	}
	wg.Wait()
	counts := ways.Counts()
	if len(counts) != 2 || counts[0].Requests != 50 || counts[1].Requests != 50 {
		t.Errorf("%+v", counts)
	}
	ways.add("\"\n\\", WayToken)
	if w := serve(ways, get("/")); !strings.Contains(w.Body.String(), `{route="\"\n\\",way="token"} 1`) {
		t.Errorf("%s", w.Body)
	}
}
