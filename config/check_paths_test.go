package config

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPathsThatMeet: two paths, one of which authzd writes to, must not be the same or in each other's way,
// however they are spelled.
func TestPathsThatMeet(t *testing.T) {
	cert, key := newCertificate(t)
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{"tls.crt": cert, "tls.key": key, "portal-secret": "portal secret, long enough", "there": "x"} {
		writeFile(t, name, content)
	}
	for _, link := range []struct{ to, name string }{{"d/authzd.db", "link.db"}, {"d", "folder"}, {"nowhere/x", "dangling"}} {
		if err := os.Symlink(link.to, link.name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link("tls.key", "hard.key"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	const web = "clients: [{client_id: portal, preset: web, client_secret_file: portal-secret, redirect_uris: [https://a.example/cb]}]\n"
	for name, c := range map[string]struct{ doc, want string }{
		"socket is the database":           {"storage: {bolt: {path: ./d/authzd.db}}\nadmin: {socket: d/../d/authzd.db}", `admin.socket "d/../d/authzd.db": the same as storage.bolt.path`},
		"by a link":                        {"storage: {bolt: {path: ./d/authzd.db}}\nadmin: {socket: link.db}", `admin.socket "link.db": the same as storage.bolt.path`},
		"by a folder that is a link":       {"storage: {bolt: {path: ./d/authzd.db}}\nadmin: {socket: folder/authzd.db}", `the same as storage.bolt.path`},
		"by a link to nothing":             {"storage: {bolt: {path: nowhere/x}}\nadmin: {socket: dangling}", `admin.socket "dangling": the same as storage.bolt.path`},
		"socket is the secret":             {"secret_file: d/s\nadmin: {socket: d/s}", `the same as secret_file[0]`},
		"socket is an earlier secret":      {"secret_file: [d/a, d/b]\nadmin: {socket: d/b}", `the same as secret_file[1]`},
		"secret is the database":           {"storage: {bolt: {path: d/a}}\nsecret_file: d/a", `the same as storage.bolt.path`},
		"default secret":                   {"storage: {bolt: {path: d/secret}}", `secret_file[0] "./d/secret": the same as storage.bolt.path`},
		"socket is the certificate":        {"tls: {cert_file: tls.crt, key_file: tls.key}\nadmin: {socket: tls.crt}", `the same as tls.cert_file`},
		"secret is the key":                {"tls: {cert_file: tls.crt, key_file: tls.key}\nsecret_file: tls.key", `tls.key_file "tls.key": the same as secret_file[0]`},
		"by a hard link":                   {"tls: {cert_file: tls.crt, key_file: tls.key}\nadmin: {socket: hard.key}", `the same as tls.key_file`},
		"socket is a secret of a client":   {web + "admin: {socket: portal-secret}", `the same as clients[0].client_secret_file`},
		"database is a client's secret":    {web + "storage: {bolt: {path: portal-secret}}", `the same as storage.bolt.path`},
		"socket is this file":              {"admin: {socket: authzd.yaml}", `the same as this configuration file`},
		"database is this file":            {"storage: {bolt: {path: ./authzd.yaml}}", `the same as this configuration file`},
		"database among the backups":       {"storage: {bolt: {path: b/authzd.db}}\nbackup: {dir: b}", `backup.dir "b": storage.bolt.path lies in it`},
		"key among the backups":            {"tls: {cert_file: tls.crt, key_file: tls.key}\nbackup: {dir: .}", `backup.dir "."`},
		"socket among the backups":         {"backup: {dir: b}\nadmin: {socket: b/x.sock}", `admin.socket "b/x.sock": lies in backup.dir`},
		"database in the destination":      {"storage: {bolt: {path: s/authzd.db, ship: {to: s}}}", `storage.bolt.ship.to "s": storage.bolt.path lies in it`},
		"backups in the destination":       {"storage: {bolt: {path: d/a, ship: {to: s}}}\nbackup: {dir: s/b}", `storage.bolt.ship.to "s": backup.dir lies in it`},
		"destination among the backups":    {"storage: {bolt: {path: d/a, ship: {to: b/s}}}\nbackup: {dir: b}", `storage.bolt.ship.to "b/s": lies in backup.dir`},
		"destination is the backups":       {"storage: {bolt: {path: d/a, ship: {to: b}}}\nbackup: {dir: ./b}", `the same as backup.dir`},
		"backups where changes wait":       {"storage: {bolt: {path: d/a}}\nbackup: {dir: d/a.ship/b}", `lies in d/a.ship`},
		"socket below the database":        {"storage: {bolt: {path: d/a}}\nadmin: {socket: d/a/x.sock}", `lies below storage.bolt.path, which is a file`},
		"database below the socket":        {"storage: {bolt: {path: d/a/b}}\nadmin: {socket: d/a}", `storage.bolt.path lies below it, but this is a file`},
		"a file where the socket goes":     {"admin: {socket: there}", `admin.socket "there": is a file, not a socket`},
		"a folder where the socket goes":   {"admin: {socket: d}\nstorage: {bolt: {path: e/a}}", `admin.socket "d": is a folder, not a socket`},
		"a link where the socket goes":     {"admin: {socket: dangling}", `admin.socket "dangling": is a symbolic link, not a socket`},
		"different paths":                  {web + "tls: {cert_file: tls.crt, key_file: tls.key}\nstorage: {bolt: {path: d/a, ship: {to: s}}}\nbackup: {dir: b}\nsecret_file: [d/b, d/c]\nadmin: {socket: d/a.sock}", ""},
		"one file for two that are read":   {"tls: {cert_file: tls.crt, key_file: tls.key}\noutbound: {ca_file: tls.crt}", ""},
		"backups in the database's folder": {"storage: {bolt: {path: d/a}}\nbackup: {dir: d/backups}", ""},
		"names that begin alike":           {"storage: {bolt: {path: d/a}}\nbackup: {dir: d/a.ship2}", ""},
	} {
		writeFile(t, "authzd.yaml", "issuer: https://id.example.com\n"+c.doc+"\n")
		_, err := Load("authzd.yaml", nil)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s:\n%v\nwant %s", name, err, c.want)
		case c.want != "" && err.(Errors)[0].Hint == "":
			t.Errorf("%s: no hint", name)
		}
	}
}

// TestSocketThatIsThere: the socket of an earlier start may be there.
func TestSocketThatIsThere(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := net.Listen("unix", "a.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustParse(t, "issuer: https://id.example.com\nadmin: {socket: a.sock}")
}

func TestWarnings(t *testing.T) {
	cert, key := newCertificate(t)
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{"tls.crt": cert, "tls.key": key, "portal-secret": "portal secret, long enough", "s": "x"} {
		writeFile(t, name, content)
	}
	const web = "clients: [{client_id: portal, preset: web, client_secret_file: portal-secret, redirect_uris: [https://a.example/cb]}]"
	const inIt = `clients: [{client_id: portal, preset: web, client_secret: "portal secret, long enough", redirect_uris: [https://a.example/cb]}]`
	called := func(member, more string) string {
		return "clients: [{client_id: portal, preset: web, token_endpoint_auth_method: private_key_jwt, redirect_uris: [https://a.example/cb], " + member + "}]\n" + more
	}
	const loopbackKeys, privateKeys = "jwks_uri: 'http://127.0.0.1:9020/bff/jwks.json'", "jwks_uri: 'https://10.20.0.5/bff/jwks.json'"
	const loopbackLogout = "jwks_uri: https://a.example/jwks.json, backchannel_logout_uri: 'http://localhost:9020/bff/backchannel'"
	for name, c := range map[string]struct {
		doc     string
		open    string // a file that everybody may read
		warning string
	}{
		"nothing":                 {doc: web},
		"admin on all interfaces": {doc: "admin: {listen: ':9011'}", warning: `authzd.yaml:2:17: warning: admin.listen ":9011": others on the network`},
		"admin on one of them":    {doc: "admin: {listen: '192.0.2.1:9011'}", warning: "warning: admin.listen"},
		"admin on [::]":           {doc: "admin: {listen: '[::]:9011'}", warning: "warning: admin.listen"},
		"admin here":              {doc: "admin: {listen: '127.0.0.1:9011'}"},
		"admin here, IPv6":        {doc: "admin: {listen: '[::1]:9011'}"},
		"admin on localhost":      {doc: "admin: {listen: 'localhost:9011'}"},
		"all are proxies":         {doc: "trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]", warning: `warning: trusted_proxies[1] "0.0.0.0/0": takes in all addresses`},
		"all are proxies, IPv6":   {doc: "trusted_proxies: ['::/0']", warning: "warning: trusted_proxies[0]"},
		"half of them are":        {doc: "trusted_proxies: [128.0.0.0/1]", warning: "warning: trusted_proxies[0]"},
		"private ones are":        {doc: "trusted_proxies: [10.0.0.0/8, 'fc00::/7', 'fe80::/10', 192.168.0.0/16]"},
		"outbound to everything":  {doc: "outbound: {allow_private_networks: [0.0.0.0/0]}", warning: `warning: outbound.allow_private_networks[0] "0.0.0.0/0": allows everything`},
		"outbound to IPv6":        {doc: "outbound: {allow_private_networks: ['::/0']}", warning: "warning: outbound.allow_private_networks[0]"},
		"outbound to a network":   {doc: "outbound: {allow_private_networks: [10.20.0.0/16]}"},
		"keys here":               {doc: called(loopbackKeys, ""), warning: `authzd.yaml:2:138: warning: clients[0].jwks_uri "http://127.0.0.1:9020/bff/jwks.json": is a private address`},
		"keys here, allowed":      {doc: called(loopbackKeys, "outbound: {allow_private_networks: [127.0.0.0/8]}")},
		"keys nearby":             {doc: called(privateKeys, ""), warning: "warning: clients[0].jwks_uri"},
		"keys nearby, another":    {doc: called(privateKeys, "outbound: {allow_private_networks: [10.21.0.0/16]}"), warning: "warning: clients[0].jwks_uri"},
		"keys nearby, allowed":    {doc: called(privateKeys, "outbound: {allow_private_networks: [10.20.0.0/16]}")},
		"keys on the internet":    {doc: called("jwks_uri: https://a.example/jwks.json", "")},
		"a logout here":           {doc: called(loopbackLogout, ""), warning: "warning: clients[0].backchannel_logout_uri"},
		"a logout here, IPv6":     {doc: called(loopbackLogout, "outbound: {allow_private_networks: ['::1/128']}")},
		"ES256":                   {doc: "signing: {alg: ES256}", warning: `warning: signing.alg "ES256": clients may assume`},
		"the file with a secret":  {doc: inIt, open: "authzd.yaml", warning: "authzd.yaml: warning: has a secret, and everybody"},
		"a file without one":      {doc: web, open: "authzd.yaml"},
		"a secret's own file":     {doc: web, open: "portal-secret", warning: `warning: clients[0].client_secret_file "portal-secret": has a secret`},
		"the key":                 {doc: "tls: {cert_file: tls.crt, key_file: tls.key}", open: "tls.key", warning: `warning: tls.key_file "tls.key": has a secret`},
		"the certificate":         {doc: "tls: {cert_file: tls.crt, key_file: tls.key}", open: "tls.crt"},
		"the server's secret":     {doc: "secret_file: s", open: "s", warning: `warning: secret_file[0] "s": has a secret`},
	} {
		writeFile(t, "authzd.yaml", "issuer: https://id.example.com\n"+c.doc+"\n")
		for _, file := range []string{"authzd.yaml", "portal-secret", "tls.key", "tls.crt", "s"} {
			mode := os.FileMode(0o600)
			if file == c.open {
				mode = 0o644
			}
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Load("authzd.yaml", nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		switch {
		case c.warning == "" && len(got.Warnings) > 0:
			t.Errorf("%s: %v", name, got.Warnings)
		case c.warning != "" && (len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0].Warning(), c.warning)):
			t.Errorf("%s: %v, want %s", name, got.Warnings, c.warning)
		case c.warning != "" && got.Warnings[0].Hint == "":
			t.Errorf("%s: no hint", name)
		}
	}
}

// TestWarnsOfMovedData: a configuration of an earlier release named its data from the working directory.
func TestWarnsOfMovedData(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(t.TempDir())
	name := filepath.Join(folder, "authzd.yaml")
	writeFile(t, name, "issuer: https://id.example.com\nstorage: {bolt: {path: ./authzd.db}}\n")
	writeFile(t, "authzd.db", "x")
	c, err := Load(name, nil)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Warning(), "there is none, but there is") {
		t.Errorf("%v %v", c.Warnings, err)
	}
	writeFile(t, filepath.Join(folder, "authzd.db"), "x")
	if c, err := Load(name, nil); err != nil || len(c.Warnings) > 0 {
		t.Errorf("both are there: %v %v", c.Warnings, err)
	}
}

// TestDemoIsNoFile: the demo of serve --dev has secrets, and none of them is in the operator's file, even if that is called dev.yaml.
func TestDemoIsNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"dev.yaml", "authzd.yaml"} {
		for doc, want := range map[string]int{"log: {level: info}": 0, "users: [{username: bob, password: demo}]": 1} {
			writeFile(t, name, doc+"\n")
			if err := os.Chmod(name, 0o644); err != nil {
				t.Fatal(err)
			}
			c, err := LoadDev(name, t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) != want {
				t.Errorf("%s with %s: %v", name, doc, c.Warnings)
			}
		}
	}
}
