package acceptance

import (
	"fmt"
	"testing"
	"time"
)

// signInTo signs Alice in to an app; the first time there is a form.
func (b *tab) signInTo(a *webApp, form bool) {
	b.t.Helper()
	b.open(a.URL + "/login")
	if form {
		b.password(password)
	}
	b.appShows(a, "signed in")
}

func (b *tab) appShows(a *webApp, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.origin === %q && document.getElementById('app')?.innerText === %q", a.URL, text))
}

// One logout ends the sessions of all apps: by frames that a real browser loads with the apps' cookies,
// and by the back channel. Then it goes on to the app that asked.
func TestLogoutOfAllApps(t *testing.T) {
	t.Parallel()
	needTool(t, "chromium")
	first, framed, called := newWebApp(t, "first"), newWebApp(t, "framed"), newWebApp(t, "called")
	s := startServerWith(t, first.registration(first.frontChannel())+framed.registration(framed.frontChannel())+called.registration(called.backChannel()),
		"outbound: {allow_private_networks: [127.0.0.0/8]}")
	b := openChromium(t)
	for i, app := range []*webApp{first, framed, called} {
		app.use(s)
		b.signInTo(app, i == 0)
	}
	sid := framed.sids()[0]

	b.open(first.URL + "/logout")
	b.appShows(first, "bye a-state")
	if first.framed(sid) != 1 || framed.framed(sid) != 1 {
		t.Errorf("frames: %v, %v", first.frames, framed.frames)
	}
	for _, app := range []*webApp{first, framed, called} {
		b.open(app.URL)
		b.until("document.getElementById('app')")
		if app == called { // which is told beside the browser
			for deadline := time.Now().Add(untilTimeout); b.text("app") != "signed out" && time.Now().Before(deadline); {
				b.open(app.URL)
			}
		}
		if got := b.text("app"); got != "signed out" {
			t.Errorf("%s: %s", app.id, got)
		}
	}
	b.open(first.URL + "/login")
	b.shows("login-submit") // the session here has ended too
}

// An app that does not answer in its frame holds the user up for some seconds, no more.
func TestLogoutWithAnAppThatHangs(t *testing.T) {
	needTool(t, "chromium")
	first, hanging := newWebApp(t, "first"), newWebApp(t, "hanging")
	hanging.stay = make(chan struct{})
	t.Cleanup(func() { close(hanging.stay) })
	s := startServerWith(t, first.registration("")+hanging.registration(hanging.frontChannel()), "")
	b := openChromium(t)
	for i, app := range []*webApp{first, hanging} {
		app.use(s)
		b.signInTo(app, i == 0)
	}
	began := time.Now()
	b.open(first.URL)
	b.soon("location.href = '/logout'") // does not wait for it to load
	b.appShows(first, "bye a-state")
	if took := time.Since(began); took < 4*time.Second || took > time.Duration(many(90, 15))*time.Second {
		t.Errorf("went on after %v", took)
	}
}

// The list of sessions on the account page ends another browser's, and the button everything.
func TestAccountEndsSessions(t *testing.T) {
	t.Parallel()
	needTool(t, "chromium")
	app := newWebApp(t, "app")
	s := startServerWith(t, app.registration(app.backChannel()), "outbound: {allow_private_networks: [127.0.0.0/8]}")
	app.use(s)
	here, there := openChromium(t), openChromium(t)
	here.signInTo(app, true)
	there.signInTo(app, true)

	here.open(s.issuer + "/account")
	id := eval[string](here, "document.querySelector('button[name=end]').id")
	here.leave(id)
	here.until("!document.querySelector('button[name=end]')")
	there.open(s.issuer + "/account")
	there.shows("login-submit")

	there.signInTo(app, true)
	here.open(s.issuer + "/account")
	eval[any](here, "document.querySelector('details').open = true")
	here.click("sign-out-everywhere")
	here.until("document.querySelector('h1')?.innerText === 'You’re signed out'")
	for _, b := range []*tab{here, there} {
		b.open(s.issuer + "/account")
		b.shows("login-submit")
	}
	for deadline := time.Now().Add(untilTimeout); len(app.sids()) > 0 && time.Now().Before(deadline); {
		<-time.After(20 * time.Millisecond)
	}
	if sids, _ := app.heard(); len(sids) != 2 { // the one that was ended, and all
		t.Errorf("the app was told of %v", sids)
	}
}
