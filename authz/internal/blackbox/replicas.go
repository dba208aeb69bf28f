package blackbox

import (
	"net/http"
	"net/http/httptest"

	"github.com/authzd/authzd/authz/authztest"
)

// At returns a browser as a load balancer leads it to one replica alone. It has the cookies of the other one.
func At(b *authztest.Browser, replica int) *authztest.Browser {
	return AtFrom(b, replica, "127.0.0.1")
}

// AtFrom is At from another network address.
func AtFrom(b *authztest.Browser, replica int, address string) *authztest.Browser {
	led, web := *b, *b.HTTP
	web.Transport = toReplica{b.Server.Replicas[replica], address}
	led.HTTP = &web
	return &led
}

// toReplica brings requests to a replica without a network.
type toReplica struct {
	http.Handler
	from string
}

func (d toReplica) RoundTrip(r *http.Request) (*http.Response, error) {
	arrived := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), r.Body)
	arrived.Host, arrived.Header, arrived.ContentLength = r.URL.Host, r.Header.Clone(), r.ContentLength
	arrived.RemoteAddr = d.from + ":40000"
	recorder := httptest.NewRecorder()
	d.ServeHTTP(recorder, arrived)
	return recorder.Result(), nil
}
