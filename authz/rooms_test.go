package authz_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
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
	cmd.Dir = ".."
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

// groundFloor is what every package may import. Its packages import one another only.
var groundFloor = strings.Fields("authz/commonpass authz/deflate authz/fetch authz/jwks authz/member authz/passhash authz/revocation authz/strictjson authz/typed authz/useragent authz/weburl templates/brand version")

// rooms says who may import whom. A package may import what its row names, what the rows of those name, and so on;
// and the ground floor. It reads from the ground up: nothing that is named stands further down.
var rooms = []struct{ name, mayImport string }{
	// Leaves: each can be understood, and the middleware imported, alone.
	{"storage", ""},
	{"templates", ""},
	{"authz/mail", "templates"},
	{"templates/gallery", "templates"},
	{"templates/inspect", "templates/gallery"},
	{"authz/mail/mailtest", ""},
	{"authz/observe", ""},
	{"authz/throttle", ""},
	{"authz/outbound", ""},
	{"authz/connect", ""},
	{"authz/dpop", ""},
	{"authz/kms", ""},
	{"authz/bearer", "authz/dpop"},
	{"authz/bearer/bearergrpc", "authz/bearer"},
	{"authz/playground", "authz/bearer"},

	// What an operator describes.
	{"authz/users", ""},
	{"authz/client", ""},
	{"authz/password", "authz/users"},
	{"authz/admin", "authz/users authz/client"},

	// Copies of a store. Only commands choose an engine.
	{"storage/archive", "storage"},
	{"storage/bolt", "storage"},
	{"storage/postgres", "storage"},
	{"storage/postgres/pgtest", ""},
	{"storage/storagetest", "storage"},
	{"storage/ship", "storage/archive storage/bolt"},
	{"storage/transfer", "storage/archive"},

	// Parts that know the store, and no endpoint.
	{"authz/keys", "storage"},
	{"authz/lease", "storage"},
	{"authz/session", "storage"},
	{"authz/passkey", "authz/keys"},
	{"authz/tally", "storage authz/throttle"},
	{"authz/account", "authz/tally authz/connect authz/users"},
	{"authz/proof", "storage authz/users"},
	{"authz/factor", "authz/account authz/keys"},
	{"authz/audit", "storage authz/observe authz/throttle"},
	{"authz/backup", "storage/archive"},
	{"authz/upkeep", "authz/admin authz/audit authz/backup authz/keys authz/lease"},
	{"authz/outbox", "authz/keys authz/mail authz/observe authz/outbound"},

	// Cookie mode and the gates: they are clients of a server, and reach none of its rooms.
	{"authz/bff/guard", ""},
	{"authz/bff/wire", ""},
	{"authz/bff/provider", ""},
	{"authz/bff/websession", "storage authz/keys authz/observe authz/bff/provider"},
	{"authz/bff/relay", "authz/bff/guard authz/bff/websession"},
	{"authz/bff/assertion", ""},
	{"authz/bff/gate", "authz/bff/websession authz/bff/assertion"},
	{"authz/bff", "authz/bff/relay authz/bff/gate authz/audit authz/bearer"},
	{"authz/bff/operator", "authz/bff authz/upkeep"},
	{"config", "authz/password authz/users authz/client authz/bff templates/inspect"},

	// The rooms of the server.
	{"authz/oauth", "storage"},
	{"authz/feed", "authz/oauth authz/observe"},
	{"authz/resource", "authz/oauth templates"},
	{"authz/client/clientkeys", "authz/client authz/outbound"},
	{"authz/allowance", "authz/oauth authz/client/clientkeys authz/observe authz/throttle"},
	{"authz/client/directory", "authz/allowance authz/keys"},
	{"authz/events", "authz/factor authz/feed authz/audit authz/account authz/admin authz/passkey authz/session"},
	{"authz/grant", "authz/client/directory authz/events"},
	{"authz/token", "authz/grant authz/resource"},
	{"authz/clientauth", "authz/token authz/dpop"},
	{"authz/pages", "authz/client/directory authz/events templates"},
	{"authz/devmail", "authz/mail authz/pages"},
	{"authz/authorize", "authz/clientauth authz/pages authz/connect authz/factor"},
	{"authz/tokenendpoint", "authz/authorize"},
	{"authz/logout", "authz/authorize authz/outbox"},
	{"authz/interaction", "authz/logout"},
	{"authz/selfservice", "authz/interaction authz/proof authz/password"},
	{"authz/tokeninfo", "authz/clientauth"},
	{"authz/register", "authz/clientauth"},
	{"authz/operator", "authz/logout authz/register authz/upkeep authz/password authz/factor authz/proof"},

	// The server, which puts them together.
	{"authz", "authz/tokenendpoint authz/selfservice authz/tokeninfo authz/operator authz/devmail"},
	{"authz/authztest", "authz storage/bolt"},
	{"authz/internal/blackbox", "authz/authztest"},
}

// TestImports holds every package to the table.
func TestImports(t *testing.T) {
	may := map[string][]string{} // what a package may import, all of it
	for _, floor := range groundFloor {
		may[floor] = groundFloor
	}
	for _, room := range rooms {
		all := slices.Clone(groundFloor)
		for _, name := range strings.Fields(room.mayImport) {
			if may[name] == nil {
				t.Fatalf("the row of %s names %s, which stands further down", room.name, name)
			}
			all = append(all, name)
			all = append(all, may[name]...)
		}
		may[room.name] = all
	}
	for _, p := range listPackages(t) {
		if within(p.name(), "cmd") || within(p.name(), "examples") || p.name() == "docs" {
			continue // programs may import anything but one another: see TestImportsOfOthers
		}
		allowed, known := may[p.name()]
		if !known {
			t.Errorf("%s stands in no row of rooms: say there what it may import", p.name())
			continue
		}
		delete(may, p.name())
		for _, imported := range p.Imports {
			if own, isOwn := strings.CutPrefix(imported, module); isOwn && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which its row of rooms does not let it: move what both need into a package below both, or pass it as a value or a function", p.name(), own)
			}
		}
	}
	for name := range may {
		t.Errorf("rooms names %s, and there is no such package", name)
	}
}

// TestImportsOfOthers keeps libraries and commands where they belong.
func TestImportsOfOthers(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.all() {
			own, isOwn := strings.CutPrefix(imported, module)
			switch {
			case within(imported, "github.com/go-jose/go-jose/v3"):
				t.Errorf("%s imports go-jose v3; use v4", p.name())
			case within(imported, "github.com/ory/fosite") && p.name() != "authz/tokenendpoint" && slices.Contains(p.Imports, imported):
				t.Errorf("%s imports fosite; only authz/tokenendpoint may, and tests that compare with it", p.name())
			case isOwn && within(own, "cmd"):
				t.Errorf("%s imports %s; nothing may import a command", p.name(), own)
			case isOwn && own == "config" && p.name() != own && !within(p.name(), "cmd"):
				t.Errorf("%s imports config; only commands may", p.name())
			}
		}
	}
}

// Backend services import the bearer middleware: it may bring only what verifies a token. gRPC is for those who import
// bearergrpc.
func TestImportsOfBearer(t *testing.T) {
	brings := map[string][]string{
		"authz/bearer":            nil,
		"authz/bearer/bearergrpc": {"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc"},
	}
	for _, p := range listPackages(t) {
		more, ok := brings[p.name()]
		if !ok {
			continue
		}
		delete(brings, p.name())
		for _, dep := range p.Deps {
			domain, _, _ := strings.Cut(dep, "/")
			light := !strings.Contains(domain, ".") || // the standard library
				within(dep, "github.com/go-jose/go-jose/v4") || within(dep, "golang.org/x") ||
				slices.ContainsFunc(more, func(tree string) bool { return within(dep, tree) }) ||
				slices.Contains([]string{"authz/bearer", "authz/dpop", "authz/fetch", "authz/jwks", "authz/revocation", "authz/weburl"}, strings.TrimPrefix(dep, module))
			if !light && dep != p.ImportPath {
				t.Errorf("%s depends on %s", p.name(), dep)
			}
		}
	}
	for name := range brings {
		t.Errorf("there is no package %s", name)
	}
}

// Cookie mode and the gates are clients of a server, and know a store by the interface of storage: a Go program that
// imports authz/bff chooses its engine, and gets no other.
func TestImportsOfBFF(t *testing.T) {
	never := []string{"github.com/ory/fosite", "go.etcd.io/bbolt", "github.com/jackc/pgx", module + "storage/bolt", module + "storage/postgres"}
	seen := 0
	for _, p := range listPackages(t) {
		if !within(p.name(), "authz/bff") {
			continue
		}
		seen++
		for _, dep := range p.Deps {
			if slices.ContainsFunc(never, func(tree string) bool { return within(dep, tree) }) {
				t.Errorf("%s reaches %s; authz/bff and what is below it may reach a store by the interface of storage alone, and no part of the server", p.name(), dep)
			}
		}
	}
	if seen < 2 {
		t.Errorf("%d packages of authz/bff were found", seen)
	}
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
	cmd.Dir = ".."
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
