package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestPathsAreRelativeToTheFile loads the same file from another folder: the path of each key is relative to
// the folder of the file, and those of variables and defaults to the working directory.
func TestPathsAreRelativeToTheFile(t *testing.T) {
	data := exampleYAML(t)
	inExampleFolder(t)
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.Replace(string(data), "dir: \"\"", "dir: ./backups", 1))
	data = []byte(strings.Replace(string(data), "to: \"\"", "to: shipped", 1))
	writeFile(t, "authzd.yaml", string(data))
	t.Chdir(t.TempDir())
	c, err := Load(filepath.Join(folder, "authzd.yaml"), []string{"AUTHZD_ADMIN_SOCKET=./here.sock"})
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	equal(t, "storage.bolt.path", c.Storage.Bolt.Path, in("authzd-data/authzd.db"))
	equal(t, "storage.bolt.ship.to", c.Storage.Bolt.Ship.To, in("shipped"))
	equal(t, "secret_file", c.SecretFile, PathList{in("authzd-data/secret")})
	equal(t, "tls", c.TLS, TLS{CertFile: in("tls.crt"), KeyFile: in("tls.key")})
	equal(t, "mtls.ca_file", c.MTLS.CAFile, in("clients-ca.pem"))
	equal(t, "outbound.ca_file", c.Outbound.CAFile, in("ca.pem"))
	equal(t, "branding.logo_file", c.Branding.LogoFile, in("logo.svg"))
	equal(t, "backup.dir", c.Backup.Dir, in("backups"))
	equal(t, "admin.socket", c.Admin.Socket, "./here.sock")
	equal(t, "a secret in a file", string(c.Clients[2].Secret), "portal secret, made by chance")
}

// TestEveryPathIsMarked finds keys that sound like files and are not resolved.
func TestEveryPathIsMarked(t *testing.T) {
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for _, f := range fieldsOf(typ) {
			at := child(path, f.key)
			sounds := strings.HasSuffix(f.key, "_file") || f.key == "path" || f.key == "dir" || f.key == "socket" || f.key == "module"
			if sounds && f.path == "" {
				t.Errorf("%s is not marked as a path", at)
			}
			next := f.typ
			if isEntries(next) {
				next = next.Elem()
			}
			if next.Kind() == reflect.Struct && !isScalar(next) {
				walk(next, at)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestDefaultPathsAreRelativeToTheWorkingDirectory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "authzd.yaml")
	writeFile(t, name, "issuer: https://id.example.com\n")
	c, err := Load(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "storage.bolt.path", c.Storage.Bolt.Path, "./authzd-data/authzd.db")
	equal(t, "secret_file", c.SecretFile, PathList{"./authzd-data/secret"})
}

func TestCertificatesOfTheDatabaseURL(t *testing.T) {
	cert, key := newCertificate(t)
	folder := t.TempDir()
	for name, content := range map[string]string{"ca.pem": cert, "c.pem": cert, "c.key": key} {
		writeFile(t, filepath.Join(folder, name), content)
	}
	name := filepath.Join(folder, "authzd.yaml")
	const address = "postgres://r:p@db.example.com/d?sslmode=verify-full&sslrootcert=ca.pem&sslcert=./c.pem&sslkey=c.key"
	writeFile(t, name, "issuer: https://id.example.com\nstorage: {postgres: {url: \""+address+"\"}}\nsecret_file: ./secret\n")
	c, err := Load(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ca.pem", "c.pem", "c.key"} {
		if want := strings.ReplaceAll(filepath.Join(folder, file), "/", "%2F"); !strings.Contains(string(c.Storage.Postgres.URL), want) {
			t.Errorf("%s is not beside the configuration: %q", file, string(c.Storage.Postgres.URL))
		}
	}
	t.Chdir(folder)
	c, err = Load(name, []string{"AUTHZD_STORAGE_POSTGRES_URL=" + address})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "from a variable", string(c.Storage.Postgres.URL), address)
}
