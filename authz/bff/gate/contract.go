package gate

import "net/http"

// contract is how one kind of proxy asks, and which status each answer has. Pages and headers are the same for all:
// answer.go and identity.go.
type contract struct {
	name     string // the path is /gate/NAME
	prefixed bool   // or begins with it: the path of the request follows

	// read returns the request that the proxy asks about. Each of its parts has exactly one source.
	read func(*http.Request) (*Request, error)

	// Statuses of answers. toLogin is for a navigation that needs a session; nothing but toLogin sends a Location and
	// a cookie. others is for all else that needs one.
	toLogin func(method string) int
	broken  int
}

// contracts are all of them. Two statuses are the same everywhere: 200 allows, because Envoy and the Gateway API take
// no other, and 403 refuses.
var contracts = []contract{nginx, traefik, caddy, envoy, gatewayAPI}

// redirect is the status that sends a browser elsewhere by a GET without the body. Browsers make a GET of a POST for 302
// too, but only 303 demands it.
func redirect(method string) int {
	if method == http.MethodGet || method == http.MethodHead {
		return http.StatusFound
	}
	return http.StatusSeeOther
}

func always(status int) func(string) int { return func(string) int { return status } }

// forwarded reads what Traefik and Caddy set: one header for each part.
func forwarded(r *http.Request) (*Request, error) {
	var values [4]value
	for i, name := range []string{"X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"} {
		var err error
		if values[i], err = one(r.Header, name); err != nil {
			return nil, err
		}
	}
	return newRequest(r.Header, values[0], values[1], values[2], values[3])
}

// asItself reads what Envoy and the Gateway API send: the request itself, below a prefix, without its body. The scheme
// comes from X-Forwarded-Proto, which the proxy sets and must be told to pass on.
func asItself(prefix string) func(*http.Request) (*Request, error) {
	return func(r *http.Request) (*Request, error) {
		scheme, err := one(r.Header, "X-Forwarded-Proto")
		if err != nil {
			return nil, err
		}
		target, ok := cutPrefix(r.RequestURI, prefix)
		if !ok {
			return nil, &ReadError{"the path", "does not begin with " + prefix}
		}
		return newRequest(r.Header, value{r.Method, "the method"}, scheme, value{r.Host, "Host"}, value{target, "the path"})
	}
}

// cutPrefix returns the target below a prefix, which begins with a slash.
func cutPrefix(target, prefix string) (string, bool) {
	if len(target) <= len(prefix) || target[:len(prefix)] != prefix || target[len(prefix)] != '/' {
		return "", false
	}
	return target[len(prefix):], true
}
