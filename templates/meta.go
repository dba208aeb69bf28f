package templates

import (
	"errors"
	"html/template"
	"slices"
)

// meta is what Render must know about a page besides its content.
type meta struct {
	template     string // file in html, without its extension
	uiLocales    string
	script       string   // inline script, to be allowed by its hash
	imageOrigin  string   // foreign origin that one image comes from
	frameOrigins []string // foreign origins that frames come from
	err          error    // why this page must not be shown
}

var pageNames = []string{
	"sign-in", "link", "select-account", "consent", "device-code", "device-confirm", "device-done",
	"logout-confirm", "logged-out", "account", "error", "form-post", "home",
}

// submitScript submits the form even if a parameter is named "submit".
const submitScript = "HTMLFormElement.prototype.submit.call(document.forms[0])"

// returnScript follows the link back when every frame has loaded, at the latest after 5 seconds.
const returnScript = `{
const go = () => location.replace(document.getElementById("back").href)
addEventListener("load", go)
setTimeout(go, 5000)
}`

func (p Link) meta() meta          { return meta{template: "link", uiLocales: p.UILocales} }
func (p SelectAccount) meta() meta { return meta{template: "select-account", uiLocales: p.UILocales} }
func (p LogoutConfirm) meta() meta { return meta{template: "logout-confirm", uiLocales: p.UILocales} }
func (p DeviceCode) meta() meta    { return meta{template: "device-code", uiLocales: p.UILocales} }
func (p DeviceDone) meta() meta    { return meta{template: "device-done", uiLocales: p.UILocales} }
func (p Account) meta() meta       { return meta{template: "account", uiLocales: p.UILocales} }
func (p Home) meta() meta          { return meta{template: "home", uiLocales: p.UILocales} }

func (p SignIn) meta() meta {
	m := meta{template: "sign-in", uiLocales: p.UILocales}
	if p.Client != nil {
		m.imageOrigin = foreignOrigin(p.Client.Logo())
	}
	return m
}

func (p Error) meta() meta {
	m := meta{template: "error", uiLocales: p.UILocales}
	switch {
	case p.Answer == nil:
	case p.Client == nil:
		m.err = errors.New("an answer without a client")
	case bearsScript(p.Answer.URL):
		m.err = errors.New("the link bears a script")
	}
	return m
}

func (p Consent) meta() meta {
	return meta{template: "consent", uiLocales: p.UILocales, imageOrigin: foreignOrigin(p.Client.Logo())}
}

func (p DeviceConfirm) meta() meta {
	return meta{template: "device-confirm", uiLocales: p.UILocales, imageOrigin: foreignOrigin(p.Client.Logo())}
}

func (p LoggedOut) meta() meta {
	m := meta{template: "logged-out", uiLocales: p.UILocales}
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

func (p FormPost) meta() meta {
	m := meta{template: "form-post", uiLocales: p.UILocales, script: submitScript}
	if bearsScript(p.Action) {
		m.err = errors.New("the form's action bears a script")
	}
	return m
}

// SafeAction is Action for the template, which would otherwise replace private-use schemes.
func (p FormPost) SafeAction() template.URL { return template.URL(p.Action) }

// Script is the script whose hash the policy names.
func (p FormPost) Script() template.JS { return submitScript }
