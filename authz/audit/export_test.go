package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authzd/authzd/storage"
)

// TestExport: the file verifies by itself, each of its lines is one JSON object, and no value of an event
// can pass for a line.
func TestExport(t *testing.T) {
	l := newLog(t, newStore(t))
	fillBlocks(t, l, 120, 2)
	inject := "x\"}}\n" + blockLineStart + `"number":1}` + "\n\u2028\u2029"
	for range 3 {
		e := signIn(inject)
		e.Details = map[string]string{"scope": inject, inject: "y"}
		if err := l.config.Store.Apply(t.Context(), l.Put(t.Context(), e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := export(t, l)
	want := verifyAll(t, l)
	got, err := VerifyExport(bytes.NewReader(file), nil)
	if err != nil || len(got.Problems) > 0 || fmt.Sprint(got) != fmt.Sprint(want) || got.Events != 243 {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	lines := 0
	for line := range bytes.Lines(file) {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil || object["type"] == nil {
			t.Errorf("line %q: %v", line, err)
		}
		lines++
	}
	if lines != want.Blocks+want.Events {
		t.Errorf("%d lines", lines)
	}
}

// TestVerifyExportTampered: every change in a file is found.
func TestVerifyExportTampered(t *testing.T) {
	l := newLog(t, newStore(t))
	fillBlocks(t, l, 5, 2)
	lines := strings.SplitAfter(string(export(t, l)), "\n")
	lines = lines[:len(lines)-1]
	for i := range lines {
		for name, changed := range map[string]string{
			"dropped":  strings.Join(lines[:i], "") + strings.Join(lines[i+1:], ""),
			"twice":    strings.Join(lines[:i+1], "") + strings.Join(lines[i:], ""),
			"edited":   strings.Join(lines[:i], "") + strings.Replace(lines[i], `0`, `1`, 1) + strings.Join(lines[i+1:], ""),
			"inserted": strings.Join(lines[:i+1], "") + `{"id":"x"}` + "\n" + strings.Join(lines[i+1:], ""),
		} {
			if !strings.Contains(lines[i], "0") && name == "edited" {
				continue
			}
			if report, err := VerifyExport(strings.NewReader(changed), nil); err == nil && len(report.Problems) == 0 {
				t.Errorf("line %d %s: not noticed", i, name)
			}
		}
	}
	// A file that ends early is whole up to its last block.
	if report, err := VerifyExport(strings.NewReader(strings.Join(lines[:9], "")), nil); err != nil || report.Last.Number != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	for _, none := range []string{"hello\n", `{"id":"x"}` + "\n", strings.Repeat("x", 1<<20)} {
		if _, err := VerifyExport(strings.NewReader(none), nil); err == nil {
			t.Errorf("%.20q passes for an export", none)
		}
	}
}

// TestHashBySHA256Sum: anybody can compute the hash of a block from the export with what every system
// has, as docs/audit-log.md says.
func TestHashBySHA256Sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("with CI=true nothing may be skipped: %v", err)
		}
		t.Skipf("SKIPPED: %v", err)
	}
	l := newLog(t, newStore(t))
	fillBlocks(t, l, 2, 3)
	block, _, err := storage.AuditBlocks.Get(t.Context(), l.config.Store, blockKey(2))
	if err != nil {
		t.Fatal(err)
	}
	text, err := linesOf(block)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "block")
	head := fmt.Sprintf("authzd audit block\n%d\n%s\n%s\n%d\n", block.Number, stamp(block.Sealed), block.Before, block.Count)
	if err := os.WriteFile(name, append([]byte(head), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sha256sum", name).Output()
	if err != nil || !strings.HasPrefix(string(out), block.Hash+" ") {
		t.Errorf("%s, %v, want %s", out, err, block.Hash)
	}
}

// FuzzVerifyExport: verifying any file ends, and a file that passes has the events that it claims, in lines with
// the claimed hashes.
func FuzzVerifyExport(f *testing.F) {
	l := New(Config{MAC: macUnder("k")})
	head := &storage.AuditHead{}
	var file bytes.Buffer
	for range 3 {
		b := l.newBlock(head, []string{`{"id":"1"}`, `{"id":"2"}`}, storage.Now())
		seal, err := json.Marshal(blockLine{blockLineType, b.AuditSeal})
		if err != nil {
			f.Fatal(err)
		}
		text, err := linesOf(b)
		if err != nil {
			f.Fatal(err)
		}
		fmt.Fprintf(&file, "%s\n%s", seal, text)
		head.Last, head.Hash, head.Sealed = b.Number, b.Hash, b.Sealed
	}
	f.Add(file.Bytes())
	f.Add([]byte("{}\n"))
	f.Add([]byte(blockLineStart + `"number":1,"count":-1}` + "\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		report, err := VerifyExport(bytes.NewReader(file), nil)
		if err != nil || len(report.Problems) > 0 {
			return
		}
		if lines := strings.Count(strings.TrimSuffix(string(file), "\n")+"\n", "\n"); len(file) > 0 && report.Blocks+report.Events != lines {
			t.Errorf("%d blocks and %d events are in %d lines", report.Blocks, report.Events, lines)
		}
		if report.Last.Number-report.First.Number != max(report.Blocks-1, 0) {
			t.Errorf("%+v", report)
		}
	})
}
