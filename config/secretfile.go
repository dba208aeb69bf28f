package config

import (
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/authzd/authzd/authz/member"
)

// decodeSecretFile reads the secret at path from the file that <key>_file names.
func (d *document) decodeSecretFile(n ast.Node, v reflect.Value, path string) {
	if isEmpty(n) {
		return
	}
	filePath := path + "_file"
	if d.given(path) {
		d.secretTwice(n, path, filePath)
		return
	}
	d.locate(n, filePath)
	d.locate(n, path)
	name, ok := text(n)
	if !ok {
		d.report(filePath, nil, problemf("write the name of a file", "expected a single value, found %s", kind(n)))
		return
	}
	d.setFromFile(v, d.inFolder(name), filePath)
}

// secretTwice reports, at the key that came second, a secret that this file gives both in itself
// and by the name of a file.
func (d *document) secretTwice(n ast.Node, path, second string) {
	_, byFile := d.origins[path+"_file"]
	if d.origins[path].file != d.file || byFile == (second != path) {
		return
	}
	d.locate(n, second)
	d.report(second, nil, problemf("remove one of the two", "given both here and in a file"))
}

// setFromFile sets a secret to what the file holds.
func (d *document) setFromFile(v reflect.Value, name, filePath string) {
	secret, p := readSecret(name)
	v.SetString(string(secret))
	d.secretFiles[filePath] = name
	d.report(filePath, name, p)
}

// readSecret reads a file that holds one secret, without the newline that editors add.
func readSecret(name string) (member.Secret, *member.Flaw) {
	const most = 16 << 10 // bytes
	file, err := os.Open(name)
	if err != nil {
		return "", unreadable(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return "", unreadable(err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case len(data) > most:
		return "", problemf("name a file that holds the secret and nothing else", "larger than %d bytes", most)
	case secret == "":
		return "", problemf("write the secret into it", "the file is empty")
	case strings.ContainsAny(secret, "\x00\r\n"):
		return "", problemf("the file must hold the secret and nothing else", "more than one line, or not text")
	}
	return member.Secret(secret), nil
}
