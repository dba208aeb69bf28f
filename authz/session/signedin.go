package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/storage"
)

// SignedIn returns the live session of this browser and its user, or nil if nobody is signed in.
func (s *Sessions) SignedIn(ctx context.Context, r *http.Request) (*Session, *storage.User, error) {
	signedIn, err := s.Load(ctx, r)
	if err != nil || signedIn == nil {
		return nil, nil, err
	}
	user, _, err := storage.Users.Get(ctx, s.store, signedIn.UserID)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if user.Disabled || !signedIn.BelongsTo(user) {
		return nil, nil, nil
	}
	return signedIn, user, nil
}

// ProvenAuthTime is when the user of the session has signed in, zero if nothing proves that.
func (s *Session) ProvenAuthTime() time.Time {
	if s.Unproven {
		return time.Time{}
	}
	return s.AuthTime
}
