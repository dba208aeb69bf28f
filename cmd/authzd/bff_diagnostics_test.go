package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/config"
)

// TestBFFDiagnostics: the page is that of "serve --dev --bff" alone. "authzd bff" has none, and no flag and no key for it.
func TestBFFDiagnostics(t *testing.T) {
	url, _, _, stop := startBFF(t, "")
	if status, text := fetchText(t, url+"/bff/diagnostics"); status != http.StatusNotFound || strings.Contains(text, "orders-bff") {
		t.Errorf("authzd bff: %d %s", status, text)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"bff", "--dev"}, {"bff", "--diagnostics"}} {
		root := newRootCommand(new(bool))
		root.SetArgs(args)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "unknown flag") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := config.ParseBFF("bff.yaml", []byte("issuer: https://id.example.com\ndiagnostics: true\n"), nil); err == nil || !strings.Contains(err.Error(), "diagnostics") {
		t.Errorf("the key: %v", err)
	}

	var addresses [2]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "dev.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "issuer: http://%[1]s\nlisten: %[1]s\n", addresses[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, welcomed := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		demo := development{file: file, data: filepath.Join(dir, "data"), bff: addresses[1], out: welcomed, log: t.Output()}
		err := demo.serve(ctx)
		welcomed.Close()
		ended <- err
	}()
	ready := false
	for lines := bufio.NewScanner(out); !ready && lines.Scan(); {
		ready = strings.HasPrefix(lines.Text(), "cookie mode")
	}
	if !ready {
		t.Fatal(<-ended)
	}
	status, text := fetchText(t, "http://"+addresses[1]+"/bff/diagnostics")
	if status != http.StatusOK || !strings.Contains(text, `"client_id":"playground-bff"`) || !strings.Contains(text, `"session":null`) {
		t.Errorf("serve --dev --bff: %d %s", status, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
