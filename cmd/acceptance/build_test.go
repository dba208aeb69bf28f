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

// binary builds authzd, once, as it is given to users.
var binary = sync.OnceValues(func() (string, error) { return build("authzd", "CGO_ENABLED=0") })

// racedBinary builds authzd, once, with the race detector where the tests have it too. A process of it starts slowly and
// takes several times the memory and the processor: see runRaced.
var racedBinary = sync.OnceValues(func() (string, error) {
	if !raceDetector() {
		return binary()
	}
	return build("authzd-raced", "CGO_ENABLED=1", "-race")
})

// build builds authzd into buildDir.
func build(name, env string, args ...string) (string, error) {
	path := filepath.Join(buildDir, name)
	cmd := exec.Command("go", append(append([]string{"build"}, args...), "-o", path, "../authzd")...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

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
