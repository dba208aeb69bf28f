package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// replicas are equal servers on one PostgreSQL database, behind a balancer that gives each request to the
// next of them. The embedded server is how clients see them all: by the URL of the balancer.
type replicas struct {
	server
	balancer *balancer
	nodes    []*server
}

// startReplicas serves a new database by n processes until the test ends. clients and more are as for
// startServerWith.
func startReplicas(t *testing.T, n int, clients, more string) *replicas {
	t.Helper()
	database := pgtest.Database(t)
	b := newBalancer(t)
	r := &replicas{balancer: b, server: server{addr: b.addr, issuer: issuerAt(b.addr, more)}}
	secret := filepath.Join(t.TempDir(), "secret")
	for range n {
		node := r.newNode(t, database, secret, clients, more)
		if err := node.start(); err != nil {
			t.Fatalf("start: %v\n%s", err, node.log(t))
		}
		r.nodes = append(r.nodes, node)
		b.add(node.addr)
	}
	return r
}

// runRaced goes on with the race detector in each replica.
func (r *replicas) runRaced(t *testing.T) {
	t.Helper()
	for _, node := range r.nodes {
		node.runRaced(t)
	}
}

// newNode prepares a replica with its own folder and address.
func (r *replicas) newNode(t *testing.T, database, secret, clients, more string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "authzd-") // not t.TempDir, whose path may be too long for the admin socket
	if err != nil {
		t.Fatal(err)
	}
	node := &server{dir: dir, addr: freeAddr()}
	node.issuer = "http://" + node.addr // where it alone is asked for its health
	t.Cleanup(func() { node.finish(t) })
	text := r.configure(fmt.Sprintf("postgres: {url: %q}", database), "", clients, more)
	text = strings.Replace(text, "listen: "+r.addr, "listen: "+node.addr+"\nsecret_file: "+secret+"\nadmin: {socket: "+dir+"/admin.sock}", 1)
	if !strings.Contains(more, "trusted_proxies:") {
		text += "\ntrusted_proxies: [127.0.0.1/32]\n"
	}
	if err := os.WriteFile(node.configFile(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return node
}

// balancer is a reverse proxy without memory: each request of any client goes to the next replica. If it
// can't be sent there, it goes to the one after. A request that got lost on its way is not sent
// again, as it may have been served.
type balancer struct {
	addr string

	mu     sync.Mutex
	nodes  []string        // guarded by mu
	out    map[string]bool // guarded by mu; nodes that get none for now
	turn   int             // guarded by mu
	served map[string]int  // guarded by mu; requests by node
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{addr: listener.Addr().String(), served: map[string]int{}, out: map[string]bool{}}
	proxy := &httputil.ReverseProxy{
		Transport: b.transport(),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.URL.Scheme = "http"
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no answer
	}
	server := &http.Server{Handler: proxy}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return b
}

// add says that a replica gets requests.
func (b *balancer) add(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, addr)
}

func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.nodes {
		b.turn++
		if !b.out[b.nodes[b.turn%len(b.nodes)]] {
			break
		}
	}
	node := b.nodes[b.turn%len(b.nodes)]
	b.served[node]++
	return node
}

func (b *balancer) servedBy(node string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served[node]
}

// watch asks the replicas ten times a second, until the test ends, whether they are ready. Those that are
// not get no requests.
func (b *balancer) watch(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	for _, node := range b.nodes {
		all.Go(func() {
			for ctx.Err() == nil {
				ready := false
				if resp, err := http.Get("http://" + node + "/readyz"); err == nil {
					resp.Body.Close()
					ready = resp.StatusCode == http.StatusOK
				}
				b.mu.Lock()
				b.out[node] = !ready
				b.mu.Unlock()
				wait(ctx, 100*time.Millisecond)
			}
		})
	}
}

// transport sends to the next replica that takes the connection. It has read the request by then, as
// balancers do.
func (b *balancer) transport() http.RoundTripper {
	each := &http.Transport{MaxIdleConnsPerHost: racers}
	return roundTripper(func(r *http.Request) (resp *http.Response, err error) {
		var body []byte
		if r.Body != nil {
			if body, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
		}
		for range len(b.nodes) {
			r.URL.Host = b.next()
			if r.Body != nil {
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			resp, err = each.RoundTrip(r)
			if op := new(net.OpError); !errors.As(err, &op) || op.Op != "dial" {
				return resp, err
			}
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// wantAllUsed fails unless every replica has had its share of the requests.
func (r *replicas) wantAllUsed(t *testing.T) {
	t.Helper()
	r.balancer.mu.Lock()
	defer r.balancer.mu.Unlock()
	for _, node := range r.nodes {
		if r.balancer.served[node.addr] < 3 {
			t.Errorf("requests by replica: %v", r.balancer.served)
		}
	}
}

// A published client goes through the whole flow, though hardly two of its requests meet the same process.
func TestReplicasOpenIDClient(t *testing.T) {
	t.Parallel()
	needNode(t)
	private, public := newClientKey(t)
	r := startReplicas(t, 3, tv+fapiClients(public), "signing: {alg: ES256}\nregistration: {mode: open}\ndpop: {require_nonce: true}")
	for name, p := range map[string]party{
		"code":         {"code.mjs", url.Values{"CLIENT_ID": {"spa"}, "REDIRECT_URI": {spaCallback}}},
		"device":       {"device.mjs", url.Values{"CLIENT_ID": {"tv"}}},
		"registration": {"register.mjs", url.Values{"REDIRECT_URI": {"https://newcomer.example.com/callback"}}},
		"PAR, DPoP and its nonces": {"fapi.mjs", url.Values{
			"CLIENT_ID": {"fapi"}, "REDIRECT_URI": {"https://fapi.example.com/callback"}, "PRIVATE_JWK": {private}, "SIGNED": {""},
		}},
	} {
		t.Run(name, func(t *testing.T) { p.run(t, &r.server, newBrowser(t, &r.server)) })
	}
	r.wantAllUsed(t)
}

// Replicas that start at once on an empty database agree on everything: what one signs another's keys
// verify, and the configured user is there once.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	database, b := pgtest.Database(t), newBalancer(t)
	r := &replicas{balancer: b, server: server{addr: b.addr, issuer: "http://" + b.addr}}
	secret := filepath.Join(t.TempDir(), "secret")
	for range 3 {
		r.nodes = append(r.nodes, r.newNode(t, database, secret, "", ""))
		b.add(r.nodes[len(r.nodes)-1].addr)
	}
	var wg sync.WaitGroup
	for _, node := range r.nodes {
		wg.Go(func() {
			if err := node.start(); err != nil {
				t.Errorf("start: %v\n%s", err, node.log(t))
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for range 2 * len(r.nodes) {
		tokens := mustSignIn(t, &r.server)
		for _, node := range r.nodes {
			if status := userinfo(t, node, tokens.AccessToken); status != http.StatusOK {
				t.Errorf("userinfo: status %d", status)
			}
		}
	}
	keys := fmt.Sprint(publishedKeys(t, r.nodes[0]))
	for _, node := range r.nodes[1:] {
		if other := fmt.Sprint(publishedKeys(t, node)); other != keys {
			t.Errorf("keys %s\nand %s", keys, other)
		}
	}
}

// If something ends on one replica, it has ended on all of them, at once.
func TestReplicasEndTogether(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, "", "")
	a, b := r.nodes[0], r.nodes[1]
	tokens := mustSignIn(t, &r.server)
	resp, err := tokenClient.PostForm(a.issuer+"/revoke", url.Values{"client_id": {"spa"}, "token": {tokens.RefreshToken}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("revoke: status %d", resp.StatusCode)
	}
	if status := userinfo(t, b, tokens.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("a token that another replica has revoked: status %d", status)
	}
	mustRefuse(t, "a refresh token that another replica has revoked")(b.refresh(tokens.RefreshToken))

	// The answer of one replica to a refresh got lost: the other gives the same.
	first := mustSignIn(t, &r.server)
	lost, again := must(t)(a.refresh(first.RefreshToken)), must(t)(b.refresh(first.RefreshToken))
	if lost.RefreshToken != again.RefreshToken {
		t.Error("two replicas gave two successors")
	}
	newest := must(t)(a.refresh(again.RefreshToken))
	mustRefuse(t, "replay on the other replica")(b.refresh(first.RefreshToken))
	mustRefuse(t, "the newest token after the replay")(a.refresh(newest.RefreshToken))
}

// Codes and refresh tokens are redeemed once, whichever replicas the racers meet.
func TestReplicasRace(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 2, "", "")
	r.runRaced(t)
	browser := newBrowser(t, &r.server)
	for range 5 {
		f := mustCode(t, &r.server, browser)
		var winners []answer
		for _, a := range race(t, 16, f.redeem) {
			if !a.refused() {
				winners = append(winners, a)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%d redemptions were not refused, want 1: %v", len(winners), winners)
		}
		mustRefuse(t, "the winner's refresh token")(r.refresh(winners[0].RefreshToken))
	}
	first := mustSignIn(t, &r.server)
	answers := race(t, racers, func() (answer, error) { return r.refresh(first.RefreshToken) })
	for _, a := range answers {
		if must(t)(a, nil).RefreshToken != answers[0].RefreshToken {
			t.Fatal("two refreshes with one token gave two successors")
		}
	}
}

// One logout, several replicas that could tell the app: it hears of it once.
func TestReplicasLogout(t *testing.T) {
	t.Parallel()
	app := newWebApp(t, "app")
	r := startReplicas(t, 3, app.registration(app.backChannel()), "outbound: {allow_private_networks: [127.0.0.0/8]}")
	app.use(&r.server)
	browser := newBrowser(t, &r.server)
	for range 3 {
		app.visit(browser, "/login")
		app.visit(browser, "/logout")
		<-app.raw
	}
	for _, node := range r.nodes { // who stops finishes what it has begun
		if err := node.stop(); err != nil {
			t.Error(err)
		}
		node.proc = nil
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if len(app.tokens) != 3 {
		t.Errorf("logout tokens of %d sessions, of 3", len(app.tokens))
	}
	for sid, tokens := range app.tokens {
		if len(tokens) != 1 {
			t.Errorf("session %s: %d logout tokens", sid, len(tokens))
		}
	}
}
