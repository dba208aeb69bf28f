package proof

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/authzd/authzd/storage"
)

// Live is a proof that works.
type Live struct {
	ID string
	storage.Proof

	version, liveVersion uint64
}

// ByLink returns the proof of a link's token. It changes nothing: programs that look into mails open links. The error
// is ErrVoid if the link does not work; a Live beside it is a proof that has worked once.
func (p *Proofs) ByLink(ctx context.Context, kind Kind, token string) (*Live, error) {
	id, secret, ok := strings.Cut(token, ".")
	if !ok {
		return nil, ErrVoid
	}
	l, err := p.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if l.Kind != string(kind) || subtle.ConstantTimeCompare([]byte(hash(secret)), []byte(l.LinkHash)) != 1 {
		return nil, ErrVoid
	}
	return l, p.checkLive(ctx, l)
}

// Asked returns what a browser has asked for, for the page that takes the code. It may be a decoy, or no longer live.
func (p *Proofs) Asked(ctx context.Context, kind Kind, id, browser string) (*storage.Proof, error) {
	l, err := p.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !l.askedBy(kind, browser) {
		return nil, ErrVoid
	}
	return &l.Proof, nil
}

func (l *Live) askedBy(kind Kind, browser string) bool {
	return l.Kind == string(kind) && l.Browser != "" && l.Browser == browser
}

// Try compares a code that was typed, as the person typed it, in the browser that asked for the proof. Each call
// counts as a try, in the store. The errors are ErrWrongCode, and ErrVoid if no code can be right any more. After nil,
// Proved returns the proof.
func (p *Proofs) Try(ctx context.Context, kind Kind, id, browser, typed string) error {
	code := digits(typed)
	var right bool
	err := storage.Retry(func() error {
		l, err := p.get(ctx, id)
		if err != nil {
			return err
		}
		now := storage.Now()
		if !l.askedBy(kind, browser) || l.CodeMAC == nil || l.Tries >= MaxTries || now.After(l.CreatedAt.Add(CodeLifetime)) {
			return ErrVoid
		}
		tried := l.Proof
		tried.Tries++
		if right = p.isCode(id, code, l.CodeMAC); right {
			tried.ProvedAt = now
		}
		return p.c.Store.Apply(ctx, storage.Proofs.Put(id, &tried, storage.At(l.version), l.ExpiresAt))
	})
	switch {
	case err != nil:
		return err
	case !right:
		return ErrWrongCode
	}
	return nil
}

// Proved returns the proof whose code was typed in this browser a short while ago. The error is ErrVoid if there is
// none.
func (p *Proofs) Proved(ctx context.Context, kind Kind, id, browser string) (*Live, error) {
	l, err := p.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !l.askedBy(kind, browser) || l.ProvedAt.IsZero() || storage.Now().After(l.ProvedAt.Add(CodeLifetime)) {
		return nil, ErrVoid
	}
	return l, p.checkLive(ctx, l)
}

// get returns a proof that is not too old.
func (p *Proofs) get(ctx context.Context, id string) (*Live, error) {
	if len(id) != idLength {
		return nil, ErrVoid
	}
	record, version, err := storage.Proofs.Get(ctx, p.c.Store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ErrVoid
	} else if err != nil {
		return nil, fmt.Errorf("read proof: %w", err)
	}
	return &Live{ID: id, Proof: *record, version: version}, nil
}

// checkLive returns ErrVoid if the proof is not the live one of its kind.
func (p *Proofs) checkLive(ctx context.Context, l *Live) error {
	live, version, err := storage.LiveProofs.Get(ctx, p.c.Store, l.liveKey())
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && live.Proof != l.ID:
		return ErrVoid
	case err != nil:
		return fmt.Errorf("read live proof: %w", err)
	case storage.Now().After(l.ExpiresAt):
		return ErrVoid
	}
	l.liveVersion = version
	return nil
}

// UseWrites use the proof up. They conflict if it was used, or replaced, at this moment: then look at it again.
func (l *Live) UseWrites() []storage.Write {
	return []storage.Write{
		storage.Proofs.Delete(l.ID, storage.At(l.version)),
		storage.LiveProofs.Delete(l.liveKey(), storage.At(l.liveVersion)),
	}
}

func (l *Live) liveKey() string {
	key, _ := liveKey(Ask{Kind: Kind(l.Kind), UserID: l.UserID, Email: l.Email}) // it was valid before
	return key
}

// VoidWrites void all proofs of these kinds that were made for a user.
func VoidWrites(userID string, kinds ...Kind) []storage.Write {
	var writes []storage.Write
	for _, kind := range kinds {
		writes = append(writes, storage.LiveProofs.Delete(userID+"/"+string(kind), storage.Any))
	}
	return writes
}

// AllWrites void all proofs of a user: their password was changed, or they are deleted.
func AllWrites(userID string) []storage.Write { return VoidWrites(userID, Reset, Invite, Email, Stop) }

// PinOf returns a value that changes with the user's password and when all their sessions end.
func PinOf(user *storage.User) string {
	last := user.PasswordHash
	if n := len(user.PastHashes); n > 0 {
		last = user.PastHashes[n-1]
	}
	return hash(fmt.Sprintf("%d %t %s", user.Epoch, user.PasswordHash == "", last))
}
