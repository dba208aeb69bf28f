// Package proof makes links and codes that go out by mail. A person who uses one has shown that they read the mail of
// the address.
//
//	page asks  -> Make -> id for the browser that asked; link and code for the mail; writes
//	link       -> ByLink                    looks at it, as often as anybody wants      -> Live
//	code       -> Try (5 times) -> Proved   only in the browser that asked              -> Live
//	form sent  -> ByLink or Proved again, then Live.UseWrites in the Apply of the change it is for
//	elsewhere  -> VoidWrites                a changed password, a sign-in
//
// Each owner has one live proof of a kind: another one voids it. Nothing is in memory, so one replica can make what
// another one takes.
//
// A decoy is made where no mail goes out: for an address without an account, or after too many mails. The browser that
// asked can't tell it from a proof.
package proof

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

const (
	// CodeLifetime is how long a code works, and how long the browser that typed it may take for the next page.
	CodeLifetime = 10 * time.Minute
	// MaxTries is how many codes may be typed for one proof.
	MaxTries = 5
	// CodeDigits is the length of a code.
	CodeDigits = 8
	// MaxFlow bounds, in bytes, what strangers can have stored with a proof.
	MaxFlow = 1500

	// mailsAtOnce and mailEvery limit the mails of one kind to one owner.
	mailsAtOnce = 3
	mailEvery   = 10 * time.Minute
)

var (
	// ErrWrongCode says that another code was sent. The person may try again.
	ErrWrongCode = errors.New("wrong code")
	// ErrVoid says that a link or a code does not work (any more): it was used, is too old, was replaced by a newer
	// one, or never existed.
	ErrVoid = errors.New("the link or the code is void")
)

// Config is what proofs need.
type Config struct {
	Store storage.Store
	// MAC authenticates a message under each server secret, the current one first. Codes are stored by it, because
	// their hashes could be guessed.
	MAC func(message []byte) [][sha256.Size]byte
}

// Proofs makes and checks proofs. It is safe for concurrent use.
type Proofs struct{ c Config }

// New returns the proofs kept in a store.
func New(c Config) *Proofs { return &Proofs{c} }

// Ask is what a proof is made for.
type Ask struct {
	Kind   Kind
	UserID string // empty: there is no account yet
	Email  string // where the mail goes; valid
	Decoy  bool   // no mail goes out

	Browser string // that asks, by session.Sessions.Browser; empty: none does, and there is no code
	Remote  string // network address that asks, to be shown
	Client  string // id of the client that waits; may be empty
	Flow    string // the sign-in that waits in the browser, sealed; kept if it is not longer than MaxFlow
	Pin     string // PinOf the user, so that the proof is void once that changes

	SignUp *storage.SignUp // only of the kind SignUp
}

// Made is a new proof.
type Made struct {
	ID   string // for the browser that asked
	Link string // token for the URL in the mail; empty: it is a decoy
	Code string // empty: there is none

	// MayMail reports whether a mail may go out. It may be about a decoy: that the address has an account.
	MayMail bool

	Writes []storage.Write // they conflict if another proof was made at this moment
}

// Make makes a proof. If too many mails went out lately, Made is a decoy and no mail may go out: then the last proof
// stays live, and Made.ID is its id if the same browser has asked for it.
func (p *Proofs) Make(ctx context.Context, ask Ask) (*Made, error) {
	key, err := liveKey(ask)
	if err != nil {
		return nil, err
	}
	now := storage.Now()
	live, cond := &storage.LiveProof{}, storage.Absent
	switch found, version, err := storage.LiveProofs.Get(ctx, p.c.Store, key); {
	case err == nil:
		live, cond = found, storage.At(version)
	case !errors.Is(err, storage.ErrNotFound):
		return nil, err
	}
	if live.DrainedAt.After(now.Add((mailsAtOnce - 1) * mailEvery)) {
		return p.limited(ctx, ask, live, now)
	}
	made, record := p.draw(ask, now)
	next := &storage.LiveProof{Proof: made.ID, DrainedAt: live.DrainedAt}
	if next.DrainedAt.Before(now) {
		next.DrainedAt = now
	}
	next.DrainedAt = next.DrainedAt.Add(mailEvery)
	expires := record.ExpiresAt
	if next.DrainedAt.After(expires) {
		expires = next.DrainedAt
	}
	made.Writes = []storage.Write{
		storage.Proofs.Put(made.ID, record, storage.Absent, record.ExpiresAt),
		storage.LiveProofs.Put(key, next, cond, expires),
	}
	made.MayMail = true
	if ask.Decoy {
		made.Link, made.Code = "", ""
	}
	return made, nil
}

// limited is Make without a mail.
func (p *Proofs) limited(ctx context.Context, ask Ask, live *storage.LiveProof, now time.Time) (*Made, error) {
	last, _, err := storage.Proofs.Get(ctx, p.c.Store, live.Proof)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if err == nil && ask.Browser != "" && last.Browser == ask.Browser && now.Before(last.CreatedAt.Add(CodeLifetime)) {
		return &Made{ID: live.Proof}, nil
	}
	made, record := p.draw(ask, now)
	return &Made{ID: made.ID, Writes: []storage.Write{storage.Proofs.Put(made.ID, record, storage.Absent, record.ExpiresAt)}}, nil
}

// draw makes the record of a proof, with a new link and code.
func (p *Proofs) draw(ask Ask, now time.Time) (*Made, *storage.Proof) {
	made := &Made{ID: random(16), Code: newCode()}
	secret := random(32)
	made.Link = made.ID + "." + secret
	mac := p.c.MAC(codeMessage(made.ID, made.Code))[0]
	record := &storage.Proof{
		Kind: string(ask.Kind), UserID: ask.UserID, Email: ask.Email, LinkHash: hash(secret), CodeMAC: mac[:],
		Browser: ask.Browser, Remote: ask.Remote, ClientID: ask.Client, Pin: ask.Pin, SignUp: ask.SignUp,
		CreatedAt: now, ExpiresAt: now.Add(ask.Kind.Lifetime()),
	}
	if len(ask.Flow) <= MaxFlow {
		record.Flow = ask.Flow
	}
	if ask.Browser == "" {
		made.Code, record.CodeMAC = "", nil
	}
	return made, record
}

// liveKey is the key of the live proof: of a user or, while there is none, of an address.
func liveKey(ask Ask) (string, error) {
	owner := ask.UserID
	if owner == "" {
		address, err := users.NormalizeEmail(ask.Email)
		if err != nil {
			return "", err
		}
		owner = hash(address)
	}
	return owner + "/" + string(ask.Kind), nil
}

const idLength = 22 // of 16 bytes in unpadded base64url

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
