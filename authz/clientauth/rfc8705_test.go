package clientauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/authztest"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/clientauth"
	"github.com/authzd/authzd/authz/internal/blackbox"
	"github.com/authzd/authzd/authz/keys"
)

// authority issues certificates.
type authority struct{ tls.Certificate }

// newAuthority is signed by another one, or by itself.
func newAuthority(t *testing.T, parent *authority) *authority {
	t.Helper()
	return &authority{issue(t, parent, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = "Authority", true, true
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	})}
}

// issue makes a certificate for clients, and a key; without an authority it is self-signed.
func issue(t *testing.T, by *authority, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "client", Organization: []string{"Wonderland"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parent, parentKey := template, any(key)
	if by != nil {
		parent, parentKey = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func thumbprint(certificate tls.Certificate) string {
	sum := sha256.Sum256(certificate.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mtlsServer is a server behind a TLS listener that asks for certificates.
type mtlsServer struct {
	*authztest.Server
	https *httptest.Server
}

func startMTLS(t *testing.T, c authz.Config, adjust func(m *client.Metadata)) *mtlsServer {
	t.Helper()
	s := &mtlsServer{Server: authztest.Start(t, c, adjust)}
	s.https = httptest.NewUnstartedServer(s.Server)
	s.https.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.https.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.https.StartTLS()
	t.Cleanup(s.https.Close)
	return s
}

// send sends a request over TLS with these certificates: none, or one.
func (s *mtlsServer) send(t *testing.T, request *http.Request, shown ...tls.Certificate) authztest.Response {
	t.Helper()
	transport := s.https.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = shown
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return authztest.Response{Status: response.StatusCode, Header: response.Header, Body: string(body)}
}

func (s *mtlsServer) post(t *testing.T, path string, form url.Values, shown ...tls.Certificate) authztest.Response {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.https.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = blackbox.FormHeader()
	return s.send(t, request, shown...)
}

// worker makes Worker a client that shows certificates.
func worker(method string, change func(m *client.Metadata)) func(m *client.Metadata) {
	return func(m *client.Metadata) {
		if m.ID == authztest.Worker {
			m.AuthMethod, m.Secret = method, ""
			change(m)
		}
	}
}

func workerForm() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {authztest.Worker}}
}

func rootsWith(authorities ...*authority) *x509.CertPool {
	roots := x509.NewCertPool()
	for _, a := range authorities {
		roots.AddCert(a.Leaf)
	}
	return roots
}

func TestRFC8705Section2_1_PKIMethod(t *testing.T) {
	t.Parallel()
	root, stranger := newAuthority(t, nil), newAuthority(t, nil)
	intermediate := newAuthority(t, root)
	named := func(c *x509.Certificate) { c.DNSNames = []string{"client.example.com"} }
	good := issue(t, root, named)
	longChain := issue(t, intermediate, named)
	longChain.Certificate = append(longChain.Certificate, intermediate.Certificate.Certificate...)
	also := func(change func(*x509.Certificate)) tls.Certificate {
		return issue(t, root, func(c *x509.Certificate) { named(c); change(c) })
	}
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{Roots: rootsWith(root)}}, worker(client.AuthTLS, func(m *client.Metadata) {
		m.TLSSubjectDNS = "client.example.com"
	}))
	for name, row := range map[string]struct {
		shown []tls.Certificate
		ok    bool
	}{
		"its certificate":                      {[]tls.Certificate{good}, true},
		"one by an intermediate authority":     {[]tls.Certificate{longChain}, true},
		"one whose intermediate is not sent":   {[]tls.Certificate{issue(t, intermediate, named)}, false},
		"none":                                 {nil, false},
		"one of another name":                  {[]tls.Certificate{issue(t, root, func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} })}, false},
		"one with the name as the common name": {[]tls.Certificate{issue(t, root, func(c *x509.Certificate) { c.Subject.CommonName = "client.example.com" })}, false},
		"one by a stranger":                    {[]tls.Certificate{issue(t, stranger, named)}, false},
		"a self-signed one":                    {[]tls.Certificate{issue(t, nil, named)}, false},
		"one by a client":                      {[]tls.Certificate{issue(t, &authority{good}, named)}, false},
		"an expired one":                       {[]tls.Certificate{also(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })}, false},
		"one that is not valid yet":            {[]tls.Certificate{also(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })}, false},
		"one for servers":                      {[]tls.Certificate{also(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, false},
	} {
		if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), row.shown...)); row.ok != (code == "") || !row.ok && code != "invalid_client" {
			t.Errorf("%s: %q", name, code)
		}
	}
	for name, change := range map[string]url.Values{
		"a secret":            {"client_secret": {authztest.Secret}},
		"another client's id": {"client_id": {authztest.Web}},
		"an unknown id":       {"client_id": {"nobody"}},
		"no id":               {"client_id": nil},
		"an assertion":        {"client_assertion_type": {authztest.AssertionType}, "client_assertion": {authztest.NewKey(t, jose.ES256).Assertion(t, authztest.Worker, s.URL)}},
	} {
		form := workerForm()
		maps.Copy(form, change)
		if code := blackbox.ErrorOf(t, s.post(t, "/token", form, good)); code != "invalid_client" {
			t.Errorf("with %s: %q", name, code)
		}
	}
}

func TestRFC8705Section2_1_2_SubjectDNOfACertificate(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, nil)
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{Roots: rootsWith(root)}}, worker(client.AuthTLS, func(m *client.Metadata) {
		m.TLSSubjectDN = "CN=client, O=Wonderland"
	}))
	if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), issue(t, root, nil))); code != "" {
		t.Errorf("its subject: %s", code)
	}
	for _, name := range []pkix.Name{{CommonName: "client"}, {CommonName: "client", Organization: []string{"Looking-Glass"}}, {CommonName: "client", Organization: []string{"Wonderland"}, Country: []string{"GB"}}} {
		other := issue(t, root, func(c *x509.Certificate) { c.Subject = name })
		if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), other)); code != "invalid_client" {
			t.Errorf("%s: %q", name, code)
		}
	}
}

// keySet holds the keys of certificates, with them as x5c or without.
func keySet(t *testing.T, x5c bool, certificates ...tls.Certificate) client.JWKS {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, c := range certificates {
		key := jose.JSONWebKey{Key: c.Leaf.PublicKey}
		if x5c {
			key.Certificates = []*x509.Certificate{c.Leaf}
		}
		set.Keys = append(set.Keys, key)
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRFC8705Section2_2_SelfSignedMethod(t *testing.T) {
	t.Parallel()
	good, other := issue(t, nil, nil), issue(t, nil, nil)
	again := good // the same key in another certificate
	again.Certificate = [][]byte{reissue(t, good, time.Hour)}
	expired := good
	expired.Certificate = [][]byte{reissue(t, good, -time.Second)}
	for name, row := range map[string]struct {
		x5c, again bool
	}{"by its key": {false, true}, "by the whole certificate": {true, false}} {
		s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, worker(client.AuthSelfSignedTLS, func(m *client.Metadata) {
			m.JWKS = keySet(t, row.x5c, issue(t, nil, nil), good)
		}))
		for what, shown := range map[string]struct {
			certificate tls.Certificate
			ok          bool
		}{"registered": {good, true}, "another": {other, false}, "the same key": {again, row.again}, "expired": {expired, false}} {
			if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), shown.certificate)); shown.ok != (code == "") || !shown.ok && code != "invalid_client" {
				t.Errorf("%s, %s: %q", name, what, code)
			}
		}
		if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm())); code != "invalid_client" {
			t.Errorf("%s, none: %q", name, code)
		}
	}
}

// reissue signs another certificate for the key of a self-signed one.
func reissue(t *testing.T, c tls.Certificate, life time.Duration) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: c.Leaf.Subject, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, c.Leaf.PublicKey, c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A client changes its certificate by publishing the new one at its jwks_uri.
func TestRFC8705Section2_2_2_RotationAtTheJWKSURI(t *testing.T) {
	t.Parallel()
	first, second := issue(t, nil, nil), issue(t, nil, nil)
	keys := serveKeys(t)
	publish := func(c tls.Certificate) { set := keySet(t, true, c); keys.set.Store(&set) }
	publish(first)
	config := authz.Config{MTLS: &clientauth.MTLS{}, Outbound: blackbox.Loopback()}
	s := startMTLS(t, config, worker(client.AuthSelfSignedTLS, func(m *client.Metadata) { m.JWKSURI = keys.URL }))
	if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), first)); code != "" {
		t.Errorf("the first: %s", code)
	}
	publish(second)
	if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), second)); code != "" {
		t.Errorf("the second: %s", code)
	}
	if code := blackbox.ErrorOf(t, s.post(t, "/token", workerForm(), first)); code != "invalid_client" {
		t.Errorf("the first, withdrawn: %q", code)
	}
}

// bound makes every client bind its tokens to certificates.
func bound(m *client.Metadata) { m.TLSBound = m.Profile == "" }

func (s *mtlsServer) tokens(t *testing.T, form url.Values, shown ...tls.Certificate) authztest.Tokens {
	t.Helper()
	response := s.post(t, "/token", form, shown...)
	var tokens authztest.Tokens
	response.JSON(t, &tokens)
	tokens.Status = response.Status
	return tokens
}

// codeForm is a code of Alice's for the public client, ready to be redeemed.
func (s *mtlsServer) codeForm(t *testing.T) url.Values {
	t.Helper()
	code, verifier := s.NewBrowser(t).Code(t, authztest.SPA, nil)
	form := authztest.CodeForm(code, verifier)
	form.Set("client_id", authztest.SPA)
	return form
}

// An access token is of use only to who holds the certificate that it was issued to.
func TestRFC8705Section3_BoundAccessTokens(t *testing.T) {
	t.Parallel()
	mine, other := issue(t, nil, nil), issue(t, nil, nil)
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, bound)
	form := s.codeForm(t)
	if got := s.tokens(t, form); got.Status != http.StatusBadRequest || got.Error != "invalid_request" {
		t.Errorf("without a certificate: %d %s", got.Status, got.Error)
	}
	tokens := s.tokens(t, form, mine) // the code is as good as before
	if tokens.Status != http.StatusOK || tokens.TokenType != "Bearer" {
		t.Fatalf("%+v", tokens)
	}
	cnf, _ := blackbox.Claims(t, tokens.AccessToken)["cnf"].(map[string]any)
	if len(cnf) != 1 || cnf["x5t#S256"] != thumbprint(mine) {
		t.Errorf("cnf %v, want the thumbprint %s", cnf, thumbprint(mine))
	}
	for _, path := range []string{"/userinfo", "/session"} {
		for name, row := range map[string]struct {
			shown  []tls.Certificate
			status int
		}{"mine": {[]tls.Certificate{mine}, 200}, "another": {[]tls.Certificate{other}, 401}, "none": {nil, 401}} {
			request, err := http.NewRequest(http.MethodGet, s.https.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
			response := s.send(t, request, row.shown...)
			if response.Status != row.status || row.status == 401 && !strings.Contains(response.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s with %s: %d %s", path, name, response.Status, response.Header.Get("WWW-Authenticate"))
			}
		}
	}
}

// RFC 8705 section 4: the refresh token of a public client is bound to its certificate too. Others
// prove who they are at each refresh, and their next access token is bound to what they show then
// (section 6.3).
func TestRFC8705Section4_PublicClients(t *testing.T) {
	t.Parallel()
	mine, other := issue(t, nil, nil), issue(t, nil, nil)
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, bound)
	tokens := s.tokens(t, s.codeForm(t), mine)
	refresh := authztest.RefreshForm(tokens.RefreshToken)
	refresh.Set("client_id", authztest.SPA)
	if got := s.tokens(t, refresh, other); got.Status != http.StatusBadRequest || got.Error != "invalid_grant" {
		t.Errorf("with another certificate: %d %s", got.Status, got.Error)
	}
	if got := s.tokens(t, refresh); got.Status != http.StatusBadRequest || got.Error != "invalid_request" {
		t.Errorf("without a certificate: %d %s", got.Status, got.Error)
	}
	got := s.tokens(t, refresh, mine)
	if cnf, _ := blackbox.Claims(t, got.AccessToken)["cnf"].(map[string]any); got.Status != http.StatusOK || cnf["x5t#S256"] != thumbprint(mine) {
		t.Errorf("with its certificate: %d %s, cnf %v", got.Status, got.Error, cnf)
	}
}

func TestRFC8705Section6_3_ConfidentialClientsChangeCertificates(t *testing.T) {
	t.Parallel()
	first, second := issue(t, nil, nil), issue(t, nil, nil)
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, func(m *client.Metadata) {
		bound(m)
		if m.ID == authztest.Web {
			m.AuthMethod = client.AuthPost
		}
	})
	code, verifier := s.NewBrowser(t).Code(t, authztest.Web, nil)
	form := authztest.CodeForm(code, verifier)
	form.Set("client_id", authztest.Web)
	form.Set("client_secret", authztest.Secret)
	tokens := s.tokens(t, form, first)
	refresh := authztest.RefreshForm(tokens.RefreshToken)
	refresh.Set("client_id", authztest.Web)
	refresh.Set("client_secret", authztest.Secret)
	got := s.tokens(t, refresh, second)
	if cnf, _ := blackbox.Claims(t, got.AccessToken)["cnf"].(map[string]any); got.Status != http.StatusOK || cnf["x5t#S256"] != thumbprint(second) {
		t.Errorf("%d %s, cnf %v", got.Status, got.Error, cnf)
	}
}

// RFC 8705 section 3.2: introspection tells what a token is bound to.
func TestRFC8705Section3_2_Introspection(t *testing.T) {
	t.Parallel()
	mine := issue(t, nil, nil)
	s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, bound)
	form := workerForm()
	form.Set("client_secret", authztest.Secret)
	s2 := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{}}, func(m *client.Metadata) {
		bound(m)
		if m.ID == authztest.Worker {
			m.AuthMethod = client.AuthPost
		}
	})
	if code := blackbox.ErrorOf(t, s.post(t, "/token", form, mine)); code != "invalid_client" {
		t.Errorf("another method than the registered one: %q", code)
	}
	tokens := s2.tokens(t, form, mine)
	response := s2.post(t, "/introspect", url.Values{"client_id": {authztest.Worker}, "client_secret": {authztest.Secret}, "token": {tokens.AccessToken}}, issue(t, nil, nil))
	var answer struct {
		Active       bool              `json:"active"`
		Confirmation map[string]string `json:"cnf"`
	}
	response.JSON(t, &answer)
	if !answer.Active || answer.Confirmation["x5t#S256"] != thumbprint(mine) {
		t.Errorf("%d %s", response.Status, response.Body)
	}
}

// RFC 8705 sections 3.3 and 5, and RFC 8414 section 2.
func TestRFC8705Section5_Metadata(t *testing.T) {
	t.Parallel()
	document := func(m *clientauth.MTLS) map[string]any {
		s := authztest.Start(t, authz.Config{Issuer: "https://id.example.com/auth", MTLS: m}, nil)
		var members map[string]any
		if err := json.Unmarshal(blackbox.GetFrom(s, "/auth/.well-known/openid-configuration").Body.Bytes(), &members); err != nil {
			t.Fatal(err)
		}
		return members
	}
	methods := func(members map[string]any) string {
		return toJSON(t, members["token_endpoint_auth_methods_supported"])
	}
	off := document(nil)
	if off["tls_client_certificate_bound_access_tokens"] != nil || off["mtls_endpoint_aliases"] != nil || strings.Contains(methods(off), "tls") {
		t.Errorf("without certificates: %v", off)
	}
	selfSigned := document(&clientauth.MTLS{})
	if selfSigned["tls_client_certificate_bound_access_tokens"] != true || strings.Contains(methods(selfSigned), `"tls_client_auth"`) || !strings.Contains(methods(selfSigned), `"self_signed_tls_client_auth"`) {
		t.Errorf("without authorities: %v", selfSigned)
	}
	on := document(&clientauth.MTLS{Roots: x509.NewCertPool(), URL: "https://mtls.example.com"})
	aliases, _ := on["mtls_endpoint_aliases"].(map[string]any)
	if aliases["token_endpoint"] != "https://mtls.example.com/auth/token" || aliases["userinfo_endpoint"] != "https://mtls.example.com/auth/userinfo" || aliases["authorization_endpoint"] != nil {
		t.Errorf("aliases %v", aliases)
	}
	if !strings.Contains(methods(on), `"tls_client_auth"`) {
		t.Errorf("methods %s", methods(on))
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A setting that could never work is found at the start, not at the first login.
func TestMTLSConfiguration(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Metadata{ID: "a", AuthMethod: client.AuthTLS, TLSSubjectDNS: "a.example"})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := client.NewRegistry(c)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.NewSecret(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	for name, m := range map[string]*clientauth.MTLS{
		"plain http": {Roots: authorities, URL: "http://mtls.example.com"}, "a path": {Roots: authorities, URL: "https://mtls.example.com/"},
		"no host": {Roots: authorities, URL: "https://"}, "a header from nobody": {Roots: authorities, Header: "Client-Cert"},
		"no authorities for client a": {}, "nothing for client a": nil,
	} {
		if _, err := authz.New(t.Context(), authz.Config{Issuer: "https://id.example.com", Clients: registry, Secret: secret, MTLS: m}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// forwarded are the forms in which a proxy passes a certificate on.
func forwarded(c tls.Certificate) map[string]string {
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	return map[string]string{
		"RFC 9440": ":" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":",
		"nginx":    strings.ReplaceAll(url.QueryEscape(block), "+", "%20"),
	}
}

// RFC 9440 section 2: a proxy that ends TLS passes the certificate on, and nobody else may say what
// the client's certificate is.
func TestRFC9440Section2_ForwardedCertificate(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, nil)
	intermediate := newAuthority(t, root)
	good, proxy := issue(t, root, nil), issue(t, root, nil)
	deep := issue(t, intermediate, nil)
	adjust := worker(client.AuthTLS, func(m *client.Metadata) { m.TLSSubjectDN = "CN=client,O=Wonderland" })
	config := authz.Config{
		MTLS:           &clientauth.MTLS{Roots: rootsWith(root), Header: "Client-Cert"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	behind := startMTLS(t, config, adjust)
	config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	direct := startMTLS(t, config, adjust)
	ask := func(s *mtlsServer, header http.Header, shown ...tls.Certificate) string {
		request, err := http.NewRequest(http.MethodPost, s.https.URL+"/token", strings.NewReader(workerForm().Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = blackbox.FormHeader()
		maps.Copy(request.Header, header)
		return blackbox.ErrorOf(t, s.send(t, request, shown...))
	}
	for form, text := range forwarded(good) {
		if code := ask(behind, http.Header{"Client-Cert": {text}}); code != "" {
			t.Errorf("%s from the proxy: %s", form, code)
		}
		if code := ask(behind, http.Header{"Client-Cert": {text}}, proxy); code != "" {
			t.Errorf("%s from a proxy with a certificate of its own: %s", form, code)
		}
		if code := ask(direct, http.Header{"Client-Cert": {text}}); code != "invalid_client" {
			t.Errorf("%s from anybody: %q", form, code)
		}
		if code := ask(direct, http.Header{"Client-Cert": {text}}, issue(t, nil, nil)); code != "invalid_client" {
			t.Errorf("%s from anybody with another certificate: %q", form, code)
		}
		if code := ask(behind, http.Header{"Client-Cert": {text, text}}); code != "invalid_client" {
			t.Errorf("%s twice: %q", form, code)
		}
	}
	chain := forwarded(intermediate.Certificate)["RFC 9440"]
	if code := ask(behind, http.Header{"Client-Cert": {forwarded(deep)["RFC 9440"]}, "Client-Cert-Chain": {chain}}); code != "" {
		t.Errorf("with its chain: %s", code)
	}
	for _, text := range []string{"", ":", "::", ":!:", ":AAAA:", "AAAA", "-----BEGIN CERTIFICATE-----", "%zz", forwarded(good)["RFC 9440"] + ", " + chain, forwarded(good)["nginx"] + forwarded(deep)["nginx"]} {
		if code := ask(behind, http.Header{"Client-Cert": {text}}); code != "invalid_client" {
			t.Errorf("%.40q: %q", text, code)
		}
	}
	if code := ask(behind, nil, good); code != "invalid_client" {
		t.Errorf("the proxy's certificate for the client's: %q", code)
	}
	if code := ask(direct, nil, good); code != "" {
		t.Errorf("past the proxy: %s", code)
	}
}

// Items 5 and 6: mutual TLS in place of both private_key_jwt and DPoP, or of one of them.
func TestFAPI2SecurityProfileSection5_3_2_1_5_MutualTLS(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, nil)
	mine := issue(t, root, func(c *x509.Certificate) { c.DNSNames = []string{"fapi.example.com"} })
	thief := issue(t, root, func(c *x509.Certificate) { c.DNSNames = []string{"thief.example.com"} })
	for name, change := range map[string]func(m *client.Metadata){
		"tls_client_auth": func(m *client.Metadata) {
			m.AuthMethod, m.JWKS, m.TLSSubjectDNS = client.AuthTLS, nil, "fapi.example.com"
		},
		"private_key_jwt": func(*client.Metadata) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := startMTLS(t, authz.Config{MTLS: &clientauth.MTLS{Roots: rootsWith(root)}}, func(m *client.Metadata) {
				if m.ID == authztest.FAPI {
					change(m)
					m.TLSBound = true
				}
			})
			app := s.NewApp(t)
			proven := func(form url.Values) url.Values {
				if form.Set("client_id", app.ClientID); name == "private_key_jwt" {
					return app.Authenticate(t, form)
				}
				return form
			}
			verifier, challenge := authztest.PKCE()
			requestURI := blackbox.RequestURI(t, s.post(t, "/par", proven(authztest.Request(app.ClientID, url.Values{"code_challenge": {challenge}})), mine))
			code := blackbox.OpenPushed(t, app, s.NewBrowser(t), requestURI, nil).Params.Get("code")
			form := authztest.CodeForm(code, verifier)
			blackbox.WantTokenError(t, "without a certificate", s.tokens(t, proven(form)), "invalid_client", "invalid_request")
			tokens := s.tokens(t, proven(form), mine)
			if cnf, _ := blackbox.Claims(t, tokens.AccessToken)["cnf"].(map[string]any); tokens.Status != http.StatusOK || len(cnf) != 1 || cnf["x5t#S256"] != thumbprint(mine) {
				t.Fatalf("%d %s, cnf %v", tokens.Status, tokens.Description, cnf)
			}
			for _, row := range []struct {
				shown  []tls.Certificate
				status int
			}{{[]tls.Certificate{mine}, http.StatusOK}, {[]tls.Certificate{thief}, http.StatusUnauthorized}, {nil, http.StatusUnauthorized}} {
				r, err := http.NewRequest(http.MethodGet, s.https.URL+"/userinfo", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
				if response := s.send(t, r, row.shown...); response.Status != row.status {
					t.Errorf("userinfo with %d certificates: %d, want %d", len(row.shown), response.Status, row.status)
				}
			}
			refresh := proven(authztest.RefreshForm(tokens.RefreshToken))
			blackbox.WantTokenError(t, "a refresh without a certificate", s.tokens(t, refresh), "invalid_client", "invalid_request")
			if again := s.tokens(t, proven(authztest.RefreshForm(tokens.RefreshToken)), mine); again.Status != http.StatusOK || again.RefreshToken != "" && again.RefreshToken != tokens.RefreshToken {
				t.Errorf("refresh: %d %s", again.Status, again.Description)
			}
		})
	}
}
