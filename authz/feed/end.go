package feed

import (
	"time"

	"github.com/authzd/authzd/storage"
)

// End is what ends, and when. Make it by one of the functions below, right before the Apply.
type End struct{ record storage.Revocation }

// Grant ends all tokens of a grant.
func Grant(gid, userID string) End {
	return End{storage.Revocation{Kind: storage.RevokedGrant, ID: gid, UserID: userID}}
}

// Session ends a browser session and its online grants. An offline grant of the session goes on: the tokens that were
// issued from it so far end, and the next refresh brings one that counts.
func Session(sid, userID string) End {
	return End{storage.Revocation{Kind: storage.RevokedSession, ID: sid, UserID: userID, Before: now()}}
}

// User ends all tokens of a user. Store the result of Before as their NotBefore in the same Apply: a token that is
// issued afterwards has a later iat, and counts.
func User(id string) End {
	return End{storage.Revocation{Kind: storage.RevokedUser, ID: id, UserID: id, Before: now()}}
}

// Consent ends the tokens of a user's grants to a client.
func Consent(userID, clientID string) End {
	return End{storage.Revocation{Kind: storage.RevokedConsent, ID: clientID, UserID: userID, Before: now()}}
}

// Client ends all tokens of a client.
func Client(id string) End {
	return End{storage.Revocation{Kind: storage.RevokedClient, ID: id, Before: now()}}
}

// Token ends one token.
func Token(jti string) End {
	return End{storage.Revocation{Kind: storage.RevokedJTI, ID: jti}}
}

// all ends every token that was issued up to a second.
func all(before int64) End {
	return End{storage.Revocation{Kind: storage.RevokedAll, Before: before}}
}

// Before returns the last second, since 1970, whose tokens end. 0: no later token counts either.
func (e End) Before() int64 { return e.record.Before }

func now() int64 { return storage.Now().Unix() }

// Put returns the write that reports an end. Make it in the Apply of the end. Its caller is authz/events: a new cause
// is an End beside the event there. cause is the type of the audit event. It never conflicts.
func (f *Feed) Put(cause string, e End) storage.Write {
	record := e.record
	record.Cause = cause
	key := storage.DueKey(time.UnixMicro(int64(f.clock.now())), random(8))
	window := time.Duration(f.window.Load()) * time.Second
	return storage.Revocations.Put(key, &record, storage.Absent, storage.Now().Add(window))
}
