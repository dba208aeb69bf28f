package templates

import (
	"html/template"
	"slices"
)

// LogoutConfirm asks whether to sign out. Button logout-confirm.
type LogoutConfirm struct {
	UILocales string
	Client    *Client // that asks; nil if unknown
	Action    string
	Hidden    map[string]string
	User      User
	// Accounts are all that are signed in in the browser. If there are several, the user chooses one of them or all: the
	// field account has the id of a user, or is all.
	Accounts  []SignedInAccount
	CancelURL string       // empty: no way back is offered
	Detail    *ErrorDetail // development only: why the client's request is not trusted
}

func (p LogoutConfirm) meta() meta {
	return meta{template: "logout-confirm", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
}

// LoggedOut says "You’re signed out", and signs the user out of other apps in their frames (OpenID Connect
// Front-Channel Logout 1.0 section 2).
type LoggedOut struct {
	UILocales string
	Client    *Client // nil: no link back; if it is Unknown, the page names the destination
	BackURL   string  // of the client: http, https or a private-use scheme

	User *User    // who was signed in in this browser; nil: nobody, or several
	Apps []string // names of the operator's apps that the user is signed out of too

	Everywhere bool // all sessions of the user have ended, and not only this browser's

	// Frames are the apps' logout URLs with their iss and sid: https, or http on loopback; others are not
	// loaded.
	Frames []string
	// Return goes on to BackURL when the frames have loaded, at the latest after some seconds: BackURL is the
	// post_logout_redirect_uri.
	Return bool
}

func (p LoggedOut) meta() meta {
	m := meta{template: "logged-out", uiLocales: p.UILocales, imageOrigin: p.Client.logoOrigin()}
	for _, frame := range p.Frames {
		if origin := foreignOrigin(frame); origin != "" && !slices.Contains(m.frameOrigins, origin) {
			m.frameOrigins = append(m.frameOrigins, origin)
		}
	}
	if p.Returns() {
		m.script = returnScript
	}
	return m
}

// Returns reports whether the page goes on by itself, which needs a destination.
func (p LoggedOut) Returns() bool { return p.Return && p.Client != nil && appLink(p.BackURL) != "" }

// Script is the script whose hash the policy names.
func (p LoggedOut) Script() template.JS { return returnScript }

// returnScript follows the link back when every frame has loaded, at the latest after 5 seconds.
const returnScript = `{
const go = () => location.replace(document.getElementById("back").href)
addEventListener("load", go)
setTimeout(go, 5000)
}`
