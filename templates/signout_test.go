package templates

import (
	"slices"
	"strings"
	"testing"
)

func TestLogout(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["logout"])
	element(t, d.id("logout-confirm"), "Sign out", "type", "submit")
	element(t, d.id("logout-cancel"), "Stay signed in", "href", "/account")

	d = draw(t, r, "en", pages["logged out"])
	if got := d.heading(); got != "You’re signed out" {
		t.Errorf("heading %q", got)
	}
	element(t, d.id("back"), "Back to Orders", "href", "com.example.app:/signed-out")
	if page := text(d.root); !strings.Contains(page, "Alice Liddell Signed out") || !strings.Contains(page, "You’re signed out of these apps too: Orders Budget Planner") {
		t.Errorf("the page does not say who is signed out of what: %q", page)
	}
	if d := draw(t, r, "en", LoggedOut{}); d.has("signed-out-apps") || !d.has("sign-in-again") {
		t.Error("a list of no apps, or no way to sign in again")
	}
	if draw(t, r, "en", LoggedOut{}).has("back") {
		t.Error("a way back to nowhere")
	}
}

func TestLogoutFrames(t *testing.T) {
	r, pages := newRenderer(t, Branding{}), everyPage()
	d := draw(t, r, "en", pages["logged out, frames"])
	var frames []string
	for _, n := range d.all("iframe") {
		frames = append(frames, attr(n, "src"))
	}
	if want := pages["logged out, frames"].(LoggedOut).Frames; !slices.Equal(frames, want) {
		t.Errorf("frames %q, want %q", frames, want)
	}
	element(t, d.id("back"), "Back to Orders", "href", "https://app.example.com/bye?state=s&x=y")
	if want := `<noscript><meta http-equiv="refresh" content="5; url=https://app.example.com/bye?state=s&amp;x=y"></noscript>`; !strings.Contains(d.source, want) {
		t.Errorf("the page does not return without a script: %s", d.source)
	}

	for name, page := range map[string]LoggedOut{
		"nowhere to go":    {Return: true, Frames: []string{"https://app.example.com/"}},
		"a script":         {Return: true, Client: someClient(), BackURL: "javascript:alert(1)"},
		"not asked to":     {Client: someClient(), BackURL: "https://app.example.com/"},
		"a foreign scheme": {Frames: []string{"http://app.example.com/", "data:text/html,x", "/authorize", "https://u@app.example.com/", "https://a;b/"}},
	} {
		d := draw(t, r, "en", page)
		if strings.Contains(d.source, "refresh") || strings.Contains(d.policy, "script-src") || len(d.all("script")) != 0 {
			t.Errorf("%s: the page leaves by itself", name)
		}
		if got := len(d.all("iframe")); got > 0 != strings.Contains(d.policy, "frame-src") || name == "a foreign scheme" && got != 0 {
			t.Errorf("%s: %d frames, policy %s", name, got, d.policy)
		}
	}
}
