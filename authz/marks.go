package authz

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/storage"
)

// Purposes of marks: what may happen once, or has ended for good. Each is the beginning of a key.
const (
	markAssertion = "client assertion/" // its jti (RFC 7523 section 3)
	markGrant     = "assertion/"        // the jti of an assertion of a trusted issuer (likewise)
	markProof     = "dpop/"             // RFC 9449 section 11.1
	markConsent   = "consent/"          // an Allow that counts for one request has had its code
	markLink      = "link/"             // a link that was confirmed or cancelled
	markPushed    = "par/"              // a pushed request that has had its answer (RFC 9126 section 7.3)
	markLogout    = "logout/"           // a session that its user has ended

	markDeletedClient = "deleted client/" // its grants stay void, whoever gets its id
)

// markMargin is how much longer a mark is kept than what it is about passes: a request takes its time from
// the look at the clock to the look for the mark, and the clocks of replicas differ.
const markMargin = 10 * time.Second

// marked tells whether that has happened.
func (s *Server) marked(ctx context.Context, key string) (bool, error) {
	_, _, err := storage.Marks.Get(ctx, s.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// markOnce is the write by which it happens; after until nothing would come of it anyhow. If somebody
// else has been faster, storage.Retry begins again, and marked tells.
func markOnce(key string, until time.Time) storage.Write {
	return storage.Marks.Put(key, &storage.Mark{}, storage.Absent, until.Add(markMargin))
}
