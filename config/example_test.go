package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// inExampleFolder changes to a folder with every file that example.yaml names.
func inExampleFolder(t *testing.T) {
	t.Helper()
	cert, key := newCertificate(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"tls.crt": cert, "tls.key": key, "ca.pem": cert, "clients-ca.pem": cert, "logo.svg": "<svg/>",
		"portal-secret": "portal secret, made by chance\n", "partners-token": "a token for partners, 32 characters", "portal-secret-new": "new portal secret, made by chance\n", "alice-password": "alice's password\r\n", "google-secret": "google secret",
	} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	if err := os.Mkdir(filepath.Join(dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newCertificate returns a self-signed certificate and its key, both PEM.
func newCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func exampleYAML(t *testing.T) []byte { return fileYAML(t, "example.yaml") }

func fileYAML(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestExampleLoads(t *testing.T) {
	data := exampleYAML(t)
	inExampleFolder(t)
	c, err := Parse("example.yaml", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, secrets := range map[string][2]string{
		"from a file":          {string(c.Clients[2].Secret), "portal secret, made by chance"},
		"with CRLF at the end": {string(c.Users[0].Password), "alice's password"},
		"without a newline":    {string(c.Connectors[0].ClientSecret), "google secret"},
	} {
		if got, want := secrets[0], secrets[1]; got != want {
			t.Errorf("secret %s: %q, want %q", what, got, want)
		}
	}
}

// TestExampleIsComplete proves that each key that a file may have is shown in example.yaml.
func TestExampleIsComplete(t *testing.T) {
	isComplete(t, "example.yaml", reflect.TypeFor[Config]())
	isComplete(t, "bff.example.yaml", reflect.TypeFor[BFF]())
}

func isComplete(t *testing.T, name string, of reflect.Type) {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(fileYAML(t, name), &doc); err != nil {
		t.Fatal(err)
	}
	var missing func(docs []any, typ reflect.Type, path string)
	missing = func(docs []any, typ reflect.Type, path string) {
		for _, f := range fieldsOf(typ) {
			keys := []string{f.key}
			if f.typ == typeSecret {
				keys = append(keys, f.fileKey())
			}
			for _, key := range keys {
				values := membersOf(docs, key)
				if len(values) == 0 {
					t.Errorf("%s does not show %s", name, child(path, key))
				}
				switch {
				case isEntries(f.typ):
					missing(values, f.typ.Elem(), child(path, f.key)+"[]")
				case f.typ.Kind() == reflect.Struct && !isScalar(f.typ):
					missing(values, f.typ, child(path, f.key))
				}
			}
		}
	}
	missing([]any{doc}, of, "")
}

// membersOf collects the values of a key in all the mappings, lists opened.
func membersOf(docs []any, key string) []any {
	var values []any
	for _, doc := range docs {
		value, ok := doc.(map[string]any)[key]
		if list, isList := value.([]any); isList {
			values = append(values, list...)
		} else if ok {
			values = append(values, value)
		}
	}
	return values
}

// TestExampleShowsDefaults proves that the server-wide values in example.yaml are the defaults,
// as its head says, except those listed here.
func TestExampleShowsDefaults(t *testing.T) {
	data := exampleYAML(t)
	inExampleFolder(t)
	example, err := Parse("example.yaml", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	defaults, err := Parse("", []byte("issuer: https://id.example.com"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Config{example, defaults} {
		c.Resources, c.Clients, c.Users, c.Connectors, c.TrustedIssuers = nil, nil, nil, nil, nil
		c.MTLS, c.Accounts.Password.LeaksURL, c.Accounts.Passkeys = MTLS{}, "", Passkeys{Enabled: c.Accounts.Passkeys.Enabled}
		c.Mail = Mail{}
		c.Accounts.FactorsOfRoles = nil
		c.Accounts.AllowedDomains = nil
		c.TLS, c.TrustedProxies, c.Admin.Listen, c.Outbound, c.Branding = TLS{}, nil, "", Outbound{}, Branding{}
		c.Registration, c.Backup.Recipients, c.Storage.Bolt.Ship.Recipients = Registration{}, nil, nil
	}
	if !reflect.DeepEqual(example, defaults) {
		got, _ := json.Marshal(example)
		want, _ := json.Marshal(defaults)
		t.Errorf("example.yaml\n%s\ndefaults\n%s", got, want)
	}
}
