package relay

import (
	_ "embed" // AppSource
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/bff/guard"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/observe"
)

// AppSource is the source of this file, whose comments are the manual of the keys.
//
//go:embed app.go
var AppSource []byte

// App says where the app's own files are: in a folder, or behind a URL. At most one of them is set.
type App struct {
	// Folder has index.html and the files that it names. Files and folders that begin with a dot are not served,
	// except .well-known. Links that lead out of the folder are not served.
	Folder string `yaml:"folder" json:"folder,omitempty" path:"true"`
	// URL is that of a development server such as http://127.0.0.1:4200, which gets no cookie and no token. Only GET,
	// HEAD, and WebSockets of its own pages pass.
	URL string `yaml:"url" json:"url,omitempty"`
}

// Problems returns everything that is wrong, but for a folder that does not exist.
func (a *App) Problems() member.Problems {
	found := member.Forms(a)
	if a.URL != "" {
		found.Add("url", a.URL, baseFlaw(a.URL, a.URL))
		if a.Folder != "" {
			found.Add("url", a.URL, member.Flawf("remove one of the two", "the app has a folder too"))
		}
	}
	return found
}

// app serves the files of an app.
type app struct {
	relay  *Relay
	folder *folder
	route  *route // to the development server; nil: a folder
}

func (p *Relay) newApp(a App) (*app, error) {
	switch {
	case a.Folder != "":
		f, err := openFolder(a.Folder)
		if err != nil {
			return nil, fmt.Errorf("the app's folder: %w", err)
		}
		return &app{relay: p, folder: f}, nil
	case a.URL != "":
		base, err := url.Parse(strings.TrimSuffix(a.URL, "/"))
		if err != nil {
			return nil, fmt.Errorf("the app's url: %w", err)
		}
		rt := &route{Route: Route{Token: TokenNone}, prefix: p.origin.Path, base: base}
		p.sending[rt] = p.newSender(rt)
		return &app{relay: p, route: rt}, nil
	}
	return nil, nil
}

// serve answers a request for a file. path is decoded, and below the frontend's path.
func (a *app) serve(w http.ResponseWriter, r *http.Request, path string) error {
	observe.Event(r.Context()).SetRoute(RouteApp)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "the app's files are for GET and HEAD")
	}
	if a.folder == nil {
		return a.forward(w, r)
	}
	if isHandshake(r) {
		return refuse(http.StatusBadRequest, "invalid_request", "there is no WebSocket at this path")
	}
	return a.folder.serve(w, r, path)
}

// forward leads a request to the development server.
func (a *app) forward(w http.ResponseWriter, r *http.Request) error {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	x, err := a.relay.newExchange(r, a.route, nil, raw, r.URL.RawQuery)
	if err != nil {
		return err
	}
	defer x.cancel()
	if isHandshake(r) { // such as that of a page that reloads itself
		if err := guard.Check(r, a.relay.ownOrigin(), guard.Handshake); err != nil {
			return err
		}
		offered := tokens(r.Header["Sec-Websocket-Protocol"])
		x.socket = &socket{relay: a.relay, offered: offered, open: make(chan struct{})}
		w = &socketWriter{w, x.socket}
	} else {
		steady, end := a.relay.steady(w, r, x)
		defer end()
		w = steady
	}
	a.relay.sending[a.route].proxy.ServeHTTP(w, r.WithContext(x.ctx))
	return nil
}

// isNavigation reports whether a browser wants a page to show.
func isNavigation(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return slices.ContainsFunc(tokens(r.Header["Accept"]), func(accepted string) bool {
		mediaType, _, _ := strings.Cut(accepted, ";")
		return strings.EqualFold(strings.TrimSpace(mediaType), "text/html")
	})
}
