package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// orderKey is the only key of storage.SecretOrders.
const orderKey = "secrets"

// order lists the secrets that have been the current one, the newest last.
type order storage.SecretOrder

func (o order) newest() string { return o.Secrets[len(o.Secrets)-1].ID }

func (o order) has(id string) bool {
	return slices.ContainsFunc(o.Secrets, func(s storage.SecretSince) bool { return s.ID == id })
}

// order reads the order. A store without one has only had our current secret.
func (s *Sealing) order(ctx context.Context) (order, error) {
	o, _, err := storage.SecretOrders.Get(ctx, s.Store, orderKey)
	if errors.Is(err, storage.ErrNotFound) || err == nil && len(o.Secrets) == 0 {
		return order{Secrets: []storage.SecretSince{{ID: s.Secret.current()}}}, nil
	}
	if err != nil {
		return order{}, err
	}
	return order(*o), nil
}

// promote records the current secret as the newest, unless it has been the newest before. A replaced secret
// does not become the newest again, because an old configuration of one replica can't be told from the wish
// to go back.
func (s *Sealing) promote(ctx context.Context) (order, error) {
	var o order
	err := storage.Retry(func() error {
		read, version, err := storage.SecretOrders.Get(ctx, s.Store, orderKey)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		o = order{}
		if read != nil {
			o = order(*read)
		}
		if o.has(s.Secret.current()) {
			return nil
		}
		replaced := len(o.Secrets) > 0
		o.Secrets = append(o.Secrets, storage.SecretSince{ID: s.Secret.current(), Since: storage.Now()})
		next := storage.SecretOrder(o)
		writes := []storage.Write{storage.SecretOrders.Put(orderKey, &next, storage.At(version), time.Time{})}
		if replaced && s.Replaced != nil {
			also, err := s.Replaced(ctx, s.Secret.current())
			if err != nil {
				return err
			}
			writes = append(writes, also...)
		}
		err = s.Store.Apply(ctx, writes...)
		if err == nil && replaced {
			s.Logger.Info("the server has a new secret", "secret", s.Secret.current())
		}
		return err
	})
	return o, err
}

// SecretStatus is the state of one server secret.
type SecretStatus struct {
	ID        string // its name, which reveals nothing about it: 16 hexadecimal digits
	Newest    bool   // new records should be sealed under it
	Listed    bool   // this replica can open its records
	Records   int    // of the store, sealed under it
	Removable bool   // nothing needs it any more
	Since     time.Time
}

// Status returns the state of every secret that is listed here or was ever current, the newest first.
func (s *Sealing) Status(ctx context.Context) ([]SecretStatus, error) {
	o, err := s.order(ctx)
	if err != nil {
		return nil, err
	}
	records := make(map[string]int)
	if err := s.each(ctx, func(r *sealedRecord) error {
		records[r.secretID()]++
		return nil
	}); err != nil {
		return nil, err
	}
	outside, err := s.outside(ctx)
	if err != nil {
		return nil, err
	}
	var all []SecretStatus
	newest := o.Secrets[len(o.Secrets)-1]
	add := func(id string, since time.Time) {
		if !slices.ContainsFunc(all, func(known SecretStatus) bool { return known.ID == id }) {
			all = append(all, SecretStatus{
				ID: id, Newest: id == newest.ID, Listed: s.Secret.knows(id), Records: records[id], Since: since,
				Removable: id != newest.ID && o.has(id) && records[id] == 0 && time.Since(newest.Since) > outside,
			})
		}
	}
	for _, known := range slices.Backward(o.Secrets) {
		add(known.ID, known.Since)
	}
	for _, root := range s.Secret.roots {
		add(root.name(), time.Time{})
	}
	for id := range records {
		add(id, time.Time{})
	}
	return all, nil
}

// name is the id of a secret in the form for people.
func (r root) name() string { return hex.EncodeToString(r.id[:]) }

// current is the id of the secret that seals.
func (s *Secret) current() string { return s.roots[0].name() }

// knows reports whether this Secret opens what a secret has sealed.
func (s *Secret) knows(id string) bool {
	return slices.ContainsFunc(s.roots, func(r root) bool { return r.name() == id })
}
