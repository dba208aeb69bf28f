package websession

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/authzd/authzd/storage"
)

// Filter selects sessions of a store. Zero members select all.
type Filter struct {
	Subject  string
	SID      string // of the provider's session
	Frontend string
	Clients  []string // of the frontends: to find those of a subject or a sid; required with these
}

// Listed is a session in a list.
type Listed struct {
	ID      string
	Record  *storage.BFFSession // without its tokens
	Expires time.Time           // if there is no activity before
}

// looksPerList is how many records one List reads at most: there is no index of frontends.
const looksPerList = 2500

// List returns up to limit sessions of a store that live, in no useful order, from after a position on; "" is the
// beginning. next is where to go on, even if this page is empty; "" is the end. Sessions that were lent to another host
// are not among them: they end with their own.
func List(ctx context.Context, store storage.Store, f Filter, limitsOf func(frontend string) (idle, most time.Duration), after string, limit int) (found []Listed, next string, err error) {
	scan, get := sessionsFrom(ctx, store), func(rec storage.Record) (string, *storage.BFFSession, error) {
		entry, err := storage.BFFSessions.Entry(rec)
		return rec.Key, entry.Value, err
	}
	if f.Subject != "" || f.SID != "" {
		scan, get = f.refsFrom(ctx, store), func(rec storage.Record) (string, *storage.BFFSession, error) {
			id := rec.Key[strings.LastIndexByte(rec.Key, '/')+1:]
			record, _, err := storage.BFFSessions.Get(ctx, store, id)
			if errors.Is(err, storage.ErrNotFound) { // a reference may outlive its session
				return id, nil, nil
			}
			return id, record, err
		}
	}
	for looked := 0; looked < looksPerList && len(found) < limit; {
		wanted := limit - len(found)
		records, err := scan(after, wanted)
		if err != nil {
			return nil, "", fmt.Errorf("list sessions: %w", err)
		}
		for _, rec := range records {
			id, record, err := get(rec)
			if err != nil {
				return nil, "", fmt.Errorf("list sessions: %w", err)
			}
			if record == nil || !f.selects(record) {
				continue
			}
			if one := Live(id, record, limitsOf); one != nil {
				found = append(found, *one)
			}
		}
		if len(records) < wanted {
			return found, "", nil
		}
		after, looked = records[len(records)-1].Key, looked+len(records)
	}
	return found, after, nil
}

// Live returns a record as a session in a list, nil if it is none that lives.
func Live(id string, r *storage.BFFSession, limitsOf func(frontend string) (idle, most time.Duration)) *Listed {
	idle, most := limitsOf(r.Frontend)
	expires := earlier(r.ActiveAt.Add(idle), r.CreatedAt.Add(most))
	if r.Parent != "" || !time.Now().Before(expires) {
		return nil
	}
	r.Sealed = nil
	return &Listed{id, r, expires}
}

func (f *Filter) selects(r *storage.BFFSession) bool {
	return (f.Subject == "" || r.Subject == f.Subject) && (f.SID == "" || r.SID == f.SID) && (f.Frontend == "" || r.Frontend == f.Frontend)
}

// scanner returns up to limit records after a key.
type scanner func(after string, limit int) ([]storage.Record, error)

func sessionsFrom(ctx context.Context, store storage.Store) scanner {
	return func(after string, limit int) ([]storage.Record, error) {
		return store.Scan(ctx, storage.BFFSessions.Table, "", after, limit)
	}
}

// refsFrom reads the references of all clients, one after the other.
func (f *Filter) refsFrom(ctx context.Context, store storage.Store) scanner {
	var prefixes []string
	for _, client := range f.Clients {
		by, value := storage.BFFBySubject, f.Subject
		if f.SID != "" { // there are fewer of these
			by, value = storage.BFFBySID, f.SID
		}
		prefixes = append(prefixes, storage.BFFRefKey(by, client, value, ""))
	}
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	return func(after string, limit int) (records []storage.Record, err error) {
		for _, prefix := range prefixes {
			if after >= prefix && !strings.HasPrefix(after, prefix) {
				continue // all of these were read
			}
			page, err := store.Scan(ctx, storage.BFFRefs.Table, prefix, after, limit-len(records))
			if records = append(records, page...); err != nil || len(records) == limit {
				return records, err
			}
		}
		return records, nil
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
