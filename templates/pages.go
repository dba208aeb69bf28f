package templates

import "github.com/authzd/authzd/authz/weburl"

// Page is the data of one page. Each topic has a file of its own here, such as consent.go, a file of texts in
// each folder of catalogue, and its markup in html: one file a page, with the name that its meta has. Package
// gallery has the page with all that it can show, so that every check of pages covers it.
//
// In each of them, UILocales is the ui_locales parameter as the client sent it (OpenID Connect Core section
// 3.1.2.1), Action is the URL that the form posts to, and Hidden has its hidden fields. URLs are the server's
// own unless their comment says something else.
type Page interface {
	meta() meta
}

// NameOf returns the name of a page's template, which is its file without the extension.
func NameOf(p Page) string { return p.meta().template }

// meta is what Render must know about a page besides its content.
type meta struct {
	template     string // file in html, without its extension
	uiLocales    string
	script       string   // inline script, to be allowed by its hash
	scripts      bool     // scripts among our assets
	imageOrigin  string   // foreign origin that one image comes from
	frameOrigins []string // foreign origins that frames come from
	err          error    // why this page must not be shown
}

// Client is the application that a page is about. Others have written all of it, so nothing in it is trusted.
type Client struct {
	Name        string
	RedirectURI string // its host, or its private-use scheme, is shown
	LogoURI     string // https, or http on loopback; others, and those of unknown apps, are not shown
	PolicyURI   string // http or https; others are not shown
	TosURI      string // http or https; others are not shown

	// Unknown says that the operator has not named the app: it registered itself, and could have taken
	// anybody's name and logo. PublishedBy is then the host of its client ID metadata document; empty if
	// there is none.
	Unknown     bool
	PublishedBy string
	Nameless    bool // it has no name: Name is its client_id
}

// OnDevice reports whether the user is sent back to an app on this device, and not to the web. Any app on the
// device could be the one that asks (RFC 8252 section 8.6).
func (c Client) OnDevice() bool {
	if c.RedirectURI == "" {
		return false
	}
	u := webURL(c.RedirectURI)
	return u == nil || weburl.IsLoopback(u.Hostname())
}

// Logo returns the URL of the logo, or "" if none may be shown. An app that nobody vouches for has none, because it
// could be another's.
func (c Client) Logo() string {
	if c.Unknown {
		return ""
	}
	return foreignLink(c.LogoURI)
}

// logoOrigin returns the origin that the logo comes from, for the policy; "" if there is no logo.
func (c *Client) logoOrigin() string {
	if c == nil {
		return ""
	}
	return foreignOrigin(c.Logo())
}

// User is the person who is signed in, as shown to that person.
type User struct {
	Name     string // may be empty
	Username string
}

// Problem is why the last attempt failed: the text problem.<value> says so. Each topic declares its problems.
type Problem string

// NoProblem is the problem of a page that is shown for the first time.
const NoProblem Problem = ""
