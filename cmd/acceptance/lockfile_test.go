package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// lockFile is a package-lock.json. Its packages are named by folder, the project itself by "".
type lockFile struct {
	LockfileVersion int
	Packages        map[string]lockedPackage
}

type lockedPackage struct {
	Name, Version, Resolved, Integrity string
	Link, InBundle                     bool
	Dependencies, DevDependencies      map[string]string
}

// faults returns what keeps npm from proving that it unpacks the packages that the file means: each has to
// be of the registry, by its own name, in one version with a SHA-512.
func (l lockFile) faults() []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if l.LockfileVersion != 3 {
		fault("lockfileVersion is %d, not 3", l.LockfileVersion)
	}
	for folder, p := range l.Packages {
		if folder == "" {
			for _, wanted := range []map[string]string{p.Dependencies, p.DevDependencies} {
				for name, version := range wanted {
					if locked := l.Packages["node_modules/"+name].Version; version != locked {
						fault("%s: wanted is %q, locked is %q: name one version", name, version, locked)
					}
				}
			}
			continue
		}
		_, name, inside := strings.Cut(folder[max(0, strings.LastIndex(folder, "node_modules/")):], "node_modules/")
		if !inside || p.Link || p.InBundle || p.Name != "" && p.Name != name {
			fault("%s is not the package of that name in the registry", folder)
		}
		if !semver.IsValid("v"+p.Version) || strings.Count(p.Version, ".") < 2 {
			fault("%s: %q is not one version", folder, p.Version)
		}
		if p.Resolved != "" {
			fault("%s: resolved says where to fetch it; npm config set omit-lockfile-registry-resolved true, and npm install again", folder)
		}
		digest, isSHA512 := strings.CutPrefix(p.Integrity, "sha512-")
		if b, err := base64.StdEncoding.DecodeString(digest); !isSHA512 || err != nil || len(b) != 64 {
			fault("%s: integrity %q is no SHA-512", folder, p.Integrity)
		}
	}
	return faults
}

func TestLockFiles(t *testing.T) {
	t.Parallel()
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "node_modules" || name == ".git" || path == filepath.Join(root, ".ci/node")):
			return filepath.SkipDir
		case name == "package.json":
			folders = append(folders, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 3 {
		t.Errorf("found only %v", folders)
	}
	for _, folder := range folders {
		t.Run(filepath.ToSlash(folder), func(t *testing.T) {
			var wanted lockedPackage
			lock := lockFile{Packages: map[string]lockedPackage{}}
			for name, into := range map[string]any{"package.json": &wanted, "package-lock.json": &lock} {
				b, err := os.ReadFile(filepath.Join(folder, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(b, into); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			lock.Packages[""] = wanted
			for _, fault := range lock.faults() {
				t.Error(fault)
			}
		})
	}
}

// Each of these would let another package in, and is refused.
func TestLockFileFaults(t *testing.T) {
	t.Parallel()
	sha512 := "sha512-" + base64.StdEncoding.EncodeToString(make([]byte, 64))
	for name, c := range map[string]struct{ lock, want string }{
		"good":             {`"node_modules/a": {"version": "1.0.0", "integrity": "` + sha512 + `"}`, ""},
		"good, scoped":     {`"node_modules/b/node_modules/@a/a": {"version": "1.0.0-rc.1", "integrity": "` + sha512 + `"}`, ""},
		"no integrity":     {`"node_modules/a": {"version": "1.0.0"}`, "is no SHA-512"},
		"SHA-1":            {`"node_modules/a": {"version": "1.0.0", "integrity": "sha1-AAAA"}`, "is no SHA-512"},
		"a short digest":   {`"node_modules/a": {"version": "1.0.0", "integrity": "sha512-AAAA"}`, "is no SHA-512"},
		"another host":     {`"node_modules/a": {"version": "1.0.0", "integrity": "` + sha512 + `", "resolved": "https://example.com/a.tgz"}`, "resolved says"},
		"a repository":     {`"node_modules/a": {"version": "git+ssh://git@example.com/a.git", "integrity": "` + sha512 + `"}`, "is not one version"},
		"another's name":   {`"node_modules/a": {"name": "b", "version": "1.0.0", "integrity": "` + sha512 + `"}`, "is not the package"},
		"a folder":         {`"node_modules/a": {"version": "1.0.0", "integrity": "` + sha512 + `", "link": true}`, "is not the package"},
		"inside a package": {`"node_modules/a": {"version": "1.0.0", "integrity": "` + sha512 + `", "inBundle": true}`, "is not the package"},
		"outside":          {`"../a": {"version": "1.0.0", "integrity": "` + sha512 + `"}`, "is not the package"},
		"a range":          {`"": {"dependencies": {"a": "^1.0.0"}}, "node_modules/a": {"version": "1.0.0", "integrity": "` + sha512 + `"}`, "name one version"},
		"not locked":       {`"": {"devDependencies": {"a": "1.0.0"}}`, "name one version"},
	} {
		t.Run(name, func(t *testing.T) {
			var lock lockFile
			if err := json.Unmarshal([]byte(`{"lockfileVersion": 3, "packages": {`+c.lock+`}}`), &lock); err != nil {
				t.Fatal(err)
			}
			faults := strings.Join(lock.faults(), "\n")
			if (faults == "") != (c.want == "") || !strings.Contains(faults, c.want) {
				t.Errorf("faults: %q, want %q", faults, c.want)
			}
		})
	}
}
