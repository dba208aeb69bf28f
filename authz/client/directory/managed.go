package directory

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/semaphore"

	"github.com/authzd/authzd/authz/client"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

// Managed finds the clients that the operator has made through the admin API. They are trusted like those of the
// configuration. Their records are read from the store each time, so that a change counts at once, on every
// replica.
type Managed struct {
	store  storage.Store
	server *client.Server // the rules for their metadata; nil: there are no managed clients
	use    func(context.Context, keys.Use) error
	made   madeClients

	reading *semaphore.Weighted   // one reading of needs at a time
	needs   atomic.Pointer[Needs] // nil: not read yet
	silent  atomic.Int64          // Unix time in ms until which Known does not ask the store; 0: it answers
}

// Needs is what all managed clients together need of the server. It is never changed.
type Needs struct {
	version       uint64                    // of the record that is written with each change; 0: there was no change yet
	Algs          []jose.SignatureAlgorithm // of their tokens
	GrantTypes    []string
	Origins       map[string]bool // that may call by CORS
	Token         time.Duration   // the longest lifetime of an access token or ID token
	RefreshToken  time.Duration   // the longest lifetime of a grant
	RefreshGrace  time.Duration   // the longest time in which a rotated refresh token may be sent again
	OnAccountPage []string        // ids of the clients that the account page lists
}

// noNeeds is the Needs of no clients.
var noNeeds = &Needs{}

// ManagedID matches the ids that a managed client can have: they are safe in a path, and are no URLs.
var ManagedID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,199}$`)

// get returns the managed client of an id, nil if there is none.
func (m *Managed) get(ctx context.Context, id string) (*client.Client, error) {
	if m.server == nil || !ManagedID.MatchString(id) {
		return nil, nil
	}
	record, version, err := storage.ManagedClients.Get(ctx, m.store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return m.made.get(id, version, func() (*client.Client, error) {
		made, err := m.Make(record)
		if err != nil {
			return nil, oauth.Refuse(oauth.InvalidClient, "The client breaks a rule of the present configuration: its operator must mend it.").Because(err)
		}
		return made, m.use(ctx, UseOf(&record.Needs))
	})
}

// Complete returns the metadata of a record with all defaults filled in. The error says everything that is wrong with
// them: the configuration may have changed.
func (m *Managed) Complete(record *storage.ManagedClient) (client.Metadata, error) {
	var metadata client.Metadata
	if err := json.Unmarshal(record.Metadata, &metadata); err != nil {
		return metadata, fmt.Errorf("decode client metadata: %w", err)
	}
	return metadata, metadata.Manage(m.server).Err()
}

// Make returns the client of a record. The error says what is wrong under the present configuration.
func (m *Managed) Make(record *storage.ManagedClient) (*client.Client, error) {
	metadata, err := m.Complete(record)
	if err != nil {
		return nil, err
	}
	metadata.Since = record.Since
	for _, s := range record.Secrets {
		hash, err := base64.RawURLEncoding.DecodeString(s.Hash)
		if err != nil {
			return nil, fmt.Errorf("secret of client %s: %w", metadata.ID, err)
		}
		secret := client.Secret{Hash: hash}
		if !s.ExpiresAt.IsZero() {
			secret.ExpiresAt = &s.ExpiresAt
		}
		metadata.Secrets = append(metadata.Secrets, secret)
	}
	return client.New(metadata)
}

// NeedsOf returns what a client needs of the server.
func NeedsOf(c *client.Client) storage.ClientNeeds {
	n := storage.ClientNeeds{
		GrantTypes: c.GrantTypes, Origins: c.AllowedOrigins, OnAccountPage: c.OnAccountPage(),
		Token:        max(c.AccessTokenLifetime, c.IDTokenLifetime).Seconds(),
		RefreshToken: c.RefreshTokenLifetime.Seconds(),
	}
	if c.RefreshGrace != nil {
		n.RefreshGrace = c.RefreshGrace.Seconds()
	}
	for _, alg := range c.Algs() {
		if alg != "" && !slices.Contains(n.Algs, alg) {
			n.Algs = append(n.Algs, alg)
		}
	}
	return n
}

// UseOf returns what a client needs of the signing keys.
func UseOf(n *storage.ClientNeeds) keys.Use {
	u := keys.Use{Retain: time.Duration(n.Token)*time.Second + oauth.ClockSkew}
	for _, alg := range n.Algs {
		u.Algs = append(u.Algs, jose.SignatureAlgorithm(alg))
	}
	return u
}

// All returns what all managed clients need. It reads their records again if one has changed.
func (m *Managed) All(ctx context.Context) (*Needs, error) {
	if m.server == nil {
		return noNeeds, nil
	}
	_, version, err := storage.ClientChanges.Get(ctx, m.store, changeOfManaged)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if needs := m.needs.Load(); needs != nil && needs.version == version {
		return needs, nil
	}
	if err := m.reading.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer m.reading.Release(1)
	if needs := m.needs.Load(); needs != nil && needs.version == version {
		return needs, nil
	}
	needs, err := m.read(ctx, version)
	if err != nil {
		return nil, err
	}
	m.needs.Store(needs)
	return needs, nil
}

const (
	// firstPatience is how long Known waits for the store, and nextPatience how long once it has waited in vain.
	firstPatience, nextPatience = 500 * time.Millisecond, 50 * time.Millisecond
	// silence is how long Known does not ask the store once it has waited in vain.
	silence = time.Second
)

// Known is All for answers that may be a little old: if the store does not answer, it returns the result of the
// last reading. Only the first callers wait for the store.
func (m *Managed) Known(ctx context.Context) *Needs {
	if m.server == nil {
		return noNeeds
	}
	last := m.Last()
	patience, until := firstPatience, m.silent.Load()
	switch now := time.Now().UnixMilli(); {
	case until > now:
		return last
	case until > 0:
		patience = nextPatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	needs, err := m.All(ctx)
	switch {
	case err == nil:
		if until > 0 {
			m.silent.CompareAndSwap(until, 0)
		}
		return needs
	case !errors.Is(context.Cause(ctx), context.Canceled): // the caller has not gone
		m.silent.Store(time.Now().Add(silence).UnixMilli())
	}
	return last
}

// Last is what they needed when that was read last. It costs nothing.
func (m *Managed) Last() *Needs {
	if last := m.needs.Load(); last != nil {
		return last
	}
	return noNeeds
}

func (m *Managed) read(ctx context.Context, version uint64) (*Needs, error) {
	all := &Needs{version: version, Origins: map[string]bool{}}
	for entry, err := range storage.ManagedClients.All(ctx, m.store, "") {
		if err != nil {
			return nil, err
		}
		all.add(entry.Key, &entry.Value.Needs)
	}
	return all, nil
}

func (n *Needs) add(id string, of *storage.ClientNeeds) {
	for _, alg := range UseOf(of).Algs {
		if !slices.Contains(n.Algs, alg) {
			n.Algs = append(n.Algs, alg)
		}
	}
	for _, grantType := range of.GrantTypes {
		if !slices.Contains(n.GrantTypes, grantType) {
			n.GrantTypes = append(n.GrantTypes, grantType)
		}
	}
	for _, origin := range of.Origins {
		n.Origins[origin] = true
	}
	n.Token = max(n.Token, time.Duration(of.Token)*time.Second)
	n.RefreshToken = max(n.RefreshToken, time.Duration(of.RefreshToken)*time.Second)
	n.RefreshGrace = max(n.RefreshGrace, cmp.Or(time.Duration(of.RefreshGrace)*time.Second, untoldGrace))
	if of.OnAccountPage {
		n.OnAccountPage = append(n.OnAccountPage, id)
	}
}

// untoldGrace is assumed if the refresh_grace of a record is absent or 0. It is the longest default, that of a
// native app.
const untoldGrace = 24 * time.Hour

// changeOfManaged is the key of the record that every change of a managed client writes.
const changeOfManaged = "managed"

// Changed returns that write. Make it in the Apply of each change.
func (m *Managed) Changed() storage.Write {
	return storage.ClientChanges.Put(changeOfManaged, &storage.ClientChange{}, storage.Any, time.Time{})
}

// NewManaged returns a Managed. server has the rules for its clients; nil: there are no managed clients. use makes sure
// that the signing keys which a client needs exist.
func NewManaged(store storage.Store, server *client.Server, use func(context.Context, keys.Use) error) *Managed {
	return &Managed{store: store, server: server, use: use, reading: semaphore.NewWeighted(1)}
}
