package gate

import (
	"net/http"
	"strings"
)

// nginx asks by auth_request. It lets a request pass on 200 to 299, refuses it on 401 and 403, and makes 500 of every
// other status. It asks by GET, so the request stands in two headers that its configuration sets:
//
//	X-Original-Method   $request_method
//	X-Original-URL      $scheme://$host:$server_port$request_uri
//
// A person is sent to sign in by 401 with a Location, of which the configuration makes a redirect.
var nginx = contract{
	name:    "nginx",
	read:    readOriginal,
	toLogin: always(http.StatusUnauthorized),
	broken:  http.StatusForbidden,
}

func readOriginal(r *http.Request) (*Request, error) {
	method, err := one(r.Header, "X-Original-Method")
	if err != nil {
		return nil, err
	}
	original, err := one(r.Header, "X-Original-Url")
	if err != nil {
		return nil, err
	}
	scheme, rest, found := strings.Cut(original.text, "://")
	slash := strings.IndexByte(rest, '/')
	if !found || slash < 0 {
		return nil, &ReadError{original.source, "is no URL"}
	}
	part := func(text string) value { return value{text, original.source} }
	return newRequest(r.Header, method, part(scheme), part(rest[:slash]), part(rest[slash:]))
}
