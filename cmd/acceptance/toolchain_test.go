package acceptance

import (
	"go/version"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The release of Go in go.mod's toolchain line builds everything, even if another one is installed or
// GOTOOLCHAIN names one. Older releases have known vulnerabilities in packages that authzd serves with.
func TestToolchain(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`(?m)^toolchain (go1\.\d+\.\d+)$`).FindStringSubmatch(read(t, "go.mod"))
	if m == nil {
		t.Fatal("go.mod has no toolchain line with a patch release")
	}
	want := m[1]
	if !slices.Contains(instructions(t), "ENV GOTOOLCHAIN="+want) {
		t.Errorf("the Dockerfile does not build with %s", want)
	}
	for name, args := range map[string][]string{
		"make": {"--silent", "--eval=toolchain: ; @echo $$GOTOOLCHAIN", "toolchain"},
		"bash": {"-c", ". .ci/env && echo $GOTOOLCHAIN"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(needTool(t, name), args...)
			cmd.Dir, cmd.Env = root, append(os.Environ(), "GOTOOLCHAIN=local")
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != want {
				t.Errorf("GOTOOLCHAIN is %q (%v), want %s", got, err, want)
			}
		})
	}
	if got := runtime.Version(); version.Compare(got, want) < 0 {
		missing(t, "this is "+got+", and go.mod wants "+want)
	}
}
