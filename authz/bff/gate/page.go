package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

// page is what a person sees instead of the site, as HTML.
type page []byte

var (
	pageSignIn    = newPage("Please sign in", "You are on your way to the sign-in page.", "", "")
	pageRefused   = newPage("You cannot open this page", "Your account is not allowed to see it, or the page does not exist. If you need it, ask the people who run this site.", "", "")
	pageBroken    = newPage("Please try again in a moment", "We cannot check at the moment who you are. Nothing is lost: load this page again.", "", "")
	pageStale     = newPage("Please start again", "This sign-in took too long, or was begun in another browser.", "Continue", "/")
	pageUnknown   = newPage("This link does not work", "It does not lead to a site that can be opened from here. Go back to the site that you want to see.", "", "")
	pageOut       = newPage("You’re signed out", "To sign in, open the site that you want to see.", "", "")
	pageIn        = newPage("You’re signed in", "Open the site that you want to see.", "Sign out", "/bff/logout")
	pageNoCookies = newPage("Your browser did not keep the sign-in", "You have signed in, and your browser did not send the cookie that proves it. Allow cookies for this site, then open the page again that you want to see.", "", "")
)

var (
	//go:embed page.html
	pageSource string
	// pageStyle is that of the pages of cookie mode.
	//
	//go:embed page.css
	pageStyle string

	pagePolicy = func() string {
		sum := sha256.Sum256([]byte(pageStyle))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
	}()
)

// newPage makes a page. An empty button is none.
func newPage(title, text, button, leadsTo string) page {
	var body bytes.Buffer
	err := template.Must(template.New("page").Parse(pageSource)).Execute(&body, struct {
		Title, Text, Button, LeadsTo string
		Style                        template.CSS
	}{title, text, button, leadsTo, template.CSS(pageStyle)})
	if err != nil { // the pages are constants
		panic(fmt.Sprintf("write a page: %v", err))
	}
	return body.Bytes()
}

// writePage answers with a page. It needs no script, and loads nothing.
func writePage(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p)))
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(p)
}
