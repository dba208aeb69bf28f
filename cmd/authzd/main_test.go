package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/authzd/authzd/authz/connect"
	"github.com/authzd/authzd/config"
	"github.com/authzd/authzd/storage/postgres/pgtest"
	"github.com/authzd/authzd/templates"
)

// buildDir is where authzd is built; TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	defer pgtest.Stop()
	dir, err := os.MkdirTemp("", "authzd-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return m.Run()
}

// binary builds authzd, once, as it is given to users. The race detector looks at the packages in their own tests; here it
// would take several times the processor for each command.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "authzd")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestScripts(t *testing.T) { runScripts(t, "testdata/script", setUp) }

// TestPostgresScripts gives each script a separate database, in the environment of authzd, and another
// empty one.
func TestPostgresScripts(t *testing.T) {
	pgtest.Database(t) // skips where there is no PostgreSQL
	runScripts(t, "testdata/postgres", func(env *testscript.Env) error {
		env.Setenv("AUTHZD_STORAGE_POSTGRES_URL", pgtest.Database(t))
		env.Setenv("OTHER_DATABASE", pgtest.Database(t))
		second, err := freeAddress()
		env.Setenv("SECOND", second)
		return errors.Join(err, setUp(env))
	})
}

func runScripts(t *testing.T, folder string, setUp func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"certificate": makeCertificate,
			"healthy":     healthy,
			"mode":        wantMode,
			"audited":     audited,
			"flip":        flip,
			"appears":     appears,
			"change":      change,
			"token":       token,
			"sql":         execSQL,
			"parts":       takenByParts,
		},
	})
}

// setUp gives each script authzd, the folder of the configuration's example, and an address that is free.
func setUp(env *testscript.Env) error {
	if _, err := binary(); err != nil {
		return err
	}
	example, err := filepath.Abs("../../config/example.yaml")
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	env.Setenv("PATH", buildDir+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("ADDR", address)
	env.Setenv("LOCAL", strings.Replace(address, "127.0.0.1", "localhost", 1))
	env.Setenv("ADMIN", admin)
	// So that a path in it is never too long for a socket.
	folder, err := os.MkdirTemp("", "authzd-")
	if err != nil {
		return err
	}
	env.Setenv("TMPDIR", folder)
	env.Defer(func() { os.RemoveAll(folder) })
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// parts FILE demands that every part of the server takes a configuration. None of them starts.
func takenByParts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: parts FILE")
	}
	cfg, err := config.Load(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	server, err := authzConfig(cfg, false)
	ts.Check(err)
	for _, c := range server.Connectors {
		c.RedirectURI = cfg.Issuer + "/callback/" + c.ID
		_, err := connect.New(c)
		ts.Check(err)
	}
	_, err = templates.New(cfg.Issuer, server.Branding)
	ts.Check(err)
}

// certificate CERT KEY writes a self-signed certificate for localhost.
func makeCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	cert, key, err := certificateOf("localhost")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), cert, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), key, 0o600))
}

func newCertificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	cert, key, err := certificateOf("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// certificateOf makes a self-signed certificate of a host and its key, both PEM.
func certificateOf(host string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), err
}

// healthy ARG… runs authzd healthcheck with these arguments until it says that the server is up; negated,
// until it says that it is not.
func healthy(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := ts.Exec("authzd", append([]string{"healthcheck"}, args...)...)
		if (err == nil) != neg {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			ts.Fatalf("the server does not become what is wanted: %v", err)
		}
	}
}

// change FILE OLD NEW writes over a text wherever it stands, in the file's place.
func change(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: change FILE OLD NEW, of one length")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !strings.Contains(string(b), args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(string(b), args[1], args[2])), 0o600))
}

// sql URL STATEMENT changes records of a PostgreSQL database.
func execSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql URL STATEMENT")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	defer conn.Close(ctx)
	done, err := conn.Exec(ctx, args[1])
	ts.Check(err)
	if done.RowsAffected() == 0 {
		ts.Fatalf("nothing was changed")
	}
}

// audited [bff] TYPE waits until the audit log has an event of a type: they are listed once they are sealed. That of a BFF
// is named by bff.yaml.
func audited(ts *testscript.TestScript, neg bool, args []string) {
	list := []string{"audit", "list", "-o", "json"}
	if len(args) == 2 && args[0] == "bff" {
		list, args = append([]string{"bff"}, append(list, "--config", "bff.yaml")...), args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: audited [bff] TYPE")
	}
	deadline, tick := time.After(2*time.Minute), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		ts.Check(ts.Exec("authzd", append(list, "--type", args[0])...))
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("no event of type %s", args[0])
		}
	}
}

// token FILE CLIENT SECRET writes the access token that a client gets by client credentials from
// $AUTHZD_ISSUER.
func token(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: token FILE CLIENT SECRET")
	}
	request, err := http.NewRequest(http.MethodPost, ts.Getenv("AUTHZD_ISSUER")+"/token", strings.NewReader("grant_type=client_credentials"))
	ts.Check(err)
	request.SetBasicAuth(url.QueryEscape(args[1]), url.QueryEscape(args[2]))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	ts.Check(json.NewDecoder(response.Body).Decode(&answer))
	if answer.AccessToken == "" {
		ts.Fatalf("no token for %s: %s", args[1], response.Status)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(answer.AccessToken+"\n"), 0o600))
}
