package operator

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/authzd/authzd/authz/admin"
	"github.com/authzd/authzd/storage"
)

// revocationKinds are the values of a Revocation's kind.
var revocationKinds = []string{
	storage.RevokedGrant, storage.RevokedSession, storage.RevokedUser, storage.RevokedJTI, storage.RevokedClient, storage.RevokedConsent, storage.RevokedAll,
}

// listRevocations reads through the feed, because there is no index. So a page may be empty.
func (api *API) listRevocations(ctx context.Context, c *admin.Call, page admin.Slice) (found []admin.Revocation, next string, err error) {
	if kind := c.Query.Get("kind"); kind != "" && !slices.Contains(revocationKinds, kind) {
		return nil, "", admin.BadParam("kind", "is none of the kinds of revocations")
	}
	after := page.After
	for looked := 0; looked < looksPerPage && len(found) < page.Size; {
		wanted := page.Size - len(found)
		records, err := api.Store.Scan(ctx, storage.Revocations.Table, "", after, wanted)
		if err != nil {
			return nil, "", err
		}
		for _, rec := range records {
			if shown := shownRevocation(rec); shown != nil && selects(c, shown) {
				found = append(found, *shown)
			}
		}
		if len(records) < wanted {
			return found, "", nil
		}
		after, looked = records[len(records)-1].Key, looked+len(records)
	}
	return found, after, nil
}

func selects(c *admin.Call, r *admin.Revocation) bool {
	for name, value := range map[string]string{"sub": r.Sub, "kind": r.Kind, "id": r.ID, "cause": r.Cause} {
		if want := c.Query.Get(name); want != "" && want != value {
			return false
		}
	}
	return true
}

// shownRevocation returns nil for a damaged record, of which the feed's log and "authzd check" say more.
func shownRevocation(rec storage.Record) *admin.Revocation {
	entry, err := storage.Revocations.Entry(rec)
	ended, spoilt := storage.DueTime(rec.Key)
	if err != nil || spoilt != nil {
		return nil
	}
	r := entry.Value
	shown := &admin.Revocation{EndedAt: ended, Cause: r.Cause, Kind: r.Kind, ID: r.ID, Sub: r.UserID, ExpiresAt: rec.Expires}
	if r.Before != 0 {
		before := time.Unix(r.Before, 0).UTC()
		shown.Before = &before
	}
	return shown
}

func (api *API) readFeed(ctx context.Context, _ *admin.Call) (*admin.Feed, error) {
	status := api.Events.Feed.Status()
	shown := &admin.Feed{Entries: status.Entries, Waiting: status.Waiting, WindowSeconds: int(status.Window.Seconds())}
	state, _, err := storage.FeedStates.Get(ctx, api.Store, storage.FeedEpochKey)
	if err == nil {
		shown.Epoch = state.Epoch
	} else if errors.Is(err, storage.ErrNotFound) { // a replica that has just started has not begun it yet
		err = nil
	}
	return shown, err
}
