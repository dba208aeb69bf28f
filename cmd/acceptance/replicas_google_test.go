package acceptance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"
)

// at is the same browser, for requests that the balancer happens to give to this replica.
func (r *replicas) at(node *server, b *browser) *browser {
	client, here := *b.client, *b
	client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == r.addr {
			addr = node.addr
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	here.client = &client
	return &here
}

// get opens a page.
func (b *browser) get(t *testing.T, target string) *page {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.open(req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// leave begins a sign-in at one replica, goes on to Google at another, and returns the URL of Google's page.
func (r *replicas) leave(t *testing.T, b *browser, first, second *server) string {
	t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {"spa"}, "redirect_uri": {spaCallback}, "scope": {"openid email offline_access"},
		"state": {"a-state-of-the-app"}, "code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
	}
	asked := r.at(first, b).get(t, r.issuer+"/authorize?"+query.Encode())
	if asked.location == nil {
		t.Fatalf("authorize: status %d: %s", asked.status, asked.text())
	}
	login := r.at(second, b).get(t, asked.location.String())
	link := login.byID("connector-google")
	if link == nil {
		t.Fatalf("no way to Google: %s", login.text())
	}
	target, err := login.url.Parse(attr(link, "href"))
	if err != nil {
		t.Fatal(err)
	}
	away := r.at(second, b).get(t, target.String())
	if away.location == nil {
		t.Fatalf("not sent to Google: %s", away.text())
	}
	return away.location.String()
}

// choose is what a user does on Google's page. It returns the URL of the callback.
func (g *google) choose(t *testing.T, b *browser, target, email string) string {
	t.Helper()
	asked := b.get(t, target)
	for form := range asked.root.Descendants() {
		values := url.Values{}
		if form.Data == "form" {
			for n := range form.Descendants() {
				if n.Type == html.ElementNode && n.Data == "input" {
					values.Add(attr(n, "name"), attr(n, "value"))
				}
			}
		}
		if values.Get("email") != email {
			continue
		}
		resp, err := b.client.PostForm(g.issuer+attr(form, "action"), values)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("Location")
	}
	t.Fatalf("%s is not to be had at Google: %s", email, asked.text())
	return ""
}

// withCookies is a browser that has these cookies alone.
func (r *replicas) withCookies(cookies map[string]string) *browser {
	b := openBrowser(&r.server)
	b.setCookies(cookies)
	return b
}

// A sign-in with Google that begins on one replica goes on at another, and its callback comes to a
// third. Each callback signs in one browser, its own, and once, whichever replica is asked.
func TestReplicasSignInWithGoogle(t *testing.T) {
	t.Parallel()
	g := newGoogle(t)
	r := startReplicas(t, 3, "", g.connector())
	g.start(t, &r.server)
	for first := range r.nodes {
		one, two, three := r.nodes[first], r.nodes[(first+1)%3], r.nodes[(first+2)%3]
		t.Run(fmt.Sprint("from replica ", first), func(t *testing.T) {
			b := newBrowser(t, &r.server)
			callback := g.choose(t, b, r.leave(t, b, one, two), googleUser)
			before := b.cookies()
			r.wantNoSignIn(t, "another browser", callback, nil)
			r.wantNoSignIn(t, "with the state of nobody", callback+"x", before)
			r.wantNoSignIn(t, "without a code", callback[:strings.Index(callback, "?")]+"?state=none", before)

			on := r.at(three, b).get(t, callback)
			if on.location == nil || !strings.HasPrefix(on.location.String(), r.issuer+"/") {
				t.Fatalf("callback: status %d to %v: %s", on.status, on.location, on.text())
			}
			back := r.at(one, b).get(t, on.location.String())
			if back.location == nil || back.location.Query().Get("code") == "" {
				t.Fatalf("no code: status %d to %v: %s", back.status, back.location, back.text())
			}
			for _, node := range r.nodes {
				if liveSession(t, r.at(node, b)) == "" {
					t.Error("a replica does not know the session")
				}
			}
			r.wantNoSignIn(t, "again, without what the browser has forgotten", callback, b.cookies(), "authzd")
			r.wantNoSignIn(t, "again, with the cookies from before", callback, before)

			f := mustCode(t, &r.server, r.at(two, b))
			f.s = three
			must(t)(one.refresh(must(t)(f.redeem()).RefreshToken))
		})
	}
	t.Run("race", func(t *testing.T) {
		for range 5 {
			r.raceForOneCallback(t, g)
		}
	})
}

// wantNoSignIn sends a callback to each replica from a browser with these cookies, less those that are
// named, and fails if that is an answer to it or signs the browser in. A page that asks for a sign-in is none.
func (r *replicas) wantNoSignIn(t *testing.T, what, callback string, cookies map[string]string, without ...string) {
	t.Helper()
	for _, node := range r.nodes {
		b := r.at(node, r.withCookies(cookies))
		for _, name := range without {
			b.setCookies(map[string]string{name: "none"})
		}
		last := b.get(t, callback)
		for last.location != nil && strings.HasPrefix(last.location.String(), r.issuer+"/") {
			last = b.get(t, last.location.String())
		}
		asks := last.status == http.StatusBadRequest || last.byID("login-submit") != nil // who is there
		if last.location != nil && last.location.Query().Get("error") == "" || last.location == nil && !asks {
			t.Errorf("%s: status %d to %v: %s", what, last.status, last.location, last.text())
		}
		if liveSession(t, b) != "" {
			t.Errorf("%s: signed in", what)
		}
	}
}

// raceForOneCallback sends a callback to all replicas at the same moment: it signs in once.
func (r *replicas) raceForOneCallback(t *testing.T, g *google) {
	b := newBrowser(t, &r.server)
	callback, cookies := g.choose(t, b, r.leave(t, b, r.nodes[0], r.nodes[1]), googleUser), b.cookies()
	var racing sync.WaitGroup
	start, racers := make(chan struct{}), make([]*browser, 2*len(r.nodes))
	for i := range racers {
		racers[i] = r.at(r.nodes[i%len(r.nodes)], r.withCookies(cookies))
		racing.Go(func() {
			<-start
			if resp, err := racers[i].client.Get(callback); err != nil {
				t.Error(err)
			} else {
				resp.Body.Close()
			}
		})
	}
	close(start)
	racing.Wait()
	winners := 0
	for _, b := range racers {
		if liveSession(t, b) != "" {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d callbacks signed in", winners, len(racers))
	}
}
