package acceptance

import (
	"debug/elf"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// instructions returns the lines of the Dockerfile, continued lines joined.
func instructions(t *testing.T) []string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", "")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The last stage is an empty base with an unprivileged user, a health check and a volume.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	lines := instructions(t)
	last := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "FROM ") {
			last = i
		}
	}
	final := lines[last:]
	for _, want := range []string{
		`FROM scratch`,
		`USER 65532:65532`,
		`WORKDIR /data`,
		`VOLUME /data`,
		`EXPOSE 9010`,
		`HEALTHCHECK .*CMD \["authzd", "healthcheck"\]`,
		`ENTRYPOINT \["authzd"\]`,
		`CMD \["serve"\]`,
		`COPY --from=build --chown=65532:65532 /data /data`,
	} {
		pattern := regexp.MustCompile("^" + want + "$")
		if !slices.ContainsFunc(final, pattern.MatchString) {
			t.Errorf("the last stage has no line like %q", want)
		}
	}
	for _, line := range lines {
		if m := regexp.MustCompile(`--from=(\S+)`).FindStringSubmatch(line); m != nil && !slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "FROM ") && strings.HasSuffix(l, " AS "+m[1])
		}) {
			t.Errorf("%q copies from a stage that does not exist", line)
		}
	}
}

// The files that .dockerignore lets through are enough for the Dockerfile's build line. The binary needs no dynamic
// linker, because an empty base has none.
func TestImageBuild(t *testing.T) {
	t.Parallel()
	build := regexp.MustCompile(`^RUN (CGO_ENABLED=0 go build .*) -o (\S+) (\S+)$`)
	for _, line := range instructions(t) {
		m := build.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		out := filepath.Join(t.TempDir(), "authzd")
		cmd := exec.Command("sh", "-c", m[1]+" -o "+out+" "+m[3])
		cmd.Dir, cmd.Env = buildContext(t), append(os.Environ(), "VERSION=v9.8.7")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, b)
		}
		if base := path.Base(m[2]); base != "authzd" {
			t.Errorf("the binary is called %s", base)
		}
		wantStatic(t, out)
		if text, err := exec.Command(out, "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(text), "authzd v9.8.7\n") {
			t.Errorf("version: %v\n%s", err, text)
		}
		return
	}
	t.Error("the Dockerfile has no line that builds a static binary")
}

// buildContext copies what .dockerignore lets through to a new folder.
func buildContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var excluded []string // patterns of base names, anywhere
	for line := range strings.Lines(read(t, ".dockerignore")) {
		line = strings.TrimSpace(line)
		if pattern, ok := strings.CutPrefix(line, "**/"); ok {
			excluded = append(excluded, pattern)
		}
		if name, ok := strings.CutPrefix(line, "!"); ok {
			if out, err := exec.Command("cp", "-r", filepath.Join(root, name), dir).CombinedOutput(); err != nil {
				t.Fatalf("cp %s: %v\n%s", name, err, out)
			}
		}
	}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		for _, pattern := range excluded {
			if ok, _ := path.Match(pattern, filepath.Base(name)); !ok {
				continue
			}
			if err := os.RemoveAll(name); err != nil || !entry.IsDir() {
				return err
			}
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func wantStatic(t *testing.T, binary string) {
	t.Helper()
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a dynamic linker")
		}
	}
}
