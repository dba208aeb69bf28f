package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/authzd/authzd/storage/postgres/pgtest"
)

// buildDir is where the binary under test is built; TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer pgtest.Stop()
	dir, err := os.MkdirTemp("", "authzd-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	// Under the race detector each process that a test starts would sleep for a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// binary builds authzd, once, with the race detector where the tests have it too.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "authzd")
	args := []string{"build", "-o", path}
	if raceDetector() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "../authzd")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// shippedBinary builds authzd, once, as it is given to users: without the race detector, whose own memory
// is a multiple of the program's.
var shippedBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "authzd-shipped")
	cmd := exec.Command("go", "build", "-o", path, "../authzd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// raceDetector reports whether the running test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// needTool returns the path of a program that a test cannot do without. Where it is missing the
// test is skipped, or fails with CI=true.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		missing(t, name+" is not installed")
	} else if err != nil {
		t.Fatal(err)
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
