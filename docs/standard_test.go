package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestStandardIsShown: every test that the table of RFC 10017 names exists.
func TestStandardIsShown(t *testing.T) {
	text, err := os.ReadFile("cookie-mode-standard.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources []byte
	for _, pattern := range []string{"../authz/bff/*_test.go", "../authz/bff/*/*_test.go", "../config/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, source...)
		}
	}
	names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllSubmatch(text, -1)
	if len(names) < 20 {
		t.Fatalf("%d tests are named", len(names))
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^func ` + string(name[1]) + `\(`).Match(sources) {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
