package bff

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
)

// SessionsOf returns the sessions of a frontend, nil if there is none of that name.
func (b *BFF) SessionsOf(frontend string) *websession.Sessions {
	for _, f := range b.frontends {
		if f.Name == frontend {
			return f.sessions
		}
	}
	return nil
}

// doubtCopy has the sessions of a restored store refreshed before they are used.
func (b *BFF) doubtCopy() error {
	if b.Store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	return websession.DoubtCopy(ctx, b.Store)
}

// ListSessions returns up to limit live sessions of all frontends, from after a position on; next is where to go on, even
// if there are none. Sealed sessions can't be listed.
func (b *BFF) ListSessions(ctx context.Context, which websession.Filter, after string, limit int) (found []websession.Listed, next string, err error) {
	if b.Store == nil {
		return nil, "", errSealedList
	}
	for _, f := range b.frontends {
		which.Clients = append(which.Clients, f.ClientID)
	}
	return websession.List(ctx, b.Store, which, b.limitsOf, after, limit)
}

// ReadSession returns a live session, or storage.ErrNotFound.
func (b *BFF) ReadSession(ctx context.Context, id string) (*websession.Listed, error) {
	if b.Store == nil {
		return nil, errSealedList
	}
	record, _, err := storage.BFFSessions.Get(ctx, b.Store, id)
	if err != nil {
		return nil, err
	}
	found := websession.Live(id, record, b.limitsOf)
	if found == nil {
		return nil, storage.ErrNotFound
	}
	return found, nil
}

var errSealedList = errors.New("bff: sealed sessions are in the browsers alone")

// limitsOf returns zero for a frontend that is not in the configuration: none of its sessions lives.
func (b *BFF) limitsOf(frontend string) (idle, most time.Duration) {
	if s := b.SessionsOf(frontend); s != nil {
		return s.Idle, s.Max
	}
	return 0, 0
}
