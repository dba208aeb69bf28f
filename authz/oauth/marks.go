package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/authzd/authzd/storage"
)

// Purposes of marks. A mark says that something has happened which may happen once, or that something has
// ended for good. Each purpose is the beginning of the keys of its marks.
const (
	MarkAssertion = "client assertion/" // the jti of a client's assertion (RFC 7523 section 3)
	MarkGrant     = "assertion/"        // the jti of an assertion of a trusted issuer (RFC 7523 section 3)
	MarkProof     = "dpop/"             // the jti of a DPoP proof (RFC 9449 section 11.1)
	MarkConsent   = "consent/"          // a consent for one request, for which a code was issued
	MarkLink      = "link/"             // a link that was confirmed or cancelled
	MarkPushed    = "par/"              // a pushed request that was answered (RFC 9126 section 7.3)
	MarkLogout    = "logout/"           // a session that its user has ended

	MarkDeletedClient = "deleted client/" // a client whose grants stay void, even if another client gets its id
)

// MarkMargin is how much longer a mark is kept than the thing that it marks is valid: some time passes between
// the look at the clock and the look for the mark, and the clocks of replicas differ.
const MarkMargin = 10 * time.Second

// Marked reports whether the mark of a key is set. The key is a purpose and the hash of an identifier.
func Marked(ctx context.Context, store storage.Store, key string) (bool, error) {
	_, _, err := storage.Marks.Get(ctx, store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// MarkOnce returns the write that sets a mark which must not be set yet. Make it in the Apply of the change
// that may happen once. The mark is kept until shortly after until, when the thing it marks is no longer valid.
// If another request was faster, Apply fails with a conflict: storage.Retry begins again, and Marked returns
// true.
func MarkOnce(key string, until time.Time) storage.Write {
	return storage.Marks.Put(key, &storage.Mark{}, storage.Absent, until.Add(MarkMargin))
}
