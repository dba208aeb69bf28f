package acceptance

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

const leavers = 12

// Users log out while their app is down, and the server is killed, again and again: when both are back, the app is
// told of every ended session, and of no other. If it is told twice, the jti is the same.
func TestCrashWithLogoutsToDeliver(t *testing.T) {
	t.Parallel()
	app := newWebApp(t, "app")
	app.setDown(true)
	s := startServerWith(t, app.registration(app.backChannel()), "outbound: {allow_private_networks: [127.0.0.0/8]}")
	app.use(s)
	var browsers []*browser
	for range leavers + 1 { // one stays
		b := newBrowser(t, s)
		app.visit(b, "/login")
		browsers = append(browsers, b)
	}
	all := app.sids()
	for i, b := range browsers[:leavers] {
		app.visit(b, "/logout")
		if i%4 == 3 {
			if err := s.kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sids, refused := app.heard(); len(sids) != 0 || refused == 0 {
		t.Fatalf("told of %v while it was down, %d calls", sids, refused)
	}
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	app.setDown(false)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}

	var sids []string
	for deadline := time.Now().Add(2 * time.Minute); len(sids) < leavers && time.Now().Before(deadline); sids, _ = app.heard() {
		<-time.After(50 * time.Millisecond)
	}
	left := app.sids()
	if len(sids) != leavers || len(left) != 1 || !slices.Contains(all, left[0]) || slices.Contains(sids, left[0]) {
		t.Fatalf("%d of %d sessions were told of, %d are left", len(sids), leavers, len(left))
	}
	for sid, jtis := range app.tokens {
		if len(slices.Compact(jtis)) != 1 {
			t.Errorf("%s was told of with the jtis %v", sid, jtis)
		}
	}
}

// Users log out all at once, and the server is killed in the middle of it: a session has ended and its
// app hears of that, or it lives and the app does not.
func TestCrashUnderLogouts(t *testing.T) {
	t.Parallel()
	app := newWebApp(t, "app")
	s := startServerWith(t, app.registration(app.backChannel()), "outbound: {allow_private_networks: [127.0.0.0/8]}")
	app.use(s)
	const crashes, each = 5, 8
	browsers, lives := map[string]*browser{}, map[string]bool{}
	for range crashes * each {
		b := newBrowser(t, s)
		app.visit(b, "/login")
		sid := liveSession(t, b)
		browsers[sid], lives[sid] = b, true
	}
	batches := slices.Collect(slices.Chunk(slices.Collect(maps.Keys(browsers)), each))
	for i, batch := range batches {
		var leaving sync.WaitGroup
		answered := make(chan struct{}, each)
		for _, sid := range batch {
			leaving.Go(func() {
				target := app.URL + "/logout"
				for range 3 { // through the server, and back to the app
					last, err := browsers[sid].follow(target)
					if err != nil || last.location == nil {
						break // the server was killed
					}
					target = last.location.String()
				}
				answered <- struct{}{}
			})
		}
		for range i { // not always the same moment
			<-answered
		}
		if err := s.kill(); err != nil {
			t.Fatal(err)
		}
		leaving.Wait()
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	ended := 0
	for sid, b := range browsers {
		if lives[sid] = liveSession(t, b) != ""; !lives[sid] {
			ended++
		}
	}
	var sids []string
	for deadline := time.Now().Add(2 * time.Minute); len(sids) < ended && time.Now().Before(deadline); sids, _ = app.heard() {
		<-time.After(50 * time.Millisecond)
	}
	for sid, alive := range lives {
		if slices.Contains(sids, sid) == alive {
			t.Errorf("session %s lives: %v, and the app heard the contrary", sid, alive)
		}
	}
	t.Logf("%d of %d sessions ended", ended, len(browsers))
}

// liveSession is the sid of a browser's session, "" if it has none.
func liveSession(t *testing.T, b *browser) string {
	t.Helper()
	response, err := b.client.Get(b.issuer + "/session")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var state struct {
		Session string `json:"sid"`
	}
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state.Session
}
