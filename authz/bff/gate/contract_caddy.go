package gate

import "net/http"

// caddy asks by forward_auth, by GET. It lets a request pass on 200 to 299, and gives every other answer to the browser as
// it is. The request stands in X-Forwarded-Method, -Proto, -Host and -Uri, which Caddy sets; those of the client are
// dropped unless Caddy has trusted_proxies.
var caddy = contract{
	name:    "caddy",
	read:    forwarded,
	toLogin: redirect,
	broken:  http.StatusServiceUnavailable,
}
