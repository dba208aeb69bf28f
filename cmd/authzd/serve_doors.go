package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/config"
)

// door is a listener and the server behind it.
type door struct {
	listener net.Listener
	server   *http.Server
	tls      bool
}

func (d door) serve() error {
	if d.tls {
		return d.server.ServeTLS(d.listener, "", "") // the certificate comes from TLSConfig
	}
	return d.server.Serve(d.listener)
}

// openDoors opens every listener of the configuration: the public endpoints, and the operator's socket and
// address. If one fails, none stays open.
func openDoors(cfg *config.Config, server *authz.Server, watch *watch) ([]door, error) {
	public := newHTTPServer(server, watch)
	cert, err := serveTLS(public, cfg.TLS, watch)
	if err != nil {
		return nil, err
	}
	o := opening{watch: watch}
	if cert != nil && cfg.MTLS.On() && cfg.MTLS.Listen == "" && cfg.MTLS.Header == "" {
		askForCertificates(public)
	}
	if cert != nil && cfg.MTLS.Listen != "" {
		asking := newHTTPServer(server, watch)
		asking.TLSConfig = newTLSConfig(cert)
		askForCertificates(asking)
		o.tcp(cfg.MTLS.Listen, asking)
	}
	o.tcp(cfg.Listen, public)
	if cfg.Admin.Listen != "" {
		o.tcp(cfg.Admin.Listen, newHTTPServer(server.AdminListener(), watch))
	}
	if cfg.Admin.Socket != "" {
		local := newHTTPServer(server.AdminSocket(), watch)
		local.ConnContext = admin.WithPeer
		o.unix(operatorSocket, cfg.Admin.Socket, local)
	}
	return o.all()
}

// opening opens the doors of a process, one after the other, until one fails.
type opening struct {
	watch *watch
	plain func(net.Listener) net.Listener // put around listeners without TLS; nil: nothing is
	doors []door
	err   error // the first
}

// tcp opens an address.
func (o *opening) tcp(address string, server *http.Server) {
	if o.err != nil {
		return
	}
	listeners, err := listen(address)
	for _, l := range listeners {
		o.add(l, server)
	}
	o.err = err
}

// unix opens a socket.
func (o *opening) unix(kind unixSocket, path string, server *http.Server) {
	if o.err != nil {
		return
	}
	l, err := kind.listen(path)
	if o.err = err; err == nil {
		o.add(l, server)
	}
}

func (o *opening) add(l net.Listener, server *http.Server) {
	if o.plain != nil && server.TLSConfig == nil {
		l = o.plain(l)
	}
	o.doors = append(o.doors, door{o.watch.listener(l), server, server.TLSConfig != nil})
}

// all returns the doors if every one is open. Otherwise it closes those that are.
func (o *opening) all() ([]door, error) {
	if o.err == nil {
		return o.doors, nil
	}
	for _, d := range o.doors {
		d.listener.Close()
	}
	return nil, o.err
}

// serveTLS lets a server serve https with the configured certificate. It returns nil if there is none.
func serveTLS(server *http.Server, t config.TLS, watch *watch) (*certificate, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	cert := &certificate{certFile: t.CertFile, keyFile: t.KeyFile, watch: watch}
	if _, err := cert.get(nil); err != nil {
		return nil, err
	}
	server.TLSConfig = newTLSConfig(cert)
	return cert, nil
}

// newTLSConfig accepts TLS 1.3, and TLS 1.2 with the recommended cipher suites (RFC 9325 section 4.2, FAPI
// 2.0 Security Profile section 5.2.2).
func newTLSConfig(cert *certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		GetCertificate: cert.get,
	}
}

// askForCertificates lets clients send certificates. authz decides which of them count. To demand a
// certificate here, or a certain authority, would shut the other clients out.
func askForCertificates(server *http.Server) { server.TLSConfig.ClientAuth = tls.RequestClientCert }

func newHTTPServer(h http.Handler, watch *watch) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          watch.serverLog(),
	}
}

// listen opens a TCP address. "localhost" means both loopback addresses, if there are both.
func listen(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	if host != "localhost" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, explainListen(err)
		}
		return []net.Listener{l}, nil
	}
	v4, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, explainListen(err)
	}
	v6, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		v4.Close()
		return nil, explainListen(err)
	}
	if err != nil { // no IPv6 on this machine
		return []net.Listener{v4}, nil
	}
	return []net.Listener{v4, v6}, nil
}

func explainListen(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hinted{err, "another program, perhaps another authzd, uses this address: stop it, or set listen to a free port"}
	case errors.Is(err, syscall.EACCES):
		return hinted{err, "ports below 1024 are for root: set listen to a higher one behind a proxy, or allow it, as by AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit of systemd or setcap cap_net_bind_service=+ep on the binary"}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return hinted{err, "no interface of this machine has this address: write \":PORT\" for all of them, or the address of one"}
	}
	return err
}
