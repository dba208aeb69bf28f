package config

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
)

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	secretFile := filepath.Join(dir, "secret")
	writeFile(t, secretFile, "from file\n")
	const doc = `issuer: https://file.example
trusted_proxies: [10.0.0.0/8]
lifetimes: {code: an hour}
secret_file: x
clients: [{client_id: my-spa, preset: spa, redirect_uris: [http://evil.example]}, {client_id: worker, preset: service, client_secret: in yaml}]
connectors: [{id: google, type: google, client_id: x, client_secret_file: /nowhere}]
users: [{username: alice@example.com}]
`
	c := mustParse(t, doc,
		"AUTHZD_ISSUER=https://env.example",
		"AUTHZD_STORAGE_BOLT_PATH=/env/db",
		"AUTHZD_LIFETIMES_CODE=30s",
		"AUTHZD_TRUSTED_PROXIES=192.0.2.0/24, 2001:db8::/32",
		"AUTHZD_SECRET_FILE=/new,/old",
		"AUTHZD_CLIENTS_MY_SPA_REDIRECT_URIS=https://env.example/cb",
		"AUTHZD_CLIENTS_MY_SPA_FIRST_PARTY=true",
		"AUTHZD_CLIENTS_MY_SPA_SCOPE=openid email",
		"AUTHZD_CLIENTS_WORKER_CLIENT_SECRET=in the environment, and long",
		"AUTHZD_CONNECTORS_GOOGLE_CLIENT_SECRET_FILE="+secretFile,
		"AUTHZD_USERS_ALICE_EXAMPLE_COM_PASSWORD=ein langes Pässwort",
		"AUTHZD_BRANDING_CSS_ON_ACCENT=#fff",
		"HOME=/root", "AUTHZDX=1",
		// What Kubernetes sets for the services authzd and authzd-admin.
		"AUTHZD_SERVICE_HOST=10.0.0.1", "AUTHZD_SERVICE_PORT=80", "AUTHZD_SERVICE_PORT_HTTP=80", "AUTHZD_PORT=tcp://10.0.0.1:80",
		"AUTHZD_PORT_80_TCP=tcp://10.0.0.1:80", "AUTHZD_PORT_80_TCP_ADDR=10.0.0.1", "AUTHZD_ADMIN_SERVICE_HOST=10.0.0.2",
		"AUTHZD_ADMIN_PORT=tcp://10.0.0.2:80",
	)
	equal(t, "issuer", c.Issuer, "https://env.example")
	equal(t, "path", c.Storage.Bolt.Path, "/env/db")
	equal(t, "code", c.Lifetimes.Code, 30*time.Second)
	equal(t, "trusted_proxies", c.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")})
	equal(t, "secret_file", c.SecretFile, PathList{"/new", "/old"})
	equal(t, "redirect_uris", c.Clients[0].RedirectURIs, []string{"https://env.example/cb"})
	equal(t, "first_party", c.Clients[0].FirstParty, true)
	equal(t, "scope", c.Clients[0].Scopes, member.Scopes{"openid", "email"})
	equal(t, "client_secret", string(c.Clients[1].Secret), "in the environment, and long")
	equal(t, "connector secret", string(c.Connectors[0].ClientSecret), "from file")
	equal(t, "password", string(c.Users[0].Password), "ein langes Pässwort")
	equal(t, "branding.css", c.Branding.CSS, map[string]string{"on-accent": "#fff"})
}

func TestEnvironmentErrors(t *testing.T) {
	const doc = `issuer: https://id.example.com
clients: [{client_id: worker, preset: service, client_secret: a-secret-of-24-characters}]
users: [{username: a.b}, {username: a-b}]
`
	for name, tc := range map[string]struct{ environ, want []string }{
		"unknown":          {[]string{"AUTHZD_LISTN=:1"}, []string{"AUTHZD_LISTN: unknown variable"}},
		"port alone":       {[]string{"AUTHZD_PORT=9010"}, []string{"AUTHZD_PORT: unknown variable"}},
		"unknown client":   {[]string{"AUTHZD_CLIENTS_SPA_SCOPE=openid"}, []string{"AUTHZD_CLIENTS_SPA_SCOPE: unknown variable"}},
		"bad value":        {[]string{"AUTHZD_LISTEN=x", "AUTHZD_LOG_LEVEL=loud"}, []string{`AUTHZD_LISTEN: listen "x": not an address with a port`, `AUTHZD_LOG_LEVEL: log.level "loud": not a value of this key`}},
		"bad element":      {[]string{"AUTHZD_TRUSTED_PROXIES=10.0.0.0/8,x,,"}, []string{`AUTHZD_TRUSTED_PROXIES: trusted_proxies[1] "x": not a network`, "AUTHZD_TRUSTED_PROXIES: trusted_proxies[2]: empty entry", "AUTHZD_TRUSTED_PROXIES: trusted_proxies[3]: empty entry"}},
		"element twice":    {[]string{"AUTHZD_SECRET_FILE=a,a"}, []string{`AUTHZD_SECRET_FILE: secret_file[1] "a": given twice`}},
		"secret and file":  {[]string{"AUTHZD_CLIENTS_WORKER_CLIENT_SECRET=a-secret-of-24-characters", "AUTHZD_CLIENTS_WORKER_CLIENT_SECRET_FILE=b"}, []string{"AUTHZD_CLIENTS_WORKER_CLIENT_SECRET_FILE: clients[0].client_secret: AUTHZD_CLIENTS_WORKER_CLIENT_SECRET is set too"}},
		"no file":          {[]string{"AUTHZD_CLIENTS_WORKER_CLIENT_SECRET_FILE=/nowhere"}, []string{`AUTHZD_CLIENTS_WORKER_CLIENT_SECRET_FILE: clients[0].client_secret_file "/nowhere": no such file or directory`}},
		"style variable":   {[]string{"AUTHZD_BRANDING_CSS_ACCENT=url(x)"}, []string{`AUTHZD_BRANDING_CSS_ACCENT: branding.css.accent "url(x)": has a character that is not allowed here, or is too long`}},
		"ambiguous":        {[]string{"AUTHZD_USERS_A_B_NAME=x"}, []string{"AUTHZD_USERS_A_B_NAME: could mean users[0].name or users[1].name"}},
		"value hides file": {[]string{"AUTHZD_CLIENTS_WORKER_CLIENT_SECRET=é"}, []string{`AUTHZD_CLIENTS_WORKER_CLIENT_SECRET: clients[0].client_secret "********": not a client secret (RFC 6749 appendix A.2)`}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, errorsOf(t, doc, tc.environ...), tc.want) })
	}
}

func TestEnvironmentNames(t *testing.T) {
	l := &loader{cfg: Config{
		Resources: []Resource{{Resource: "r"}}, Clients: []client.Metadata{{ID: "c"}},
		Users: []users.User{{Username: "u"}}, Connectors: []Connector{{ID: "g"}},
	}}
	targets := map[string][]target{}
	l.eachTarget(reflect.ValueOf(&l.cfg).Elem(), "", "AUTHZD", targets)
	for name, found := range targets {
		if len(found) > 1 {
			t.Errorf("%s could mean %s or %s", name, found[0].path, found[1].path)
		}
		if serviceLink(name, "x") {
			t.Errorf("%s is taken for a variable of Kubernetes", name)
		}
	}
	for _, name := range []string{"AUTHZD_ISSUER", "AUTHZD_LIFETIMES_ACCESS_TOKEN", "AUTHZD_CLIENTS_C_CLIENT_SECRET_FILE", "AUTHZD_USERS_U_ADDRESS_COUNTRY"} {
		if targets[name] == nil {
			t.Errorf("no variable %s", name)
		}
	}
}
