package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/authzd/authzd/authz/bff/gate"
)

// bffErrors are the errors of a file of a BFF, each with a hint.
func bffErrors(t *testing.T, doc string, environ ...string) []string {
	t.Helper()
	_, err := ParseBFF("f", []byte(doc), environ)
	var errs Errors
	if err != nil && !errors.As(err, &errs) {
		t.Fatalf("%v", err)
	}
	var lines []string
	for _, e := range errs {
		if e.Hint == "" {
			t.Errorf("%v has no hint", e)
		}
		lines = append(lines, e.Error())
	}
	return lines
}

const aBFF = "issuer: https://id.example.com\nclient_id: bff\nfrontends: [{name: orders, url: https://orders.example.com}]\n"

// TestBFFRefuses has a document for each rule, with all the errors that it must give.
func TestBFFRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		doc     string // after aBFF
		environ []string
		want    []string
	}{
		"nothing wrong":      {"", nil, nil},
		"a key of a server":  {"clients: []", nil, []string{"f:4:1: clients: unknown key"}},
		"a nearly right key": {"frontend: []", nil, []string{"f:4:1: frontend: unknown key"}},

		"public": {"client_authentication: {method: none}", nil,
			[]string{`f:4:33: client_authentication.method "none": the client would be public, and a BFF must be a confidential one (RFC 10017 section 6.1.3.1)`}},
		"unknown method": {"client_authentication: {method: client_secret_jwt}", nil,
			[]string{`f:4:33: client_authentication.method "client_secret_jwt": not a value of this key`}},
		"method without a secret": {"client_authentication: {method: client_secret_basic}", nil,
			[]string{"f:4:24: client_authentication: client_secret_basic without client_secret: the client would be public, and a BFF must be a confidential one (RFC 10017 section 6.1.3.1)"}},
		"method without a certificate": {"client_authentication:\n  method: tls_client_auth", nil,
			[]string{"f:5:3: client_authentication: tls_client_auth without a certificate: the client would be public, and a BFF must be a confidential one (RFC 10017 section 6.1.3.1)"}},
		"a secret that nothing needs": {"client_authentication: {client_secret: hunter2}", nil,
			[]string{"f:4:40: client_authentication.client_secret: is of no use for private_key_jwt"}},
		"a certificate that nothing needs": {"client_authentication: {cert_file: a, key_file: b}", nil,
			[]string{"f:4:36: client_authentication.cert_file: is of no use for private_key_jwt", "f:4:49: client_authentication.key_file: is of no use for private_key_jwt"}},
		"a key that nothing needs": {"client_authentication: {method: client_secret_post, client_secret: hunter2}\nkey_file: a", nil,
			[]string{"f:5:11: key_file: is of no use for client_secret_post"}},
		"keys of replicas": {"client_authentication: {rotate_every: 720h}\nstorage: {postgres: {url: postgres:///a}}", nil, []string{`f:4:39: client_authentication.rotate_every "720h": without storage.bolt, replicas would make different keys`}},
		"keys for an hour": {"client_authentication: {rotate_every: 1h}", nil, []string{`f:4:39: client_authentication.rotate_every "1h": must be at least 48h`}},
		"no certificate there": {"client_authentication: {method: tls_client_auth, cert_file: /nowhere/c, key_file: /nowhere/k}", nil, []string{
			`f:4:61: client_authentication.cert_file "/nowhere/c": no such file or directory`, `f:4:83: client_authentication.key_file "/nowhere/k": no such file or directory`}},

		"two stores":             {"storage: {bolt: {path: a}, postgres: {url: postgres:///a}}", nil, []string{"f:4:38: storage.postgres: given beside storage.bolt.path"}},
		"sealed beside bolt":     {"storage: {bolt: {path: a}, sealed: true}", nil, []string{"f:4:36: storage.sealed: given beside storage.bolt.path"}},
		"sealed beside postgres": {"storage: {postgres: {url: postgres:///a}, sealed: true}", nil, []string{"f:4:51: storage.sealed: given beside storage.postgres"}},
		"sealed beside a backup": {"storage: {sealed: true}\nbackup: {dir: /nowhere/b}", nil, []string{"f:4:19: storage.sealed: given beside backup.dir"}},
		"sealed beside a socket": {"storage: {sealed: true}\nadmin: {socket: a}", nil, []string{"f:4:19: storage.sealed: given beside admin.socket"}},
		"shipping of postgres":   {"storage: {bolt: {ship: {to: /nowhere/s}}, postgres: {url: postgres:///a}}", nil, []string{"f:4:24: storage.bolt.ship: given beside storage.postgres"}},
		"one socket for two":     {"socket: /nowhere/s\nadmin: {socket: /nowhere/s}", nil, []string{`f:4:9: socket "/nowhere/s": the same as admin.socket`}},
		"one file for two":       {"key_file: /nowhere/x\nsecret_file: /nowhere/x", nil, []string{`f:4:11: key_file "/nowhere/x": the same as secret_file[0]`}},
		"idle beyond absolute":   {"sessions: {idle: 2h, max: 1h}", nil, []string{`f:4:18: sessions.idle "2h": must not exceed sessions.max (1h)`}},
		"admin where public is":  {"listen: :1\nadmin: {listen: :1}", nil, []string{`f:5:17: admin.listen ":1": the same address as listen`}},

		"no folder of the app": {"", []string{"AUTHZD_BFF_FRONTENDS_ORDERS_APP_FOLDER=/nowhere"}, []string{`AUTHZD_BFF_FRONTENDS_ORDERS_APP_FOLDER: frontends[0].app.folder "/nowhere": no such file or directory`}},
		"a file for the app":   {"", []string{"AUTHZD_BFF_FRONTENDS_ORDERS_APP_FOLDER=bff_test.go"}, []string{`AUTHZD_BFF_FRONTENDS_ORDERS_APP_FOLDER: frontends[0].app.folder "bff_test.go": is a file`}},

		"a variable of a server":    {"", []string{"AUTHZD_CORS_ALLOWED_HEADERS=x"}, nil},
		"an unknown variable":       {"", []string{"AUTHZD_BFF_LISTN=:1"}, []string{"AUTHZD_BFF_LISTN: unknown variable"}},
		"a variable of a frontend":  {"", []string{"AUTHZD_BFF_FRONTENDS_ORDERS_URL=http://a.example"}, []string{`AUTHZD_BFF_FRONTENDS_ORDERS_URL: frontends[0].url "http://a.example": must be https`}},
		"what Kubernetes sets":      {"", []string{"AUTHZD_BFF_PORT=tcp://10.0.0.1:9020", "AUTHZD_BFF_SERVICE_HOST=10.0.0.1"}, nil},
		"a variable with a mistake": {"", []string{"AUTHZD_BFF_LISTEN=9020"}, []string{`AUTHZD_BFF_LISTEN: listen "9020": a colon is missing`}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, bffErrors(t, aBFF+tc.doc, tc.environ...), tc.want) })
	}
	compare(t, bffErrors(t, "listen: :1"), []string{"f: frontends: is required", "f: issuer: is required"})
}

// TestServerLeavesVariablesOfBFF: one environment can be for both.
func TestServerLeavesVariablesOfBFF(t *testing.T) {
	if _, err := Parse("f", []byte("issuer: https://id.example.com"), []string{"AUTHZD_BFF_LISTEN=9020"}); err != nil {
		t.Error(err)
	}
}

func TestBFFDefaults(t *testing.T) {
	c, err := ParseBFF("f", []byte(aBFF), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Listen, c.Storage.Bolt.Path, c.SecretFile, c.KeyFile, c.ClientAuthentication.Method, c.Sessions.Idle.String(), c.Sessions.Max.String()}
	want := []any{":9020", "./bff-data/bff.db", PathList{"./bff-data/secret"}, "./bff-data/client.key", "private_key_jwt", "12h", "168h"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	c, err = ParseBFF("f", []byte(aBFF+"client_authentication: {method: client_secret_basic, client_secret: hunter2hunter2}"), nil)
	if err != nil || c.KeyFile != "" {
		t.Errorf("a client with a secret has the key %q (%v)", c.KeyFile, err)
	}
}

func TestBFFWarns(t *testing.T) {
	for doc, want := range map[string]string{
		"issuer: http://127.0.0.1:9010\nclient_id: bff\nfrontends: [{name: a, url: http://127.0.0.1:9020}]":                                     "is plain http",
		"issuer: https://id.example.com\nclient_id: bff\nfrontends: [{name: a, url: https://a.example/a}, {name: b, url: https://a.example/b}]": "shares its origin",
		aBFF + "admin: {listen: ':9021'}":       "others on the network reach it",
		aBFF + "trusted_proxies: ['0.0.0.0/0']": "takes in all addresses",
	} {
		c, err := ParseBFF("f", []byte(doc), nil)
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Warning(), want) || c.Warnings[0].Line == 0 {
			t.Errorf("%s: %v, want %q", doc, c.Warnings, want)
		}
	}
}

// inBFFFolder changes to a folder with the files that bff.example.yaml names.
func inBFFFolder(t *testing.T) {
	t.Helper()
	cert, key := newCertificate(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"tls.crt": cert, "tls.key": key, "ca.pem": cert} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	if err := os.Mkdir(filepath.Join(dir, "dist"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// TestBFFExample: it loads, fits the schema, shows the defaults, and loads again as it is printed.
func TestBFFExample(t *testing.T) {
	data := fileYAML(t, "bff.example.yaml")
	root, defs := schema(t, BFFSchema)
	inBFFFolder(t)
	example, err := ParseBFF("bff.example.yaml", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for _, e := range violations(root, defs, doc, "") {
		t.Error(e)
	}

	text, err := example.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseBFF("printed", text, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	example.Warnings, again.Warnings = nil, nil
	normalize(reflect.ValueOf(example).Elem())
	normalize(reflect.ValueOf(again).Elem())
	if !reflect.DeepEqual(example, again) {
		t.Errorf("printed and loaded again:\n%+v\nwas:\n%+v", again, example)
	}

	defaults, err := ParseBFF("", []byte(aBFF), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*BFF{example, defaults} {
		c.ClientID, c.TLS, c.TrustedProxies, c.Admin, c.Outbound, c.Frontends, c.Warnings = "", TLS{}, nil, BFFAdmin{}, BFFOutbound{}, nil, nil
		c.Gate = gate.Settings{}
		c.Backup.Recipients, c.Storage.Bolt.Ship.Recipients = nil, nil
		normalize(reflect.ValueOf(c).Elem())
	}
	if !reflect.DeepEqual(example, defaults) {
		got, _ := json.Marshal(example)
		want, _ := json.Marshal(defaults)
		t.Errorf("bff.example.yaml\n%s\ndefaults\n%s", got, want)
	}
}

// TestBFFMasksSecrets: they are neither printed nor quoted in an error.
func TestBFFMasksSecrets(t *testing.T) {
	const secret = "hunter2hunter2"
	doc := aBFF + "client_authentication: {method: client_secret_basic, client_secret: " + secret + "}\n"
	c, err := ParseBFF("f", []byte(doc), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil || strings.Contains(string(text), secret) || !strings.Contains(string(text), "client_secret: \"********\"") {
		t.Errorf("printed (%v):\n%s", err, text)
	}
	_, err = ParseBFF("f", []byte(doc+"storage: {postgres: {url: mysql://bff:"+secret+"@db/bff}}"), nil)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}

func TestLoadBFFWithoutFile(t *testing.T) {
	_, err := LoadBFF(filepath.Join(t.TempDir(), "bff.yaml"), nil)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// FuzzParseBFF: whatever the file is, there is a configuration that prints and loads as itself, or errors that say
// where and what.
func FuzzParseBFF(f *testing.F) {
	example, err := os.ReadFile("bff.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add(aBFF)
	f.Add(aBFF + "client_authentication: {method: client_secret_basic, client_secret: a}")
	f.Add("frontends: [{name: a, url: 'https://a.example/%2f'}, {name: a}]")
	f.Fuzz(func(t *testing.T, doc string) {
		if strings.Contains(doc, "_file") {
			return // it would read files that happen to be there
		}
		c, err := ParseBFF("f", []byte(doc), nil)
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%v", err)
			}
			for _, e := range errs {
				if e.Reason == "" || e.Key == "" && e.Variable == "" && e.File == "" {
					t.Errorf("error %#v", e)
				}
			}
			return
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "********") {
			return // a mask is no secret
		}
		if _, err := ParseBFF("printed", text, nil); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

// TestBFFSealed: without a store there are no defaults of one, and what needs one is refused.
func TestBFFSealed(t *testing.T) {
	c, err := ParseBFF("f", []byte(aBFF+"storage: {sealed: true}"), nil)
	if err != nil || c.Storage.Bolt.Path != "" || c.SecretFile[0] != "./bff-data/secret" || !c.CookieMode().Sealed {
		t.Errorf("%+v, %v", c, err)
	}
	if errs := bffErrors(t, aBFF+"storage: {sealed: true}\ngate: {url: https://gate.example.com, trusted_proxies: [127.0.0.1/32], hosts: [{url: https://a.example.com, rules: [{path: /, allow: signed_in}]}]}"); len(errs) != 1 || !strings.Contains(errs[0], "gate") {
		t.Errorf("a gate: %q", errs)
	}
}
