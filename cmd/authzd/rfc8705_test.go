package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/config"
)

// certificateFiles writes a certificate and its key, both PEM.
func certificateFiles(t *testing.T) config.TLS {
	t.Helper()
	pair := selfSigned(t).loaded
	key, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	for name, block := range map[string]*pem.Block{
		files.CertFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, files.KeyFile: {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// RFC 8705 section 5: browsers must not ask their users for a certificate, so it has an address of
// its own where clients are asked for theirs.
func TestRFC8705Section5_Listeners(t *testing.T) {
	server := authztest.Start(t, authz.Config{}, nil).Server
	files := certificateFiles(t)
	for name, row := range map[string]struct {
		mtls config.MTLS
		asks []bool // each listener, in order
	}{
		"off":                 {config.MTLS{}, []bool{false}},
		"an address":          {config.MTLS{Listen: "127.0.0.1:0"}, []bool{true, false}},
		"the only address":    {config.MTLS{URL: "https://id.example.com"}, []bool{true}},
		"behind a proxy":      {config.MTLS{Header: "Client-Cert"}, []bool{false}},
		"a proxy and without": {config.MTLS{Header: "Client-Cert", Listen: "127.0.0.1:0"}, []bool{true, false}},
	} {
		cfg := &config.Config{Listen: "127.0.0.1:0", TLS: files, MTLS: row.mtls}
		doors, err := openDoors(cfg, server, newWatch(prometheus.NewRegistry(), slog.New(slog.DiscardHandler)))
		if err != nil || len(doors) != len(row.asks) {
			t.Fatalf("%s: %d listeners, %v", name, len(doors), err)
		}
		for i, d := range doors {
			go d.serve()
			asked := false
			conn, err := tls.Dial("tcp", d.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return new(tls.Certificate), nil // none
			}})
			if err != nil || asked != row.asks[i] {
				t.Errorf("%s, listener %d: asked %v, %v", name, i, asked, err)
			}
			if err == nil {
				conn.Close()
			}
			d.server.Close()
		}
	}
}
