package clientauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// MTLS lets clients authenticate by a certificate, and binds tokens to it (RFC 8705). The TLS server must ask for
// certificates without verifying them (tls.RequestClientCert): Authenticator does that.
type MTLS struct {
	// Roots are the authorities of the certificates of tls_client_auth; nil: clients can only use self-signed
	// certificates.
	Roots *x509.CertPool
	// Header is the header in which a trusted proxy that ends TLS passes on the certificate: in the form of RFC
	// 9440, or in PEM, percent-encoded. From other senders the header is ignored. Empty: there is no such proxy.
	Header string
	// URL, such as https://mtls.example.com, is the origin of the endpoints that ask for certificates (RFC 8705
	// section 5). Empty: it is that of the other endpoints.
	URL string
}

// Check returns an error if the configuration is wrong, or does not suit the clients and proxies. A nil MTLS is
// off.
func (m *MTLS) Check(clients *client.Registry, trustedProxies []netip.Prefix) error {
	if m != nil {
		if u, err := url.Parse(m.URL); err != nil || m.URL != "" && (u.Scheme != "https" || u.Host == "" || m.URL != "https://"+u.Host) {
			return fmt.Errorf("mtls: URL %q is not https with a host alone", m.URL)
		}
		if m.Header != "" && len(trustedProxies) == 0 {
			return errors.New("mtls: a header without a trusted proxy that could send it")
		}
	}
	var errs []error
	offered := m.Methods()
	clients.Each(func(c *client.Client) {
		if c.UsesCertificate() && !slices.Contains(offered, c.AuthMethod) || c.TLSBound && m == nil {
			errs = append(errs, fmt.Errorf("client %s needs a certificate, and the server is not set up for it", c.ID))
		}
	})
	return errors.Join(errs...)
}

// Alias returns the URL of a path at the origin that asks for certificates (RFC 8705 section 5), "" if there is no
// such origin.
func (auth *Authenticator) Alias(path string) string {
	if auth.MTLS == nil || auth.MTLS.URL == "" {
		return ""
	}
	return auth.MTLS.URL + path
}

// shownCertificates returns the certificate of the client's TLS connection, and the chain that it sent; nil if it
// sent none. Behind a trusted proxy they are those in the header, and not the proxy's own.
func (auth *Authenticator) shownCertificates(r *http.Request) ([]*x509.Certificate, error) {
	switch {
	case auth.MTLS == nil:
		return nil, nil
	case auth.MTLS.Header != "" && auth.fromTrustedProxy(r):
		return forwardedCertificates(r.Header, auth.MTLS.Header)
	case r.TLS == nil:
		return nil, nil
	}
	return r.TLS.PeerCertificates, nil
}

func (auth *Authenticator) fromTrustedProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && slices.ContainsFunc(auth.TrustedProxies, func(network netip.Prefix) bool {
		return network.Contains(peer.Addr().Unmap().WithZone(""))
	})
}

// forwardedCertificates reads the header, and the one beside it with the rest of the chain (RFC 9440
// section 2).
func forwardedCertificates(header http.Header, name string) ([]*x509.Certificate, error) {
	malformed := errors.New("the proxy passed on something else than a certificate")
	lines := header.Values(name)
	if len(lines) == 0 || len(lines) == 1 && lines[0] == "" {
		return nil, nil
	}
	if len(lines) > 1 { // the first may not be the proxy's
		return nil, malformed
	}
	encoded := lines
	if chain := strings.Join(header.Values(name+"-Chain"), ","); chain != "" {
		encoded = append(encoded, strings.Split(chain, ",")...)
	}
	var certificates []*x509.Certificate
	for _, text := range encoded {
		der, ok := decodeCertificate(strings.TrimSpace(text))
		if !ok {
			return nil, malformed
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, malformed
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

// decodeCertificate reads a byte sequence (RFC 8941 section 3.3.5), or percent-encoded PEM, such as
// $ssl_client_escaped_cert of nginx.
func decodeCertificate(text string) (der []byte, ok bool) {
	if len(text) > 2 && text[0] == ':' && text[len(text)-1] == ':' {
		der, err := base64.StdEncoding.DecodeString(text[1 : len(text)-1])
		return der, err == nil
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return nil, false
	}
	block, rest := pem.Decode([]byte(decoded))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, false
	}
	return block.Bytes, true
}

// checkCertificate checks the proof of tls_client_auth (RFC 8705 section 2.1) and of self_signed_tls_client_auth
// (section 2.2). The TLS handshake has proved that the client has the key of the first certificate.
func (auth *Authenticator) checkCertificate(ctx context.Context, c *client.Client, shown []*x509.Certificate) error {
	if len(shown) == 0 {
		return oauth.Refuse(oauth.InvalidClient, "The client must authenticate by "+c.AuthMethod+", and no certificate was shown.")
	}
	if c.AuthMethod == client.AuthSelfSignedTLS {
		return auth.checkSelfSigned(ctx, c, shown[0])
	}
	if err := auth.verifyChain(shown); err != nil {
		return oauth.Refuse(oauth.InvalidClient, "The client's certificate is not one that counts here: it has expired, is not for clients, or is of an unknown authority.").Because(err)
	}
	if !c.IsNamedBy(shown[0]) {
		return oauth.Refuse(oauth.InvalidClient, "The client's certificate has another name than the registered one.")
	}
	return nil
}

// checkSelfSigned checks the time of a self-signed certificate, and that it is one of the client's keys.
func (auth *Authenticator) checkSelfSigned(ctx context.Context, c *client.Client, certificate *x509.Certificate) error {
	if now := storage.Now(); now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return oauth.Refuse(oauth.InvalidClient, "The client's certificate has expired, or is not valid yet.")
	}
	if err := auth.Ledger.TakeKeyFetch(ctx, c); err != nil {
		return err
	}
	found, err := auth.Keys.HasCertificate(ctx, c, certificate)
	if err != nil || !found {
		return oauth.Refuse(oauth.InvalidClient, "The client's certificate is not among its registered keys.").Because(err)
	}
	return nil
}

func (auth *Authenticator) verifyChain(shown []*x509.Certificate) error {
	if auth.MTLS.Roots == nil {
		return errors.New("no authorities are configured")
	}
	options := x509.VerifyOptions{
		Roots:         auth.MTLS.Roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   storage.Now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, certificate := range shown[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := shown[0].Verify(options)
	return err
}

// holdsCertificate reports whether a request comes with the certificate that a token is bound to (RFC 8705 section
// 3). It returns true for a token without a certificate.
func (auth *Authenticator) holdsCertificate(r *http.Request, bound storage.Confirmation) bool {
	if bound.X5T == "" {
		return true
	}
	shown, err := auth.shownCertificates(r)
	return err == nil && subtle.ConstantTimeCompare([]byte(certificateThumbprint(shown)), []byte(bound.X5T)) == 1
}

// certificateThumbprint returns the x5t#S256 of the first certificate (RFC 8705 section 3.1), "" if there is none.
func certificateThumbprint(shown []*x509.Certificate) string {
	if len(shown) == 0 {
		return ""
	}
	sum := sha256.Sum256(shown[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Methods returns the methods by which confidential clients can authenticate. The caller may append to the slice. A
// nil MTLS is off.
func (m *MTLS) Methods() []string {
	methods := []string{client.AuthBasic, client.AuthPost, client.AuthPrivateKeyJWT}
	if m != nil {
		methods = append(methods, client.AuthSelfSignedTLS)
		if m.Roots != nil {
			methods = append(methods, client.AuthTLS)
		}
	}
	return slices.Clip(methods)
}
