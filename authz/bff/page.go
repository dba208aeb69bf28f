package bff

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/authzd/authzd/authz/observe"
)

const style = `:root{color-scheme:light dark;--page:#fff;--text:#161922;--muted:#565d6d;font:16px/1.5 system-ui,sans-serif}
@media (prefers-color-scheme:dark){:root{--page:#0d0f13;--text:#eceef2;--muted:#a1a8b5}}
body{margin:0;background:var(--page);color:var(--text);display:grid;min-height:100vh;place-items:center}
main{box-sizing:border-box;width:100%;max-width:28rem;padding:2rem 1.25rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}
p{margin:0 0 1rem;overflow-wrap:anywhere}
small{color:var(--muted)}
a.button,button{display:inline-block;box-sizing:border-box;min-height:2.75rem;padding:.6rem 1.25rem;border:1px solid #1d4ed8;border-radius:.5rem;background:#1d4ed8;color:#fff;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
a.button:focus-visible,button:focus-visible{outline:3px solid Highlight;outline-offset:2px}`

// pages have one layout. Refresh is where the browser goes on by itself: a navigation from this page, which is of the
// own site, carries a Strict cookie that the redirect from the provider did not.
var pages = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{{.Refresh}}
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>
{{end}}{{if .Token}}<form method="post" action="{{.Action}}"><input type="hidden" name="token" value="{{.Token}}"><button id="logout-confirm">{{.Button}}</button></form>
{{else if .Action}}<p><a class="button" id="go-on" href="{{.Action}}">{{.Button}}</a></p>
{{end}}{{if .Code}}<p><small><span id="error-code">{{.Status}} {{.Code}}</span>{{with .RequestID}} · <span id="request-id">{{.}}</span>{{end}}</small></p>
{{end}}</main>
</body>
</html>
`))

type pageData struct {
	Title, Text    string
	Action, Button string
	Token          string // of a form; empty: Action is a link
	Status         int
	Code           string
	RequestID      string
	Refresh        template.HTML
	Style          template.CSS
}

var contentPolicy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

func writePage(w http.ResponseWriter, status int, p pageData) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Frame-Options", "DENY")
	p.Style = style
	w.WriteHeader(status)
	_ = pages.Execute(w, p) // if the client has gone, there is nobody to tell
}

// goOn writes the page that goes on to a target of the own origin by itself.
func goOn(w http.ResponseWriter, target string) {
	writePage(w, http.StatusOK, pageData{
		Title: "You’re signed in", Action: target, Button: "Go on",
		Refresh: template.HTML(`<meta http-equiv="refresh" content="0; url=` + template.HTMLEscapeString(target) + `">`),
	})
}

var titles = map[string]string{
	"access_denied": "The sign-in was cancelled", "temporarily_unavailable": "Please try again in a moment",
	"not_found": "Nothing is here", "login_required": "Please sign in", "server_error": "Something went wrong",
}

// errorPage explains a refusal to a person.
func (b *BFF) errorPage(w http.ResponseWriter, r *http.Request, e *refusal) {
	p := pageData{Title: titles[e.code], Text: sentence(e.text), Status: e.status, Code: e.code, RequestID: observe.Event(r.Context()).RequestID()}
	if p.Title == "" {
		p.Title = "This did not work"
	}
	if e.again != "" {
		p.Action, p.Button = e.again, "Sign in"
	}
	writePage(w, e.status, p)
}

// sentence begins a text with a capital letter and ends it with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first := text[:1]
	if 'a' <= text[0] && text[0] <= 'z' {
		first = string(text[0] - 'a' + 'A')
	}
	return first + text[1:] + "."
}
