package revocation

import (
	"errors"
	"time"
)

// List is what a follower of one issuer's feed knows. It only grows by Merge, and forgets an entry when no token can
// live any more that the entry concerns. It is not safe for concurrent use.
type List struct {
	issuer    string
	cursor    Cursor
	issuedAt  int64 // of the newest document
	allBefore int64
	kinds     map[Kind]map[ID]known
	sweepAt   time.Time
}

// known is an entry of a List.
type known struct {
	before int64     // as in Entry
	until  time.Time // when the entry may be forgotten, by the follower's clock
}

// NewList returns an empty list for the tokens of an issuer.
func NewList(issuer string) *List {
	l := &List{issuer: issuer, kinds: map[Kind]map[ID]known{}}
	for _, kind := range Kinds {
		l.kinds[kind] = map[ID]known{}
	}
	return l
}

var (
	// ErrGap says that a document continues from a later place than the list has come to. Load it without a cursor.
	ErrGap = errors.New("the document leaves out what came before it")
	// ErrOld says that the list has seen a later document.
	ErrOld = errors.New("the document is older than the list")
)

// tolerance is how much older than the newest document another may be, in seconds of iat: it may come from a replica
// whose clock is behind.
const tolerance = 5

// Merge adds the entries of a document that Open has returned at a time by the follower's clock. If it returns nil,
// the list is complete and as fresh as the document. ErrGap and ErrOld say why it is not; the entries count all the
// same, because the issuer has signed them.
//
// A complete document sets the cursor, also to another epoch or to an earlier place. It replaces nothing else: an
// issuer that was restored from a backup has forgotten entries, and the list has not.
func (l *List) Merge(d *Document, now time.Time) error {
	for _, e := range d.Entries {
		l.add(e, now.Add(d.Window))
	}
	l.allBefore = max(l.allBefore, d.AllBefore)
	l.sweep(now)
	switch {
	case d.IssuedAt < l.issuedAt-tolerance:
		return ErrOld
	case !d.Delta:
		l.cursor = d.Cursor()
	case d.Epoch != l.cursor.Epoch, d.From > l.cursor.Seq:
		return ErrGap
	default:
		l.cursor.Seq = max(l.cursor.Seq, d.Seq)
	}
	l.issuedAt = max(l.issuedAt, d.IssuedAt)
	return nil
}

// add keeps the stricter of two entries with one id.
func (l *List) add(e Entry, until time.Time) {
	ids := l.kinds[e.Kind]
	if old, found := ids[e.ID]; found {
		if old.before == 0 || e.Before == 0 {
			e.Before = 0
		} else {
			e.Before = max(e.Before, old.before)
		}
		if old.until.After(until) {
			until = old.until
		}
	}
	ids[e.ID] = known{e.Before, until}
}

// sweepEvery is how often a List looks for entries to forget.
const sweepEvery = time.Minute

func (l *List) sweep(now time.Time) {
	if now.Before(l.sweepAt) {
		return
	}
	l.sweepAt = now.Add(sweepEvery)
	for _, ids := range l.kinds {
		for id, k := range ids {
			if now.After(k.until) {
				delete(ids, id)
			}
		}
	}
}

// Cursor returns where the list has come to. It is the zero Cursor before the first complete document.
func (l *List) Cursor() Cursor { return l.cursor }

// Len returns how many entries the list has.
func (l *List) Len() (n int) {
	for _, ids := range l.kinds {
		n += len(ids)
	}
	return n
}

// Claims are those of an access token that the feed can name. Empty ones are not looked up.
type Claims struct {
	Grant, Session, Subject, Token, Client string // gid, sid, sub, jti, client_id
	IssuedAt                               int64  // iat, without its fraction
}

// Ended reports whether a token of the issuer has ended, and by which kind of id. The kind is 0 if AllBefore ended
// it.
func (l *List) Ended(c *Claims) (kind Kind, ended bool) {
	if l.allBefore != 0 && c.IssuedAt <= l.allBefore {
		return 0, true
	}
	for _, id := range [...]struct {
		kind Kind
		text string
	}{{Grant, c.Grant}, {Session, c.Session}, {Subject, c.Subject}, {Token, c.Token}, {Client, c.Client}} {
		ids := l.kinds[id.kind]
		if id.text == "" || len(ids) == 0 {
			continue
		}
		k, found := ids[Hash(id.kind, l.issuer, id.text)]
		if found && (k.before == 0 || c.IssuedAt <= k.before) {
			return id.kind, true
		}
	}
	return 0, false
}
