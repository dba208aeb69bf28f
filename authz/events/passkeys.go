package events

import (
	"context"
	"slices"

	"github.com/authzd/authzd/authz/audit"
	"github.com/authzd/authzd/authz/passkey"
	"github.com/authzd/authzd/storage"
)

// MethodPasskey is the login method of passkeys in metrics and events.
const MethodPasskey = "passkey"

var passkeyTypes = map[passkey.Change]audit.Type{
	passkey.Added: audit.PasskeyAdded, passkey.Renamed: audit.PasskeyRenamed, passkey.Removed: audit.PasskeyRemoved,
	passkey.Suspected: audit.PasskeyCopied, passkey.FlagsChanged: audit.PasskeyChanged,
}

// byPasskey reports whether a user has signed in with a passkey alone (RFC 8176).
func byPasskey(amr []string) bool {
	return !slices.Contains(amr, "pwd") && (slices.Contains(amr, "hwk") || slices.Contains(amr, "swk"))
}

// PasskeyChanged records what a user did with a passkey, or what a sign-in with it has shown.
func (rec *Recorder) PasskeyChanged(ctx context.Context, what passkey.Change, user *storage.User, key *passkey.Passkey) []storage.Write {
	event := passkeyEvent(passkeyTypes[what], key)
	event.Outcome, event.Actor = audit.Success, byUser(user.ID)
	if what == passkey.Suspected {
		event.Outcome, event.Details["refused"] = audit.Alarm, "false"
	}
	return rec.put(ctx, event)
}

// PasskeyCopied records that a sign-in was refused, because the key cannot be copied and its counter went back.
func (rec *Recorder) PasskeyCopied(ctx context.Context, userID string) {
	rec.note(ctx, audit.Event{
		Type: audit.PasskeyCopied, Outcome: audit.Alarm, Actor: audit.Actor{Kind: audit.Anonymous}, UserID: userID,
		Details: map[string]string{"refused": "true"},
	})
}

// passkeyEvent returns an event about a key. It has the id of the key and its model, and not the name that a person
// has given it.
func passkeyEvent(what audit.Type, key *passkey.Passkey) audit.Event {
	details := map[string]string{"passkey": key.ID}
	if key.AAGUID != "" {
		details["model"] = key.AAGUID
	}
	return audit.Event{Type: what, UserID: key.UserID, Details: details}
}
