// Package docs keeps the recipes true: their links lead somewhere, and what they show of authzd.yaml
// is accepted by authzd.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recipes returns every document by its path.
func recipes(t *testing.T) map[string]string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "decisions/*.md", "../README.md", "../.github/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}

var (
	link        = regexp.MustCompile(`\]\(([^)#]*)(#[^)]+)?\)`)
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	punctuation = regexp.MustCompile(`[^a-z0-9 -]`)
)

func TestLinks(t *testing.T) {
	for file, text := range recipes(t) {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, anchor := found[1], found[2]
			if strings.Contains(target, "://") {
				continue
			}
			path := file
			if target != "" {
				path = filepath.Join(filepath.Dir(file), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", file, err)
			} else if anchor != "" && !hasAnchor(t, path, anchor) {
				t.Errorf("%s: %s has no %s", file, path, anchor)
			}
		}
	}
}

// Every recipe is in the index, and every package in the map of the tree, by itself or with its folder.
func TestNothingIsLeftOut(t *testing.T) {
	texts := recipes(t)
	for file := range texts {
		if filepath.Dir(file) == "." && file != "README.md" && !strings.Contains(texts["README.md"], "]("+file+")") {
			t.Errorf("README.md does not lead to %s", file)
		}
		if folder, name := filepath.Split(file); folder == "decisions/" && name != "README.md" && !strings.Contains(texts["decisions/README.md"], "]("+name+")") {
			t.Errorf("decisions/README.md does not lead to %s", file)
		}
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		folder := strings.TrimPrefix(path, "github.com/authzd/authzd/")
		if strings.HasPrefix(folder, "examples/") {
			folder = "examples"
		}
		if !strings.Contains(texts["../README.md"], "]("+folder+")") {
			t.Errorf("the README's map lacks %s", folder)
		}
	}
}

// hasAnchor makes anchors of headings as code hosts do: lower case, hyphens, no punctuation.
func hasAnchor(t *testing.T, path, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range heading.FindAllStringSubmatch(string(text), -1) {
		name := punctuation.ReplaceAllString(strings.ToLower(found[1]), "")
		if "#"+strings.ReplaceAll(name, " ", "-") == anchor {
			return true
		}
	}
	return false
}

var pageID = regexp.MustCompile("`([a-z_-]+)(?:<[a-z_]+>)?`")

// control is an element that a person or a test acts on, by its id.
var control = regexp.MustCompile(`<(?:a|button|input)\b[^>]*\bid="([a-z_-]+)`)

// The ids that tests may rely on are in the pages, and pages.md names that of each input, button and link.
func TestPageIDs(t *testing.T) {
	_, ids, found := strings.Cut(recipes(t)["pages.md"], "**Ids for tests**")
	if !found {
		t.Fatal("pages.md names no ids")
	}
	files, err := filepath.Glob("../templates/html/*.html")
	if err != nil {
		t.Fatal(err)
	}
	var pages strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(text)
	}
	for _, found := range control.FindAllStringSubmatch(pages.String(), -1) {
		if !strings.Contains(ids, "`"+found[1]) {
			t.Errorf("pages.md does not name %s", found[1])
		}
	}
	for _, found := range pageID.FindAllStringSubmatch(ids, -1) {
		id := found[1]
		if id == "access_denied" || id == "temporarily_unavailable" { // error codes
			continue
		}
		if html := pages.String(); !strings.Contains(html, `id="`+id+`"`) && !strings.Contains(html, `id="`+id+"{{") {
			t.Errorf("no page has an element %s", id)
		}
	}
}

var (
	yamlBlock = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")
	hasIssuer = regexp.MustCompile(`(?m)^issuer:`)

	// elsewhere is what a piece of a configuration may lack: the files that it names, and resources
	// with their scopes that stand in another piece.
	elsewhere = regexp.MustCompile(`no such file or directory|no such (resource|scope)|^hint: |errors? in the configuration$`)
)

func TestConfiguration(t *testing.T) {
	folder := t.TempDir()
	authzd := build(t, folder)
	blocks := 0
	for file, text := range recipes(t) {
		for _, found := range yamlBlock.FindAllStringSubmatch(text, -1) {
			blocks++
			for _, complaint := range check(t, authzd, folder, found[1]) {
				t.Errorf("%s: %s\n%s", file, complaint, found[1])
			}
		}
	}
	if blocks == 0 {
		t.Error("no configuration found")
	}
}

// build compiles authzd into a folder.
func build(t *testing.T, folder string) string {
	t.Helper()
	authzd := filepath.Join(folder, "authzd")
	cmd := exec.Command("go", "build", "-o", authzd, "../cmd/authzd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it ships, and so as other tests have built it
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return authzd
}

// check returns what authzd has against a piece of a configuration.
func check(t *testing.T, authzd, folder, text string) []string {
	t.Helper()
	if indent := len(text) - len(strings.TrimLeft(text, " ")); indent > 0 { // within a list
		text = strings.ReplaceAll("\n"+text, "\n"+strings.Repeat(" ", indent), "\n")
	}
	if !hasIssuer.MatchString(text) {
		text = "issuer: https://id.example.com\n" + text
	}
	file := filepath.Join(folder, "authzd.yaml")
	args := []string{"config", "check", "--config", file}
	if strings.Contains(text, "# bff.yaml\n") {
		args = append([]string{"bff"}, args...)
		if !strings.Contains(text, "\nclient_id:") {
			text += "client_id: orders-bff\n"
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(authzd, args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	var complaints []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); !elsewhere.MatchString(line) {
			complaints = append(complaints, line)
		}
	}
	return complaints
}
