package events

import (
	"context"
	"strings"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/storage"
)

// This file records what people do with their own accounts.

// SignedUp records that a person has proved the address of a new account.
func (rec *Recorder) SignedUp(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.UserCreated, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, Details: map[string]string{"by": "sign-up"},
	})
}

// ProofAsked records that a link and a code were asked for, and whether a mail goes out. userID is "" if the address
// leads to nobody.
func (rec *Recorder) ProofAsked(ctx context.Context, kind, userID string, mail bool) {
	sent := "no"
	if mail {
		sent = "yes"
	}
	rec.note(ctx, audit.Event{
		Type: audit.ProofRequested, Outcome: audit.Success, Actor: audit.Actor{Kind: audit.Anonymous}, UserID: userID,
		Details: map[string]string{"kind": kind, "mail": sent},
	})
}

// ProofFailed records that a link or a code was not accepted.
func (rec *Recorder) ProofFailed(ctx context.Context, kind, userID, reason string) {
	rec.note(ctx, audit.Event{
		Type: audit.ProofFailed, Outcome: audit.Failure, Actor: audit.Actor{Kind: audit.Anonymous}, UserID: userID,
		Details: map[string]string{"kind": kind, "reason": reason},
	})
}

// SignUpDeclined records that the person who reads the mail of an address has not begun the account.
func (rec *Recorder) SignUpDeclined(ctx context.Context) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.SignUpDeclined, Outcome: audit.Denied, Actor: audit.Actor{Kind: audit.Anonymous}})
}

// PasswordProved records that a person has set a password by a link or a code of a mail: how is the kind of the proof.
// end is feed.User.
func (rec *Recorder) PasswordProved(ctx context.Context, userID, how string, end feed.End) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.UserPasswordSet, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, Details: map[string]string{"by": how},
	}, end)
}

// PasswordChanged records that a person has changed their password, and what ended by it.
func (rec *Recorder) PasswordChanged(ctx context.Context, userID string, ends ...feed.End) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.UserPasswordSet, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, Details: map[string]string{"by": "password"},
	}, ends...)
}

// ProfileChanged records which members of their profile a person has changed.
func (rec *Recorder) ProfileChanged(ctx context.Context, userID string, members []string) []storage.Write {
	return rec.put(ctx, audit.Event{
		Type: audit.UserUpdated, Outcome: audit.Success, Actor: byUser(userID), UserID: userID, Details: map[string]string{"changed": strings.Join(members, " ")},
	})
}

// EmailChanged records that a person has proved another address.
func (rec *Recorder) EmailChanged(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.EmailChanged, Outcome: audit.Success, Actor: byUser(userID), UserID: userID})
}

// EmailChangeStopped records that the owner of the former address has stopped the change to another one.
func (rec *Recorder) EmailChangeStopped(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.EmailChangeStopped, Outcome: audit.Denied, Actor: audit.Actor{Kind: audit.Anonymous}, UserID: userID})
}

// Left records that a person has deleted their account. end is feed.User.
func (rec *Recorder) Left(ctx context.Context, userID string, end feed.End) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.UserDeleted, Outcome: audit.Success, Actor: byUser(userID), UserID: userID}, end)
}

// Exported records that a person has downloaded their data.
func (rec *Recorder) Exported(ctx context.Context, userID string) []storage.Write {
	return rec.put(ctx, audit.Event{Type: audit.UserExported, Outcome: audit.Success, Actor: byUser(userID), UserID: userID})
}
