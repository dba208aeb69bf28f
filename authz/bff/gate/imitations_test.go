package gate_test

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// Traefik and Envoy are not in Debian, and cannot be built from what the module proxy has. These do what Traefik's source
// and Envoy's documentation say, with the configuration of docs/gates.md.

// identityHeaders are authResponseHeaders of the one, and allowed_upstream_headers of the other.
var identityHeaders = []string{"X-Auth-User", "X-Auth-Roles", "X-Auth-Token"}

var hopHeaders = []string{"Connection", "Keep-Alive", "Te", "Trailers", "Transfer-Encoding", "Upgrade"}

// direct passes a request on as it is.
func direct(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
}

// once is a client that does not follow redirects.
var once = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// imitateTraefik is pkg/middlewares/auth/forward.go of Traefik 3.7.13 with trustForwardHeader: false, behind an entry point
// with aliasHeadersStrategy: keep, which is the default and the worst.
func imitateTraefik(gate, site *url.URL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		removeConnection(r.Header) // the entry point
		if r.URL.Path == "/gate/enter" {
			direct(gate).ServeHTTP(w, r)
			return
		}
		question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, gate.JoinPath("gate/traefik").String(), nil)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		question.Header = r.Header.Clone()
		for name := range question.Header {
			if slices.Contains(hopHeaders, name) || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip" {
				question.Header.Del(name)
			}
		}
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		question.Header.Set("X-Forwarded-For", client)
		question.Header.Set("X-Forwarded-Method", r.Method)
		question.Header.Set("X-Forwarded-Proto", "https")
		question.Header.Set("X-Forwarded-Host", r.Host)
		question.Header.Set("X-Forwarded-Uri", r.URL.RequestURI())
		answer, err := once.Do(question)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode < 200 || answer.StatusCode >= 300 {
			maps.Copy(w.Header(), answer.Header)
			if location, err := answer.Location(); err == nil {
				w.Header().Set("Location", location.String())
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		for _, name := range identityHeaders {
			r.Header.Del(name)
			if values := answer.Header[name]; len(values) > 0 {
				r.Header[name] = values
			}
		}
		direct(site).ServeHTTP(w, r)
	})
}

// removeConnection removes what Connection names, as RemoveConnectionHeaders does.
func removeConnection(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); !strings.EqualFold(name, "Upgrade") {
				h.Del(name)
			}
		}
	}
	h.Del("Connection")
}

// imitateEnvoy is the filter ext_authz over HTTP, by ext_authz.proto, on a connection manager that does not normalise paths.
func imitateEnvoy(gate, site *url.URL) http.Handler {
	allowed := []string{"Cookie", "Accept", "X-Forwarded-Proto", "X-Requested-With", "Authorization"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gate/enter" {
			direct(gate).ServeHTTP(w, r)
			return
		}
		r.Header.Set("X-Forwarded-Proto", "https") // the connection manager
		question := (&http.Request{
			Method: r.Method, Host: r.Host, Header: http.Header{},
			URL: &url.URL{Scheme: gate.Scheme, Host: gate.Host, Opaque: "/gate/envoy" + r.RequestURI},
		}).WithContext(r.Context())
		for name, values := range r.Header {
			if slices.Contains(allowed, name) || strings.HasPrefix(name, "Sec-Fetch-") {
				question.Header[name] = values
			}
		}
		answer, err := once.Do(question)
		if err != nil || answer.StatusCode >= 500 {
			w.WriteHeader(http.StatusForbidden) // status_on_error
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			for _, name := range []string{"Location", "Set-Cookie", "Cache-Control", "Content-Type"} {
				if values := answer.Header[name]; len(values) > 0 {
					w.Header()[name] = values
				}
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			return
		}
		for name := range r.Header { // headers_with_underscores_action and its like
			if strings.ContainsAny(name, "_.") {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
		for _, name := range identityHeaders {
			if values := answer.Header[name]; len(values) > 0 {
				r.Header[name] = values
			}
		}
		r.Header.Del("Connection")
		direct(site).ServeHTTP(w, r)
	})
}
