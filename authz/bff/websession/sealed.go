package websession

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/authzd/authzd/authz/deflate"
	"github.com/authzd/authzd/authz/keys"
	"github.com/authzd/authzd/storage"
)

// Sealed sessions: without a Store, the cookie itself is the record, encrypted and authenticated under the secret.
//
//	Find: open the cookie ─> newer in this process? ─> ended in this process? ─> the feed (Judge)
//	refresh, activity, rotation of the secret ─> Keep: the answer has a new cookie
//
// There is nothing on the server that could end a session, so the revocation feed does: a logout revokes the refresh
// token, and two seconds later a copied cookie is dead everywhere. Each replica refreshes alone, so the client's
// refresh tokens must not rotate; a provider that rotates them signs users out if two replicas ask at the same time.

// maxSealed is how long the value of a sealed cookie may be: browsers keep 4,096 bytes with the name and attributes.
const maxSealed = 3800

// keepNewer is how long a process remembers the state of a session that is newer than a browser's cookie may be:
// requests under way still have the old one.
const keepNewer = time.Minute

// TooLargeError says that a session does not fit into a cookie.
type TooLargeError struct{ Bytes int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the sealed session has %d bytes, and a cookie takes %d: ask for fewer scopes and claims, or use a store", e.Bytes, maxSealed)
}

// sealedCookie is what the cookie holds.
type sealedCookie struct {
	ID     string              `json:"id"`
	Turn   int                 `json:"turn,omitempty"` // how often the tokens were refreshed
	Record *storage.BFFSession `json:"record"`
	Tokens *tokens             `json:"tokens"`
}

// shelf is what a process knows of sealed sessions beyond their cookies.
type shelf struct {
	sealer *keys.Sealer
	aad    []byte

	mu    sync.Mutex
	ended map[string]time.Time // by ID, until when a cookie would count
	newer map[string]newer     // by ID
	swept time.Time
}

type newer struct {
	session *Session
	until   time.Time
}

func newShelf(cfg Config) *shelf {
	return &shelf{
		sealer: cfg.Secret.Sealer("bff sealed session"), aad: []byte(cfg.Frontend + "\x00" + cfg.ClientID),
		ended: map[string]time.Time{}, newer: map[string]newer{},
	}
}

// Sealed reports whether the sessions are in their cookies.
func (s *Sessions) Sealed() bool { return s.Store == nil }

// sweep forgets what no longer matters. The caller holds the lock.
func (sh *shelf) sweep(now time.Time) {
	if now.Sub(sh.swept) < keepNewer/4 {
		return
	}
	sh.swept = now
	maps.DeleteFunc(sh.ended, func(_ string, until time.Time) bool { return now.After(until) })
	maps.DeleteFunc(sh.newer, func(_ string, n newer) bool { return now.After(n.until) })
}

// newest returns the newest state of a session, which may be the given one, or ErrNone if it has ended here.
func (sh *shelf) newest(session *Session) (*Session, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, ended := sh.ended[session.ID]; ended {
		return nil, ErrNone
	}
	if n, ok := sh.newer[session.ID]; ok && (n.session.ActiveAt.After(session.ActiveAt) || n.session.turn > session.turn) {
		return n.session.clone(), nil
	}
	return session, nil
}

// put notes a newer state.
func (sh *shelf) put(session *Session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now()
	sh.sweep(now)
	sh.newer[session.ID] = newer{session.clone(), now.Add(keepNewer)}
}

func (sh *shelf) end(session *Session) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sweep(time.Now())
	sh.ended[session.ID] = session.ExpiresAt
	delete(sh.newer, session.ID)
}

// clone returns a copy that another request may change.
func (s *Session) clone() *Session {
	c, record := *s, *s.record
	c.record = &record
	return &c
}

// startSealed gives the browser a session in a cookie.
func (s *Sessions) startSealed(w http.ResponseWriter, record *storage.BFFSession, t *tokens) (*Session, error) {
	_, id := newValue()
	session := s.session(id, record, 0)
	session.held, session.dirty = t, true
	value, err := s.sealCookie(session)
	if err != nil {
		return nil, err
	}
	s.setCookie(w, value)
	session.dirty = false
	return session, nil
}

// sealCookie returns the value of a session's cookie. If it is too long, the ID token goes first, which is of use for
// the logout only, and then all access tokens but one, which can be had again.
func (s *Sessions) sealCookie(session *Session) (string, error) {
	t := *session.held
	value := s.shelf.seal(session, &t)
	if len(value) > maxSealed {
		t.ID = ""
		value = s.shelf.seal(session, &t)
	}
	if len(value) > maxSealed && len(t.Access) > 1 {
		t.Access = map[string]access{t.Last: t.Access[t.Last]}
		value = s.shelf.seal(session, &t)
	}
	if len(value) > maxSealed {
		return "", &TooLargeError{len(value)}
	}
	return value, nil
}

func (sh *shelf) seal(session *Session, t *tokens) string {
	plain, err := json.Marshal(sealedCookie{session.ID, session.turn, session.record, t})
	if err != nil { // plain data
		panic(fmt.Sprintf("encode a session: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(sh.sealer.Seal(deflate.Compress(deflate.Small, plain), sh.aad))
}

// findSealed returns the session in the value of a cookie, or ErrNone. A value that we have not sealed is logged.
func (s *Sessions) findSealed(ctx context.Context, value string) (*Session, error) {
	c, sealed, err := s.shelf.open(value)
	if err != nil {
		s.Logger.InfoContext(ctx, "a session cookie cannot be read", "frontend", s.Frontend, "cause", err.Error())
		return nil, ErrNone
	}
	session := s.session(c.ID, c.Record, 0)
	session.held, session.turn = c.Tokens, c.Turn
	session.dirty = !bytes.HasPrefix(sealed, s.secretID) // by an earlier secret
	if session, err = s.shelf.newest(session); err != nil {
		return nil, err
	}
	if c.Record.Frontend != s.Frontend || c.Record.ClientID != s.ClientID || !time.Now().Before(session.Expires()) {
		return nil, ErrNone
	}
	return session, nil
}

func (sh *shelf) open(value string) (*sealedCookie, []byte, error) {
	if len(value) > maxSealed {
		return nil, nil, errors.New("too long")
	}
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil, nil, errors.New("not base64 text")
	}
	packed, err := sh.sealer.Open(sealed, sh.aad)
	if err != nil {
		return nil, nil, err
	}
	plain, err := deflate.Expand(packed, 1<<20)
	if err != nil {
		return nil, nil, err
	}
	c := &sealedCookie{}
	if err := json.Unmarshal(plain, c); err != nil || c.Record == nil || c.Tokens == nil {
		return nil, nil, errors.New("not a session")
	}
	return c, sealed, nil
}

// Keep adds to the header of an answer what has changed in a sealed session since its request came. With a store it
// does nothing.
func (s *Sessions) Keep(answer http.Header, session *Session) {
	if !s.Sealed() || session == nil || !session.dirty {
		return
	}
	value, err := s.sealCookie(session)
	if err != nil { // the old cookie stays, and its tokens are refreshed again
		s.Logger.Warn("a session cookie was not renewed", "frontend", s.Frontend, "cause", err.Error())
		return
	}
	answer.Add("Set-Cookie", s.newCookie(value).String())
}

// refreshSealed is refresh for a session in a cookie.
func (s *Sessions) refreshSealed(ctx context.Context, session *Session, resource string, want func(*tokens) bool) (*Session, error) {
	session, err := s.shelf.newest(session)
	if err != nil {
		return nil, ErrEnded
	}
	if want(session.held) {
		return session, nil
	}
	if session.held.Refresh == "" {
		s.shelf.end(session)
		s.watched.end(session.ID)
		return nil, ErrEnded
	}
	g, err := s.ask(ctx, session.held.Refresh, resource)
	if err != nil {
		if err = s.classify(ctx, err); errors.Is(err, ErrEnded) {
			s.shelf.end(session)
			s.watched.end(session.ID)
		}
		return nil, err
	}
	if g.User != nil && g.User.Subject != session.Subject {
		return nil, cmp.Or(s.SignOut(ctx, session, AnotherUser), error(ErrEnded))
	}
	record, t := *session.record, *session.held
	t.Access = maps.Clone(t.Access)
	t.add(g)
	setUser(&record, g.User)
	if g.IssuedAt.After(record.TokensAt) {
		record.TokensAt = g.IssuedAt
	}
	renewed := s.session(session.ID, &record, 0)
	renewed.held, renewed.dirty, renewed.turn = &t, true, session.turn+1
	if _, err := s.shelf.newest(renewed); err != nil { // it ended meanwhile
		s.revoke(ctx, t.Refresh)
		return nil, ErrEnded
	}
	s.shelf.put(renewed)
	return renewed, nil
}

// touchSealed is Touch for a session in a cookie.
func (s *Sessions) touchSealed(session *Session) (*Session, bool, error) {
	session, err := s.shelf.newest(session)
	if err != nil || !time.Now().Before(session.Expires()) {
		return nil, false, ErrEnded
	}
	at := storage.Now()
	if at.Sub(session.ActiveAt) < s.Idle/activityParts {
		return session, false, nil
	}
	record := *session.record
	record.ActiveAt = at
	now := s.session(session.ID, &record, 0)
	now.held, now.dirty, now.turn = session.held, true, session.turn
	s.shelf.put(now)
	return now, true, nil
}

// Leftover is what Retire needs later, when the browser no longer sends a session's cookie. With a store there is
// none.
func (s *Sessions) Leftover(session *Session) string {
	if !s.Sealed() {
		return ""
	}
	return session.held.Refresh
}

// Retire ends a sealed session by its Leftover.
func (s *Sessions) Retire(ctx context.Context, id, leftover string) {
	s.shelf.end(&Session{ID: id, ExpiresAt: time.Now().Add(s.Max)})
	s.watched.end(id)
	if leftover != "" {
		s.revoke(ctx, leftover)
	}
}
