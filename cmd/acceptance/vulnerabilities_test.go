package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A known vulnerability lets the checks pass only while the list of accepted ones names it, with a reason
// and a last day; and the list names nothing else. The report is a real one, of govulncheck.
func TestAcceptedVulnerabilities(t *testing.T) {
	t.Parallel()
	const (
		x509  = "GO-2026-6809 2026-12-31 no certificate of such an authority is trusted here\n"
		trace = "GO-2026-6505 2026-12-31 no exporter is ever configured"
	)
	found := strings.Split(read(t, "cmd/acceptance/testdata/govulncheck.txt"), "Vulnerability #14")
	for name, c := range map[string]struct{ report, list, want string }{
		"nothing found":       {"No vulnerabilities found.\n", "# none\n\n", ""},
		"all accepted":        {found[0] + "Vulnerability #14" + found[1], x509 + trace, ""},
		"none accepted":       {found[0], "", "GO-2026-6809 is a known vulnerability"},
		"another is accepted": {found[0] + "Vulnerability #14" + found[1], x509, "GO-2026-6505 is a known vulnerability"},
		"part of an id":       {found[0], "GO-2026-680 2026-12-31 typed badly\n", "GO-2026-6809 is a known vulnerability"},
		"the last day":        {found[0], strings.Replace(x509, "12-31", "11-29", 1), ""},
		"ended":               {found[0], strings.Replace(x509, "12-31", "11-28", 1), "ended on 2026-11-28"},
		"no such day":         {found[0], strings.Replace(x509, "12-31", "13-31", 1), "no end date"},
		"no end":              {found[0], "GO-2026-6809 never reached\n", "no end date"},
		"no reason":           {found[0], "GO-2026-6809 2026-12-31\n", "gives no reason"},
		"mended since":        {"No vulnerabilities found.\n", trace, "GO-2026-6505 is accepted, but not found"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			report, list := filepath.Join(dir, "report"), filepath.Join(dir, "list")
			for file, text := range map[string]string{report: c.report, list: c.list} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command(needTool(t, "bash"), filepath.Join(root, ".ci/accept"), report, list, "2026-11-29").CombinedOutput()
			if (err != nil) != (c.want != "") || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, want an error that has %q\n%s", err, c.want, out)
			}
		})
	}
}
