package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/storage"
)

// Purposes of marks: what may happen once, or has ended for good. Each is the beginning of a key.
const (
	MarkAssertion = "client assertion/" // its jti (RFC 7523 section 3)
	MarkGrant     = "assertion/"        // the jti of an assertion of a trusted issuer (likewise)
	MarkProof     = "dpop/"             // RFC 9449 section 11.1
	MarkConsent   = "consent/"          // an Allow that counts for one request has had its code
	MarkLink      = "link/"             // a link that was confirmed or cancelled
	MarkPushed    = "par/"              // a pushed request that has had its answer (RFC 9126 section 7.3)
	MarkLogout    = "logout/"           // a session that its user has ended

	MarkDeletedClient = "deleted client/" // its grants stay void, whoever gets its id
)

// MarkMargin is how much longer a mark is kept than what it is about passes: a request takes its time from
// the look at the clock to the look for the mark, and the clocks of replicas differ.
const MarkMargin = 10 * time.Second

// Marked tells whether that has happened.
func Marked(ctx context.Context, store storage.Store, key string) (bool, error) {
	_, _, err := storage.Marks.Get(ctx, store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// MarkOnce is the write by which it happens; after until nothing would come of it anyhow. If somebody
// else has been faster, storage.Retry begins again, and marked tells.
func MarkOnce(key string, until time.Time) storage.Write {
	return storage.Marks.Put(key, &storage.Mark{}, storage.Absent, until.Add(MarkMargin))
}
