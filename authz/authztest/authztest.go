// Package authztest runs a real authorization server on loopback for tests: ours, and those of
// applications that want to sign in without a deployment.
//
//	Start -> Server.URL is the issuer -> Browser signs in as Alice -> Token exchanges the code
//
// App does the same as FAPI 2.0 demands: it pushes its requests, signs to prove who it is, and binds its
// tokens to a key. Key makes assertions and proofs for any other client.
//
// The store is a bbolt file in the test's temporary folder, and nothing is mocked.
package authztest

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/authzd/authzd/authz"
	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/resource"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/storage/bolt"
)

// The defaults of every server; its Config can change them.
const (
	Username    = "alice"
	Password    = "correct horse battery staple"
	SPA         = "spa"     // public, first party
	ThirdParty  = "partner" // public, asks for consent
	Web         = "web"     // confidential, client_secret_basic
	Worker      = "worker"  // client credentials
	TV          = "tv"      // public, device_code, asks for consent
	FAPI        = "fapi"    // confidential, private_key_jwt, PAR, DPoP; see App
	Secret      = "a secret of the confidential clients"
	RedirectURI = "https://app.example.com/callback"
	LoggedOut   = "https://app.example.com/signed-out" // the post_logout_redirect_uri of those that have a RedirectURI
	API         = "https://api.example.com"
)

// Localhost is the Issuer of a Config for a server whose URL has the name of this machine and a free port. The default
// is its IP address, which can have no passkeys.
const Localhost = "http://localhost"

// passwordHash is a hash of Password as the server makes them: to hash it at each start would take longer than
// the rest of the start.
const passwordHash = "$argon2id$v=19$m=19456,t=2,p=1$EBI1rqdIkSi8Bv00SImyDQ$gxiMJ3mFnKT2OfGftHC+/mG3jyJBXR9BK4r8uKZOAE0"

// Server is a running authorization server. It stops with its test.
type Server struct {
	*authz.Server
	URL    string // the issuer
	Store  storage.Store
	Secret *keys.Secret

	Replicas []*authz.Server // all of them; Server is the first
}

// Start runs a server. Fields of c that are zero get defaults: a fresh store, Alice, the clients
// above, authzd's own lifetimes, and the test's log. adjust, if not nil, may change the clients beforehand.
func Start(t testing.TB, c authz.Config, adjust func(m *client.Metadata)) *Server {
	t.Helper()
	if c.Store == nil {
		c.Store = openStore(t)
	}
	return StartReplicas(t, c, adjust, slices.Repeat([]storage.Store{c.Store}, replicas(t))...)
}

// StartReplicas runs a server for each of the stores, which must be of the same database, and may be the
// same. Each request goes to the next server.
func StartReplicas(t testing.TB, c authz.Config, adjust func(m *client.Metadata), stores ...storage.Store) *Server {
	t.Helper()
	c.Store = stores[0]
	listener := httptest.NewUnstartedServer(nil)
	switch c.Issuer {
	case "":
		c.Issuer = "http://" + listener.Listener.Addr().String()
	case Localhost:
		c.Issuer = "http://" + net.JoinHostPort("localhost", strconv.Itoa(listener.Listener.Addr().(*net.TCPAddr).Port))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)) // seen if the test fails
	}
	if c.Secret == nil {
		c.Secret = newSecret(t)
	}
	if c.Clients == nil {
		c.Clients = newClients(t, adjust)
	}
	if c.Resources == nil {
		c.Resources = []resource.Resource{{URI: API, Name: "Orders API", Scopes: []string{"orders.read", "orders.write"}}}
	}
	if c.Users == nil {
		c.Users = []users.User{{
			Username: Username, Password: Password, Roles: []string{"admin"}, Groups: []string{"staff"},
			Name: "Alice Liddell", Email: "alice@example.com", EmailVerified: true,
		}}
	}
	c.Users = slices.Clone(c.Users)
	for i := range c.Users {
		if c.Users[i].Password == Password {
			c.Users[i].Password = passwordHash
		}
	}
	if c.Lifetimes == (authz.Lifetimes{}) {
		c.Lifetimes = authz.DefaultLifetimes
	}
	if c.Sessions == (authz.Sessions{}) {
		c.Sessions = authz.DefaultSessions
	}
	if c.Signing == (authz.Signing{}) {
		c.Signing = authz.DefaultSigning
		c.Signing.Alg = "ES256" // RSA keys take long to make
	}
	servers := startEach(t, c, stores)
	listener.Config.Handler = &roundRobin{servers: servers}
	listener.Start()
	t.Cleanup(listener.Close)
	for _, server := range servers {
		run(t, server)
	}
	return &Server{Server: servers[0], URL: c.Issuer, Store: c.Store, Secret: c.Secret, Replicas: servers}
}

// run does what the server does by itself, until the test ends.
func run(t testing.TB, server *authz.Server) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("run authorization server: %v", err)
		}
	})
}

func openStore(t testing.TB) storage.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "authzd.db"), bolt.Options{})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return store
}

func newSecret(t testing.TB) *keys.Secret {
	t.Helper()
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	secret, err := keys.NewSecret(raw)
	if err != nil {
		t.Fatalf("make secret: %v", err)
	}
	return secret
}

func newClients(t testing.TB, adjust func(m *client.Metadata)) *client.Registry {
	t.Helper()
	scopes := []string{"openid", "profile", "email", "offline_access", "groups", "orders.read", "orders.write"}
	code := []string{client.GrantAuthorizationCode, client.GrantRefreshToken}
	public := client.Metadata{
		AuthMethod: client.AuthNone, GrantTypes: code, Scopes: scopes, Resources: []string{API},
		RedirectURIs: []string{RedirectURI}, PostLogoutRedirectURIs: []string{LoggedOut}, RotateRefreshTokens: new(true),
	}
	spa, partner := public, public
	spa.ID, spa.FirstParty = SPA, true
	partner.ID, partner.Name = ThirdParty, "Partner App"
	web := client.Metadata{
		ID: Web, Secret: Secret, AuthMethod: client.AuthBasic, GrantTypes: code, Scopes: scopes,
		Resources: []string{API}, RedirectURIs: []string{RedirectURI}, PostLogoutRedirectURIs: []string{LoggedOut}, FirstParty: true, RequirePKCE: new(true),
	}
	worker := client.Metadata{
		ID: Worker, Secret: Secret, AuthMethod: client.AuthBasic, GrantTypes: []string{client.GrantClientCredentials},
		Scopes: []string{"orders.read"}, Resources: []string{API},
	}
	tv := public
	tv.ID, tv.Name, tv.RedirectURIs = TV, "TV App", nil
	tv.PostLogoutRedirectURIs = nil
	tv.GrantTypes = []string{client.GrantDeviceCode, client.GrantRefreshToken}
	var clients []*client.Client
	for _, m := range []client.Metadata{spa, partner, web, worker, tv, fapiClient(t, public)} {
		if adjust != nil {
			adjust(&m)
		}
		c, err := client.New(m)
		if err != nil {
			t.Fatalf("client %s: %v", m.ID, err)
		}
		clients = append(clients, c)
	}
	registry, err := client.NewRegistry(clients...)
	if err != nil {
		t.Fatalf("clients: %v", err)
	}
	return registry
}
