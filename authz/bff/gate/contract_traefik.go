package gate

import "net/http"

// traefik asks by its middleware ForwardAuth, by GET. It lets a request pass on 200 to 299, and gives every other answer
// to the browser as it is. The request stands in X-Forwarded-Method, -Proto, -Host and -Uri, which Traefik sets. Uri is
// what earlier middlewares have left of it, so ForwardAuth must stand before those that change the path.
var traefik = contract{
	name:    "traefik",
	read:    forwarded,
	toLogin: redirect,
	broken:  http.StatusServiceUnavailable,
}
