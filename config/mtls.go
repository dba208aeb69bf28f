package config

import (
	"crypto/x509"
	"net/url"
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// MTLS lets clients prove who they are by a TLS certificate, and binds tokens to it (RFC 8705). It is
// on if any of its keys is set.
type MTLS struct {
	// Listen is a second address, with the certificate of tls, where clients are asked for theirs: on
	// the first one, browsers would ask their users for a certificate. Default: none.
	Listen string `yaml:"listen"`

	// URL is where clients find that address, such as https://mtls.id.example.com, without a path: the
	// discovery document tells them (mtls_endpoint_aliases). Default: the issuer's host.
	URL string `yaml:"url"`

	// CAFile is a PEM bundle of the authorities whose certificates clients with tls_client_auth show.
	// Without it there are self-signed certificates only.
	CAFile string `yaml:"ca_file" path:"true"`

	// Header is what a trusted proxy that ends TLS passes the client's certificate on in: Client-Cert
	// (RFC 9440), or any header with the PEM, percent-encoded. The proxy must remove it from what
	// clients send. Default: none.
	Header string `yaml:"header"`
}

// On tells whether certificates of clients count.
func (m MTLS) On() bool { return m != MTLS{} }

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110 section 5.6.2

func (l *loader) checkMTLS() {
	c := &l.cfg
	m := c.MTLS
	if !m.On() {
		return
	}
	direct := c.TLS.CertFile != ""
	if m.Listen != "" {
		l.report("mtls.listen", m.Listen, checkListen(m.Listen))
		switch {
		case !direct:
			l.report("mtls.listen", m.Listen, problemf("set tls too, or mtls.header if a proxy serves https", "has no certificate of its own to serve https with"))
		case (m.Listen == c.Listen || m.Listen == c.Admin.Listen) && !strings.HasSuffix(m.Listen, ":0"):
			l.report("mtls.listen", m.Listen, problemf("use another port", "another listener has this address"))
		}
	}
	if u, err := url.Parse(m.URL); m.URL != "" && (err != nil || u.Host == "" || m.URL != "https://"+u.Host) {
		l.report("mtls.url", m.URL, problemf("write https:// and a host, perhaps with a port", "not an https URL without a path"))
	}
	if m.CAFile != "" {
		l.report("mtls.ca_file", m.CAFile, checkCertificates(m.CAFile))
	}
	switch {
	case m.Header != "" && !headerName.MatchString(m.Header):
		l.report("mtls.header", m.Header, problemf("Client-Cert is the standard one", "not the name of a header"))
	case m.Header != "" && len(c.TrustedProxies) == 0:
		l.report("mtls.header", m.Header, problemf("set trusted_proxies to the networks of the proxy", "nobody is trusted to send it"))
	case m.Header == "" && !direct:
		l.report("mtls", nil, problemf("set tls, or mtls.header if a proxy serves https", "nobody could show a certificate"))
	}
}

// checkCertificates demands a PEM bundle.
func checkCertificates(name string) *member.Flaw {
	pem, p := readable(name)
	if p == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		p = problemf("name a file with PEM certificates", "no certificate in this file")
	}
	return p
}
