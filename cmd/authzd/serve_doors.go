package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
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

// openDoors listens wherever the configuration says: the public endpoints, and the operator's socket
// and address. If one can't be opened, none stays open.
func openDoors(cfg *config.Config, server *authz.Server, logger *slog.Logger) (doors []door, err error) {
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
			doors = append(doors, door{l, server, server.TLSConfig != nil})
		}
		return err
	}
	public := newHTTPServer(server, logger)
	if cfg.TLS.CertFile != "" {
		cert := &certificate{certFile: cfg.TLS.CertFile, keyFile: cfg.TLS.KeyFile}
		if _, err := cert.get(nil); err != nil {
			return nil, err
		}
		public.TLSConfig = newTLSConfig(cert)
		if cfg.MTLS.On() && cfg.MTLS.Listen == "" && cfg.MTLS.Header == "" {
			askForCertificates(public)
		}
		if cfg.MTLS.Listen != "" {
			asking := newHTTPServer(server, logger)
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
		if err := open(cfg.Admin.Listen, newHTTPServer(server.AdminListener(), logger)); err != nil {
			return doors, err
		}
	}
	if cfg.Admin.Socket != "" {
		l, err := listenSocket(cfg.Admin.Socket)
		if err != nil {
			return doors, err
		}
		local := newHTTPServer(server.AdminSocket(), logger)
		local.ConnContext = admin.WithPeer
		doors = append(doors, door{l, local, false})
	}
	return doors, nil
}

// newTLSConfig admits TLS 1.3, and of TLS 1.2 only the cipher suites that are recommended (RFC 9325
// section 4.2, FAPI 2.0 Security Profile section 5.2.2).
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

// askForCertificates lets clients show certificates. Which of them count is for authz to say: to
// demand one here, or one of an authority, would shut the others out.
func askForCertificates(server *http.Server) { server.TLSConfig.ClientAuth = tls.RequestClientCert }

func newHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// listen opens a TCP address; "localhost" means both loopback addresses, as far as there are both.
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
	if errors.Is(err, syscall.EADDRINUSE) {
		return hinted{err, "another program, perhaps another authzd, has this address: stop it, or set listen to a free port"}
	}
	return err
}

// listenSocket opens a Unix socket that only its owner may use. One that was left behind by a
// process that was killed is replaced; one that answers is not.
func listenSocket(path string) (net.Listener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, hinted{fmt.Errorf("admin socket %s: another process listens on it", path), "stop the other authzd, or set admin.socket"}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	old := syscall.Umask(0o177) // so that there is no moment in which others may connect
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}

// certificate is read again when its file has changed, so that a renewal needs no restart.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // modification time of what is loaded
	checked time.Time
}

const certificateCheck = time.Minute

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.checked) < certificateCheck {
		return c.loaded, nil
	}
	c.checked = time.Now()
	info, err := os.Stat(c.certFile)
	if err == nil && c.loaded != nil && info.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	switch {
	case err == nil:
		c.loaded, c.changed = &pair, info.ModTime()
	case c.loaded == nil:
		return nil, fmt.Errorf("tls certificate: %w", err)
	} // a renewal that is half written: the old one serves until it is whole
	return c.loaded, nil
}
