package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// selfSigned is a certificate that never has to be read from a file.
func selfSigned(t *testing.T) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate{loaded: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, checked: time.Now()}
}

// handshake is what a server of ours and a client agree on.
func handshake(t *testing.T, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	serverEnd, clientEnd := net.Pipe()
	defer serverEnd.Close()
	defer clientEnd.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := tls.Server(serverEnd, newTLSConfig(selfSigned(t)))
		if server.Handshake() != nil {
			serverEnd.Close()
		}
	}()
	client.InsecureSkipVerify = true
	conn := tls.Client(clientEnd, client)
	err := conn.Handshake()
	<-done
	return conn.ConnectionState(), err
}

// Section 3.1.1: nothing before TLS 1.2, and TLS 1.3 where both sides have it.
func TestRFC9325Section3_1_1_Versions(t *testing.T) {
	state, err := handshake(t, &tls.Config{})
	if err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("version %x, %v", state.Version, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := handshake(t, &tls.Config{MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("version %x is served", version)
		}
	}
}

// Section 4.2: of TLS 1.2, forward secrecy and authenticated encryption only.
func TestRFC9325Section4_2_CipherSuites(t *testing.T) {
	offer := func(id uint16) (tls.ConnectionState, error) {
		return handshake(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}})
	}
	if state, err := offer(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256); err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("version %x, %v", state.Version, err)
	}
	for _, suite := range []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	} {
		if _, err := offer(suite); err == nil {
			t.Errorf("%s is served", tls.CipherSuiteName(suite))
		}
	}
}
