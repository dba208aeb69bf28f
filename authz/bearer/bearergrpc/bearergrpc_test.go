package bearergrpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/authzd/authzd/authz/bearer"
	"github.com/authzd/authzd/authz/bearer/bearergrpc"
	"github.com/authzd/authzd/authz/revocation"
)

const audience = "https://api.example.com"

// issuer stands for authzd: metadata, keys, and a revocation feed without long polls.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	entries []revocation.Entry
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	is, mux := &issuer{key: newKey(t)}, http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": is.URL, "jwks_uri": is.URL + "/jwks.json", "authzd_revocations_endpoint": is.URL + "/revocations",
		})
	})
	mux.HandleFunc("/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: is.key.Public(), KeyID: "1", Use: "sig"}}})
	})
	mux.HandleFunc("/revocations", func(w http.ResponseWriter, _ *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		now := time.Now().Unix()
		d := revocation.Document{Issuer: is.URL, IssuedAt: now, Expires: now + 60, Epoch: "e", Seq: uint64(len(is.entries)), Window: time.Hour, Entries: is.entries}
		_, _ = io.WriteString(w, is.sign(t, revocation.Type, d.Claims()))
	})
	is.Server = httptest.NewServer(mux)
	t.Cleanup(is.Close)
	return is
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (is *issuer) sign(t *testing.T, typ string, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: is.key},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (is *issuer) token(t *testing.T, more map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": is.URL, "aud": audience, "sub": "alice", "client_id": "spa", "jti": "1", "gid": "g1",
		"iat": now, "exp": now + 900, "scope": "orders.read orders.write", "roles": []string{"admin"},
	}
	for name, value := range more {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return is.sign(t, "at+jwt", payload)
}

// service answers with the caller's name, which the health protocol has no room for: it is in the header.
type service struct {
	healthpb.UnimplementedHealthServer
	calls chan string   // the callers that came in
	stuck chan struct{} // Watch listens to nobody until it is closed; nil: it listens
}

func (s *service) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	p, ok := bearer.FromContext(ctx)
	if !ok {
		p = &bearer.Principal{Subject: "anybody"}
	}
	s.calls <- p.Subject
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (s *service) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	p, _ := bearer.FromContext(stream.Context())
	s.calls <- p.Subject
	if err := stream.Send(&healthpb.HealthCheckResponse{}); err != nil {
		return err
	}
	if s.stuck != nil {
		<-s.stuck
		if stream.Send(&healthpb.HealthCheckResponse{}) == nil {
			s.calls <- "sent after the end"
		}
		s.calls <- "woke up"
		return nil
	}
	if p.Subject == "panic" {
		panic("MARKER")
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// start runs a server with the rules, and returns a client of it.
func start(t *testing.T, cfg bearergrpc.Config, s *service, serverTLS, clientTLS *tls.Config) healthpb.HealthClient {
	t.Helper()
	i, err := bearergrpc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	recovered := func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() {
			if recover() != nil {
				err = status.Error(codes.Internal, "recovered")
			}
		}()
		return handler(srv, stream)
	}
	options := []grpc.ServerOption{grpc.UnaryInterceptor(i.Unary), grpc.ChainStreamInterceptor(recovered, i.Stream)}
	client := insecure.NewCredentials()
	if serverTLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(serverTLS)))
		client = credentials.NewTLS(clientTLS)
	}
	server, listener := grpc.NewServer(options...), bufconn.Listen(1<<20)
	healthpb.RegisterHealthServer(server, s)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:api", grpc.WithTransportCredentials(client),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func verifier(t *testing.T, is *issuer, change ...func(*bearer.Config)) *bearer.Verifier {
	t.Helper()
	cfg := bearer.Config{Issuer: is.URL, Audience: audience, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	v, err := bearer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func with(ctx context.Context, authorization ...string) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": authorization})
}

func TestUnary(t *testing.T) {
	t.Parallel()
	is, other := newIssuer(t), newIssuer(t)
	v := verifier(t, is)
	for name, test := range map[string]struct {
		rules         map[string]bearergrpc.Rule
		authorization []string
		code          codes.Code
		caller        string
	}{
		"good":               {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + is.token(t, nil)}, codes.OK, "alice"},
		"scheme in any case": {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"bearer  " + is.token(t, nil)}, codes.OK, "alice"},
		"rule of the service": {map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {Scopes: []string{"orders.read", "orders.write"}, Roles: []string{"owner", "admin"}}},
			[]string{"Bearer " + is.token(t, nil)}, codes.OK, "alice"},
		"the method's rule comes first": {map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {Anonymous: true}, healthpb.Health_Check_FullMethodName: {Roles: []string{"owner"}}},
			[]string{"Bearer " + is.token(t, nil)}, codes.PermissionDenied, ""},
		"anonymous":             {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {Anonymous: true}}, nil, codes.OK, "anybody"},
		"anonymous, bad token":  {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {Anonymous: true}}, []string{"Bearer x"}, codes.OK, "anybody"},
		"no rule":               {nil, []string{"Bearer " + is.token(t, nil)}, codes.PermissionDenied, ""},
		"rule of another":       {map[string]bearergrpc.Rule{healthpb.Health_Watch_FullMethodName: {}, "/grpc.health.v1/": {}}, []string{"Bearer " + is.token(t, nil)}, codes.PermissionDenied, ""},
		"no token":              {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, nil, codes.Unauthenticated, ""},
		"empty":                 {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{""}, codes.Unauthenticated, ""},
		"scheme alone":          {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer "}, codes.Unauthenticated, ""},
		"another scheme":        {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Basic YWxpY2U6ZGVtbw=="}, codes.Unauthenticated, ""},
		"twice":                 {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + is.token(t, nil), "Bearer x"}, codes.Unauthenticated, ""},
		"garbage":               {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer MARKER"}, codes.Unauthenticated, ""},
		"another issuer's":      {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + other.token(t, nil)}, codes.Unauthenticated, ""},
		"expired":               {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + is.token(t, map[string]any{"exp": time.Now().Unix() - 60})}, codes.Unauthenticated, ""},
		"a scope short":         {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {Scopes: []string{"orders.read", "orders.admin"}}}, []string{"Bearer " + is.token(t, nil)}, codes.PermissionDenied, ""},
		"no such role":          {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {Roles: []string{"owner"}}}, []string{"Bearer " + is.token(t, nil)}, codes.PermissionDenied, ""},
		"bound to a DPoP key":   {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + is.token(t, map[string]any{"cnf": map[string]string{"jkt": "x"}})}, codes.Unauthenticated, ""},
		"bound to certificate":  {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"Bearer " + is.token(t, map[string]any{"cnf": map[string]string{"x5t#S256": "x"}})}, codes.Unauthenticated, ""},
		"with a header of HTTP": {map[string]bearergrpc.Rule{healthpb.Health_Check_FullMethodName: {}}, []string{"DPoP " + is.token(t, nil)}, codes.Unauthenticated, ""},
	} {
		s := &service{calls: make(chan string, 1)}
		client := start(t, bearergrpc.Config{Verifier: v, Methods: test.rules}, s, nil, nil)
		ctx := t.Context()
		if test.authorization != nil {
			ctx = with(ctx, test.authorization...)
		}
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		if got := status.Convert(err); got.Code() != test.code || strings.Contains(got.Message(), "MARKER") {
			t.Errorf("%s: %v, want %v", name, err, test.code)
		}
		select {
		case caller := <-s.calls:
			if caller != test.caller {
				t.Errorf("%s: came in as %s", name, caller)
			}
		default:
			if test.caller != "" {
				t.Errorf("%s: did not come in", name)
			}
		}
	}
}

// While no key is available, a good token must not be thrown away.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	token := is.token(t, nil)
	is.Close()
	s := &service{calls: make(chan string, 1)}
	client := start(t, bearergrpc.Config{Verifier: verifier(t, is), Methods: map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {}}}, s, nil, nil)
	_, err := client.Check(with(t.Context(), "Bearer "+token), &healthpb.HealthCheckRequest{})
	if got := status.Convert(err); got.Code() != codes.Unavailable || strings.Contains(got.Message(), "127.0.0.1") {
		t.Error(err)
	}
}

// With DPoP.Required nothing is accepted here: there is no proof for a gRPC call.
func TestDPoPRequired(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	v := verifier(t, is, func(c *bearer.Config) { c.DPoP.Required = true })
	client := start(t, bearergrpc.Config{Verifier: v, Methods: map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {}}}, &service{}, nil, nil)
	if _, err := client.Check(with(t.Context(), "Bearer "+is.token(t, nil)), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
}

// A token that is bound to a certificate works for its holder alone (RFC 8705 section 3).
func TestCertificateBoundToken(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	server, client, thief := newCertificate(t), newCertificate(t), newCertificate(t)
	sum := sha256.Sum256(client.Certificate[0])
	bound := is.token(t, map[string]any{"cnf": map[string]string{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	roots := x509.NewCertPool()
	roots.AddCert(server.Leaf)
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		code         codes.Code
	}{"holder": {[]tls.Certificate{client}, codes.OK}, "thief": {[]tls.Certificate{thief}, codes.Unauthenticated}, "nobody": {nil, codes.Unauthenticated}} {
		s := &service{calls: make(chan string, 1)}
		c := start(t, bearergrpc.Config{Verifier: verifier(t, is), Methods: map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {}}}, s,
			&tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert},
			&tls.Config{RootCAs: roots, ServerName: "api", Certificates: test.certificates})
		if _, err := c.Check(with(t.Context(), "Bearer "+bound), &healthpb.HealthCheckRequest{}); status.Code(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api"}, DNSNames: []string{"api"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// A stream ends with its token, whether its handler listens or not.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stuck   bool
		lives   time.Duration // of the token
		revoke  bool
		message string
	}{
		"at exp":              {false, 2 * time.Second, false, "expired"},
		"by the feed":         {false, time.Hour, true, "revoked"},
		"by the feed, stuck ": {true, time.Hour, true, "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is := newIssuer(t)
			f, err := bearer.NewFollower(bearer.FollowerConfig{Issuer: is.URL, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- f.Run(ctx) }()
			s := &service{calls: make(chan string, 8)}
			if test.stuck {
				s.stuck = make(chan struct{})
			}
			v := verifier(t, is, func(c *bearer.Config) { c.Revocations = f })
			client := start(t, bearergrpc.Config{Verifier: v, Methods: map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {}}}, s, nil, nil)

			token := is.token(t, map[string]any{"exp": time.Now().Add(test.lives).Unix()})
			stream, err := client.Watch(with(t.Context(), "Bearer "+token), &healthpb.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if test.revoke {
				is.mu.Lock()
				is.entries = append(is.entries, revocation.Entry{Kind: revocation.Grant, ID: revocation.Hash(revocation.Grant, is.URL, "g1")})
				is.mu.Unlock()
			}
			_, err = stream.Recv()
			if got := status.Convert(err); got.Code() != codes.Unauthenticated || !strings.Contains(got.Message(), test.message) {
				t.Errorf("%v", err)
			}
			if took := time.Since(begun); took > 20*time.Second { // 4.5 s, a poll each two and the grace, on a machine that is not busy
				t.Errorf("after %v", took)
			}
			if test.stuck {
				close(s.stuck)
				<-s.calls
				if got := <-s.calls; got != "woke up" {
					t.Error(got)
				}
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// A client that goes, and a handler that panics.
func TestStreamOfOthers(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	s := &service{calls: make(chan string, 8)}
	client := start(t, bearergrpc.Config{Verifier: verifier(t, is), Methods: map[string]bearergrpc.Rule{"/grpc.health.v1.Health/": {}}}, s, nil, nil)
	open := func(ctx context.Context, sub string) error {
		stream, err := client.Watch(with(ctx, "Bearer "+is.token(t, map[string]any{"sub": sub})), &healthpb.HealthCheckRequest{})
		if err != nil {
			return err
		}
		for {
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- open(ctx, "alice") }()
	<-s.calls
	cancel()
	if err := <-gone; status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	if err := open(t.Context(), "panic"); status.Code(err) != codes.Internal {
		t.Error(err)
	}
	stream, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	v := verifier(t, newIssuer(t))
	for want, cfg := range map[string]bearergrpc.Config{
		"a Verifier is required": {},
		`"Check" must be`:        {Verifier: v, Methods: map[string]bearergrpc.Rule{"Check": {}}},
		`"/a/b/c" must be`:       {Verifier: v, Methods: map[string]bearergrpc.Rule{"/a/b/c": {}}},
		"is Anonymous, and":      {Verifier: v, Methods: map[string]bearergrpc.Rule{"/a/b": {Anonymous: true, Roles: []string{"x"}}}},
	} {
		if _, err := bearergrpc.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
