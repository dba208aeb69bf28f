package acceptance

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

const module = "github.com/authzd/authzd/"

// listed is a package of this module, by go list.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string // everything that Imports lead to
}

// name is the path within the module.
func (p listed) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// all is what the package and its tests import.
func (p listed) all() []string { return slices.Concat(p.Imports, p.TestImports, p.XTestImports) }

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	var packages []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// within reports whether an import path is the package tree or below it.
func within(importPath, tree string) bool {
	return importPath == tree || strings.HasPrefix(importPath, tree+"/")
}

// ground is what every package may import. It imports nothing of this module.
var ground = []string{"authz/fetch", "authz/jwks", "authz/member", "authz/passhash", "authz/strictjson", "authz/weburl", "templates/brand"}

// descriptions are of what an operator describes: in the configuration, and through the admin API. They are for every
// package, as the ground floor is, on which they stand.
var descriptions = []string{"authz/client", "authz/users"}

// leaves import nothing of this module but the ground floor, so that each can be understood, and the middleware
// imported, alone.
var leaves = []string{"storage", "config", "templates", "authz/connect", "authz/bearer", "authz/dpop", "authz/observe", "authz/outbound", "authz/kms", "authz/throttle"}

// The import graph:
//
//	cmd ─> config
//	 └──> authz ─> its subpackages ─> storage
//	        └────> fosite, templates
//
// Every package may import the ground floor. There are two exceptions: bearer imports dpop, and any part may
// import lease, for work that one replica does.
func TestImports(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.all() {
			own, isOwn := strings.CutPrefix(imported, module)
			switch {
			case within(imported, "github.com/go-jose/go-jose/v3"):
				t.Errorf("%s imports go-jose v3; use v4", p.name())
			case within(imported, "github.com/ory/fosite") && p.name() != "authz":
				t.Errorf("%s imports fosite; only authz may", p.name())
			case isOwn && within(own, "cmd"):
				t.Errorf("%s imports %s; nothing may import a command", p.name(), own)
			case isOwn && own == "config" && p.name() != own && !within(p.name(), "cmd"):
				t.Errorf("%s imports config; only cmd may", p.name())
			}
		}
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module)
			if !isOwn || within(p.name(), "cmd") {
				continue
			}
			switch {
			case p.name() == "authz/bearer" && own == "authz/dpop": // an API checks the proofs of its callers
			case p.name() == "authz/member" && own == "authz/weburl": // what is wrong with a URL
			case slices.Contains(ground, p.name()):
				t.Errorf("%s imports %s; it is of the ground floor, which imports nothing", p.name(), own)
			case slices.Contains(ground, own):
			case slices.Contains(descriptions, p.name()):
				t.Errorf("%s imports %s; a description stands on the ground floor alone", p.name(), own)
			case slices.Contains(descriptions, own):
			case slices.Contains(leaves, p.name()):
				t.Errorf("%s imports %s; it is a leaf", p.name(), own)
			case within(own, "storage") && own != "storage" && own != "storage/archive" && !within(p.name(), "storage") && p.name() != "authz/authztest":
				t.Errorf("%s imports %s; only cmd chooses the engine", p.name(), own)
			case own == "authz/lease":
			case path.Dir(p.name()) == "authz" && !within(own, "storage") && !slices.Contains(leaves, own) && p.name() != "authz/authztest":
				t.Errorf("%s imports %s; the parts of authz stand apart, on storage and the leaves", p.name(), own)
			}
		}
	}
}

// Backend services import the bearer middleware: it may bring only what verifies a token.
func TestImportsOfBearer(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.name() != "authz/bearer" {
			continue
		}
		for _, dep := range p.Deps {
			domain, _, _ := strings.Cut(dep, "/")
			light := !strings.Contains(domain, ".") || // the standard library
				within(dep, "github.com/go-jose/go-jose/v4") || within(dep, "golang.org/x") ||
				slices.Contains([]string{"authz/dpop", "authz/fetch", "authz/jwks", "authz/weburl"}, strings.TrimPrefix(dep, module))
			if !light && dep != p.ImportPath {
				t.Errorf("authz/bearer depends on %s", dep)
			}
		}
		return
	}
	t.Error("there is no package authz/bearer")
}

// Below these versions, a known vulnerability can be reached through fosite or the key ring.
func TestImportsHaveNoKnownHoles(t *testing.T) {
	floors := map[string]string{
		"github.com/go-jose/go-jose/v3":                                   "v3.0.5",
		"github.com/go-jose/go-jose/v4":                                   "v4.1.4",
		"google.golang.org/grpc":                                          "v1.85.0",
		"go.opentelemetry.io/otel/sdk":                                    "v1.47.0",
		"go.opentelemetry.io/otel/exporters/otlp/otlptrace":               "v1.45.0",
		"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp": "v1.45.0",
		"go.opentelemetry.io/otel/exporters/zipkin":                       "v1.45.0",
	}
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		if floor := floors[name]; floor != "" && semver.Compare(version, floor) < 0 {
			t.Errorf("%s is %s, and has to be %s or newer", name, version, floor)
			delete(floors, name) // once is enough
		}
	}
}
