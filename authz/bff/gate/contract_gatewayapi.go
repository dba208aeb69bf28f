package gate

import "net/http"

// gatewayAPI is the filter ExternalAuth of the Kubernetes Gateway API (GEP-1494) over HTTP. It lets a request pass on
// exactly 200. It asks as Envoy does, below the path prefix /gate/gateway-api.
var gatewayAPI = contract{
	name:     "gateway-api",
	prefixed: true,
	read:     asItself("/gate/gateway-api"),
	toLogin:  always(http.StatusFound),
	broken:   http.StatusServiceUnavailable,
}
