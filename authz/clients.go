package authz

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"sync"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// client finds a client, nil if there is none of that id: that of the operator's file, which costs
// nothing, then those made through the admin API, those that registered themselves, and those whose id is
// the URL of their metadata.
func (s *Server) client(ctx context.Context, id string) (*client.Client, error) {
	if c := s.config.Clients.Get(id); c != nil {
		return c, nil
	}
	if c, err := s.managed.get(ctx, id); c != nil || err != nil {
		return c, err
	}
	switch {
	case s.config.Documents && client.IsDocumentURL(id):
		return s.documentClient(ctx, id)
	case s.config.Registration.on() && len(id) == oauth.IDLength:
		return s.registered.get(ctx, id)
	}
	return nil, nil
}

// clientGone tells whether the search for a client ended with there being none that is usable.
func clientGone(c *client.Client, err error) bool {
	refused := new(oauth.Error)
	return err == nil && c == nil || errors.As(err, &refused) && refused.Code == oauth.InvalidClient
}

// clientAtHand finds a client for a page that waits for nobody's document, nil if that is not possible.
func (s *Server) clientAtHand(ctx context.Context, id string) (*client.Client, error) {
	if s.config.Clients.Get(id) == nil && client.IsDocumentURL(id) && !s.documents.Ready(id) {
		return nil, nil
	}
	c, err := s.client(ctx, id)
	if unusable := new(oauth.Error); errors.As(err, &unusable) {
		return nil, nil
	}
	return c, err
}

// admitsStrangers tells whether clients may turn up that the operator has not named.
func (c *Config) admitsStrangers() bool { return c.Registration.on() || c.Documents }

// offer is what such clients may have. Those of a source that proves nothing can't act on their own
// behalf, or on behalf of a user who is not there.
func (s *Server) offer(source client.Source) *client.Offer {
	o := &client.Offer{
		Source:      source,
		GrantTypes:  []string{client.GrantAuthorizationCode, client.GrantRefreshToken},
		AuthMethods: []string{client.AuthNone, client.AuthPrivateKeyJWT}, // there is no way to agree on a secret
		Scopes:      s.config.Registration.Scopes,
		Resources:   s.config.Registration.Resources,
		DetailTypes: s.resources.DetailTypes(s.config.Registration.Resources),
		Dev:         s.config.Dev,

		NativeSchemes: s.config.Registration.NativeSchemes,
		CheckURL:      s.outbound.CheckURL,
	}
	if slices.Contains(s.grantTypes, client.GrantDeviceCode) {
		o.GrantTypes = append(o.GrantTypes, client.GrantDeviceCode)
	}
	if source == client.Registered {
		o.AuthMethods = append(s.provingMethods(), client.AuthNone)
		if s.config.Registration.Mode == RegistrationToken {
			o.GrantTypes = append(o.GrantTypes, client.GrantClientCredentials)
		}
	}
	for _, alg := range s.algs {
		o.Algs = append(o.Algs, string(alg))
	}
	return o
}

// registeredClients are the clients that registered themselves. A record is read every time, so that
// what is deleted is gone at once, on every replica; what is saved is to check and make the client.
type registeredClients struct {
	store storage.Store
	offer *client.Offer
	made  madeClients
}

func newRegisteredClients(store storage.Store, offer *client.Offer) *registeredClients {
	return &registeredClients{store: store, offer: offer}
}

// Get returns nil if no client of this id is registered.
func (c *registeredClients) get(ctx context.Context, id string) (*client.Client, error) {
	record, version, err := storage.Clients.Get(ctx, c.store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	made, err := c.made.get(id, version, func() (*client.Client, error) { return c.make(id, record) })
	if err != nil {
		return nil, oauth.Refuse(oauth.InvalidClient, "The client was registered under other rules: it must register again.").Because(err)
	}
	return made, nil
}

func (c *registeredClients) make(id string, record *storage.Client) (*client.Client, error) {
	info, err := client.ParseRegistration(record.Metadata)
	if err != nil {
		return nil, err
	}
	var secretHash []byte
	if record.SecretHash != "" {
		if secretHash, err = base64.RawURLEncoding.DecodeString(record.SecretHash); err != nil {
			return nil, err
		}
	}
	return info.Registration.Client(id, secretHash, c.offer)
}

// maxMade bounds the clients that are kept made.
const maxMade = 1024

// madeClients keeps clients that were made of records. The zero value is empty and ready.
type madeClients struct {
	mu   sync.Mutex
	made map[string]madeClient // guarded by mu; by id
}

// madeClient is the client of one version of its record.
type madeClient struct {
	version uint64
	client  *client.Client
}

// Get returns the client of this version of a record, and makes it if it is not there.
func (c *madeClients) get(id string, version uint64, make func() (*client.Client, error)) (*client.Client, error) {
	c.mu.Lock()
	kept := c.made[id]
	c.mu.Unlock()
	if kept.version == version {
		return kept.client, nil
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.made) >= maxMade || c.made == nil {
		c.made = map[string]madeClient{}
	}
	c.made[id] = madeClient{version, made}
	return made, nil
}

// isClient reports whether a client has this id, without waiting for anybody's document.
func (s *Server) isClient(ctx context.Context, id string) bool {
	c, err := s.clientAtHand(ctx, id)
	return c != nil && err == nil
}
