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
	markProof     = "dpop/"             // RFC 9449 section 11.1
	markPushed    = "par/"              // a pushed request that has had its answer (RFC 9126 section 7.3)
	markLogout    = "logout/"           // a session that its user has ended
)

// marked tells whether that has happened.
func (s *Server) marked(ctx context.Context, key string) (bool, error) {
	_, _, err := storage.Marks.Get(ctx, s.store, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// markOnce is the write by which it happens. If somebody else has been faster, raced begins again,
// and marked tells.
func markOnce(key string, until time.Time) storage.Write {
	return storage.Marks.Put(key, &storage.Mark{}, storage.Absent, until)
}
