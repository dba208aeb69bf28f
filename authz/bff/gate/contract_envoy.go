package gate

import "net/http"

// envoy asks by the filter ext_authz over HTTP. It lets a request pass on exactly 200, and gives every other answer below
// 500 to the browser; 500 and more become its status_on_error. It asks with the method, host and path of the request, the
// path below path_prefix /gate/envoy.
var envoy = contract{
	name:     "envoy",
	prefixed: true,
	read:     asItself("/gate/envoy"),
	toLogin:  always(http.StatusFound),
	broken:   http.StatusServiceUnavailable,
}
