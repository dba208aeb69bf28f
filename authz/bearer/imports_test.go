package bearer

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// An API that imports this package must not get an authorization server with it.
func TestDependencies(t *testing.T) {
	const (
		self        = "github.com/authzd/authzd"
		jose        = "github.com/go-jose/go-jose/v4"
		maxPackages = 5 // outside of the standard library
	)
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}} {{.ImportPath}}{{end}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	var packages []string
	for line := range strings.Lines(string(out)) {
		module, pkg, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains([]string{"bearer", "dpop", "fetch", "jwks", "revocation", "weburl"}, strings.TrimPrefix(pkg, self+"/authz/")) {
			continue
		}
		if !slices.Contains([]string{jose}, module) && !strings.HasPrefix(module, "golang.org/x/") {
			t.Errorf("depends on %s", pkg)
		}
		packages = append(packages, pkg)
	}
	if len(packages) == 0 || len(packages) > maxPackages {
		t.Errorf("%d packages: %q", len(packages), packages)
	}
}
