package acceptance

import (
	"slices"
	"testing"
	"time"
)

const leavers = 12

// Users log out while their app is down, and the server is killed, again and again: when both are back,
// the app hears of every session that has ended, and of no other. What it hears twice has the same jti.
func TestCrashWithLogoutsToDeliver(t *testing.T) {
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
