package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/authzd/authzd/config"
)

// TestShutdownDelay: a server that is asked to stop is unready first. During the delay it still answers
// clients that have not noticed, also on new connections.
func TestShutdownDelay(t *testing.T) {
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.ToSlash(t.TempDir())
	cfg, err := config.Parse("authzd.yaml", []byte("issuer: http://"+address+"\nlisten: "+address+"\nsigning: {alg: ES256}\nadmin: {socket: ''}\n"+
		"shutdown_delay: 1s\nstorage: {bolt: {path: "+data+"/authzd.db}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Admin.Socket = ""
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- serve(ctx, cfg, serveOptions{log: io.Discard, ready: func() { close(ready) }}) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status := func(path string) int { return send(t, client, "GET", cfg.Issuer+path, "", "").status }
	if got := status("/readyz"); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	asked := time.Now()
	stop()
	for status("/readyz") == http.StatusOK {
	}
	if got := status("/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz in the delay: %d", got)
	}
	if got := status("/jwks.json"); got != http.StatusOK {
		t.Errorf("who has not noticed: %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(asked); took < cfg.ShutdownDelay {
		t.Errorf("the listeners were closed after %s", took)
	}
}
