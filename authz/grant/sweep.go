package grant

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/storage"
)

const (
	forgetConsentsEvery = 24 * time.Hour
	forgetConsentsPage  = 500 // records between two pauses
	forgetConsentsRest  = 9   // a pause is this many times as long as the work before it
)

// Sweep removes consents to clients that registered themselves and are forgotten, at the start and once a day,
// until ctx ends. The ids of such clients were random, and never come back. All replicas may sweep at once.
func (g *Grants) Sweep(ctx context.Context) error {
	for {
		forgotten, err := g.sweepOnce(ctx)
		if err != nil && ctx.Err() == nil {
			g.Logger.Error("forgetting consents failed", "error", err)
		}
		if forgotten > 0 {
			g.Logger.Info("forgot consents to clients that are gone", "consents", forgotten)
		}
		if err := rest(ctx, forgetConsentsEvery); err != nil {
			return err
		}
	}
}

func (g *Grants) sweepOnce(ctx context.Context) (forgotten int, err error) {
	gone := make(map[string]bool) // by client, since the last rest
	seen, began := 0, time.Now()
	for e, err := range storage.Consents.All(ctx, g.Store, "") {
		if err != nil {
			return forgotten, err
		}
		if seen++; seen%forgetConsentsPage == 0 {
			if err := rest(ctx, forgetConsentsRest*time.Since(began)); err != nil {
				return forgotten, err
			}
			began = time.Now()
			clear(gone)
		}
		_, clientID, _ := strings.Cut(e.Key, "/")
		if _, known := gone[clientID]; !known {
			if gone[clientID], err = g.strangerGone(ctx, clientID); err != nil {
				return forgotten, err
			}
		}
		// Only a consent with hosts is certainly to a client that registered itself. A withdrawn consent has no
		// hosts, and stays: it voids older grants.
		if !gone[clientID] || len(e.Value.Hosts) == 0 {
			continue
		}
		err := g.Store.Apply(ctx, storage.Consents.Delete(e.Key, storage.At(e.Version)))
		if err != nil && !storage.IsConflict(err) {
			return forgotten, err
		}
		if err == nil {
			forgotten++
		}
	}
	return forgotten, nil
}

// strangerGone reports whether a client with this id can only have registered itself, and is forgotten.
func (g *Grants) strangerGone(ctx context.Context, id string) (bool, error) {
	if len(id) != oauth.IDLength || g.Clients.File.Get(id) != nil {
		return false, nil
	}
	_, _, err := storage.ManagedClients.Get(ctx, g.Store, id)
	if err == nil || !errors.Is(err, storage.ErrNotFound) {
		return false, err
	}
	_, _, err = storage.Clients.Get(ctx, g.Store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// rest waits, unless ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
