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
func openDoors(cfg *config.Config, server *authz.Server, watch *watch) (doors []door, err error) {
	defer func() {
		if err != nil {
			for _, d := range doors {
				d.listener.Close()
			}
		}
	}()
	open := func(address string, server *http.Server) error {
		listeners, err := listen(address)
		for _, l := range listeners {
			doors = append(doors, door{watch.listener(l), server, server.TLSConfig != nil})
		}
		return err
	}
	public := newHTTPServer(server, watch)
	if cfg.TLS.CertFile != "" {
		cert := &certificate{certFile: cfg.TLS.CertFile, keyFile: cfg.TLS.KeyFile, watch: watch}
		if _, err := cert.get(nil); err != nil {
			return nil, err
		}
		public.TLSConfig = newTLSConfig(cert)
		if cfg.MTLS.On() && cfg.MTLS.Listen == "" && cfg.MTLS.Header == "" {
			askForCertificates(public)
		}
		if cfg.MTLS.Listen != "" {
			asking := newHTTPServer(server, watch)
			asking.TLSConfig = newTLSConfig(cert)
			askForCertificates(asking)
			if err := open(cfg.MTLS.Listen, asking); err != nil {
				return doors, err
			}
		}
	}
	if err := open(cfg.Listen, public); err != nil {
		return doors, err
	}
	if cfg.Admin.Listen != "" {
		if err := open(cfg.Admin.Listen, newHTTPServer(server.AdminListener(), watch)); err != nil {
			return doors, err
		}
	}
	if cfg.Admin.Socket != "" {
		l, err := listenSocket(cfg.Admin.Socket)
		if err != nil {
			return doors, err
		}
		local := newHTTPServer(server.AdminSocket(), watch)
		local.ConnContext = admin.WithPeer
		doors = append(doors, door{watch.listener(l), local, false})
	}
	return doors, nil
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
