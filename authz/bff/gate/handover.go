package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/bff/websession"
	"github.com/authzd/authzd/storage"
)

// handoverLife is how long a hand-over code may be on its way.
const handoverLife = time.Minute

// handOver makes a code that hands a session over to a site, for the browser that has the transaction with an id.
func (g *Gate) handOver(ctx context.Context, s *site, session *websession.Session, transactionID string) (code string, err error) {
	code = rand.Text() + rand.Text() // 260 bits
	handover := &storage.BFFHandover{Session: session.ID, Host: s.host, Browser: transactionID}
	err = g.Store.Apply(ctx, storage.BFFHandovers.Put(websession.Hash(code), handover, storage.Absent, storage.Now().Add(handoverLife)))
	return code, err
}

// redeem uses up a code, and returns the session that it stands for. The error is websession.ErrNone if it is good for
// nothing. Every attempt uses it up: a code that the wrong browser or host has seen is no secret any more.
func (g *Gate) redeem(ctx context.Context, s *site, code string, t *transaction) (*websession.Session, error) {
	key := websession.Hash(code)
	handover, version, err := storage.BFFHandovers.Get(ctx, g.Store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, websession.ErrNone
	} else if err != nil {
		return nil, err
	}
	err = g.Store.Apply(ctx, storage.BFFHandovers.Delete(key, storage.At(version)))
	if storage.IsConflict(err) {
		return nil, websession.ErrNone // another request was faster
	} else if err != nil {
		return nil, err
	}
	if handover.Host != s.host || handover.Browser != t.id() {
		return nil, websession.ErrNone
	}
	return g.Sessions.ByID(ctx, handover.Session)
}

// burn uses up a code that a browser without the transaction has shown.
func (g *Gate) burn(ctx context.Context, code string) error {
	key := websession.Hash(code)
	_, version, err := storage.BFFHandovers.Get(ctx, g.Store, key)
	if err == nil {
		err = g.Store.Apply(ctx, storage.BFFHandovers.Delete(key, storage.At(version)))
	}
	if errors.Is(err, storage.ErrNotFound) || storage.IsConflict(err) {
		return nil // there is none any more
	}
	return err
}
