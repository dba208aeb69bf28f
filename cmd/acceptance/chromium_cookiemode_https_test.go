package acceptance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// TestCookieModeByHTTPS: as in production, the cookie is Secure, has the prefix that a browser enforces, and comes back
// from the other site's sign-in. The sessions are sealed.
func TestCookieModeByHTTPS(t *testing.T) {
	t.Parallel()
	needTool(t, "chromium")
	m := startSealed(t)
	a := cookieApp{openChromiumWith(t, chromedp.Flag("ignore-certificate-errors", true)), m}
	a.open(m.url)
	a.at("/")
	a.click("sign-in")
	a.password(password)
	a.at("/")
	a.status("Signed in")
	if c := a.named("__Host-Http-orders"); c == nil || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteStrict || c.Path != "/" || c.Domain != "127.0.0.1" {
		t.Fatalf("the session cookie is %+v", c)
	}
	eval[any](a.tab, "document.cookie = '__Host-Http-orders=forged; Secure; Path=/'") // the browser refuses
	a.do(chromedp.Reload())
	a.at("/")
	a.status("Signed in")
	a.click("logout")
	a.at("/")
	a.status("Signed out")
	if c := a.named("__Host-Http-orders"); c != nil {
		t.Errorf("after the logout there is a cookie: %+v", c)
	}
}

// named is the cookie of this name.
func (b *tab) named(name string) (found *network.Cookie) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := storage.GetCookies().Do(ctx)
		for _, c := range cookies {
			if c.Name == name {
				found = c
			}
		}
		return err
	}))
	return found
}

// startSealed serves the app by https, with sessions in the cookie. The issuer knows the client's key beforehand.
func startSealed(t *testing.T) *cookieMode {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir, addr := shortDir(t), freeAddr()
	m := &cookieMode{url: "https://" + addr, log: filepath.Join(dir, "bff.log")}
	writeCertificate(t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	app, err := filepath.Abs("../../authz/playground/cookiemode")
	if err != nil {
		t.Fatal(err)
	}
	admin := freeAddr()
	configure := func(issuer string) string {
		file := filepath.Join(dir, "bff.yaml")
		text := fmt.Sprintf("issuer: %s\nclient_id: orders-bff\nlisten: %[2]s\nadmin: {listen: %[4]s}\nkey_file: client.key\nsecret_file: secret\nstorage: {sealed: true}\nlog: {format: text}\n"+
			"tls: {cert_file: tls.crt, key_file: tls.key}\nfrontends: [{name: orders, url: https://%[2]s, app: {folder: %[3]s}}]\n", issuer, addr, app, admin)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	jwks, err := exec.Command(path, "bff", "jwks", "--config", configure("http://localhost:1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	m.issuer = startDev(t, fmt.Sprintf("clients: [{client_id: orders-bff, preset: web, token_endpoint_auth_method: private_key_jwt, "+
		"redirect_uris: [%[1]s/bff/callback], post_logout_redirect_uris: [%[1]s/], scope: openid profile, first_party: true, jwks: '%[2]s'}]",
		m.url, strings.Join(strings.Fields(string(jwks)), "")))
	bff, err := startProcess(exec.Command(path, "bff", "--config", configure(m.issuer.issuer)), m.log, "http://"+admin+"/readyz")
	if err != nil {
		log, _ := os.ReadFile(m.log)
		t.Fatalf("start: %v\n%s", err, log)
	}
	t.Cleanup(func() { m.finish(t, bff) })
	return m
}

// writeCertificate writes a self-signed certificate for 127.0.0.1 and its key.
func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
