package websession

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/bff/provider"
	"github.com/authzd/authzd/storage"
)

// tokens are what a session's record holds sealed.
type tokens struct {
	Refresh string            `json:"refresh,omitempty"`
	ID      string            `json:"id,omitempty"`
	Access  map[string]access `json:"access,omitempty"` // by resource
	Last    string            `json:"last,omitempty"`   // resource of the newest one
}

// access is an access token.
type access struct {
	Token string    `json:"token"`
	DueAt time.Time `json:"due_at,omitzero"` // when a new one is needed; zero: unknown
}

// Start makes a session of a sign-in, and gives it to the browser.
func (s *Sessions) Start(ctx context.Context, w http.ResponseWriter, g *provider.Grant) (*Session, error) {
	now := storage.Now()
	record := &storage.BFFSession{
		Frontend: s.Frontend, ClientID: s.ClientID, GrantID: g.GrantID,
		CreatedAt: now, ActiveAt: now, TokensAt: g.IssuedAt,
	}
	setUser(record, g.User)
	t := &tokens{}
	t.add(g)
	if s.Sealed() {
		return s.startSealed(w, record, t)
	}
	value, id := newValue()
	s.seal(record, id, t)
	session := s.session(id, record, 0)
	writes := append(s.refs(session), s.put(session, storage.Absent), s.lookAt(session))
	if err := s.Store.Apply(ctx, append(writes, s.RecordBegin(ctx, session)...)...); err != nil {
		return nil, fmt.Errorf("store the session: %w", err)
	}
	s.setCookie(w, value)
	return session, nil
}

// Find returns the session of a request. The error is ErrNone, ErrCookies, an *UnavailableError, or one of the store.
// It does not count as activity.
func (s *Sessions) Find(r *http.Request) (*Session, error) {
	return s.find(r, func(record *storage.BFFSession) bool { return record.Parent == "" || record.Host == r.Host })
}

// FindAt is Find for a request that a proxy describes: host is that of the request which the proxy has. It finds only
// what was lent to that host.
func (s *Sessions) FindAt(r *http.Request, host string) (*Session, error) {
	return s.find(r, func(record *storage.BFFSession) bool { return record.Parent != "" && record.Host == host })
}

func (s *Sessions) find(r *http.Request, isFor func(*storage.BFFSession) bool) (*Session, error) {
	values, err := s.values(r)
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		session, err := s.ofCookie(r.Context(), value, isFor)
		if errors.Is(err, ErrNone) {
			continue
		} else if err != nil {
			return nil, err
		}
		return s.judged(r.Context(), session)
	}
	return nil, ErrNone
}

// ofCookie returns the session of the value of a cookie, or ErrNone.
func (s *Sessions) ofCookie(ctx context.Context, value string, isFor func(*storage.BFFSession) bool) (*Session, error) {
	switch {
	case s.Sealed():
		return s.findSealed(ctx, value)
	case !isValue(value):
		return nil, ErrNone
	}
	return s.loadFor(ctx, Hash(value), isFor)
}

// ByID returns the live session of an ID, or ErrNone. It is for IDs that were kept on the server: an ID is no proof.
// Sealed sessions have none.
func (s *Sessions) ByID(ctx context.Context, id string) (*Session, error) {
	if s.Sealed() {
		return nil, ErrNone
	}
	session, err := s.load(ctx, id)
	if err != nil || session.record.Parent != "" {
		return nil, cmp.Or(err, ErrNone)
	}
	return s.judged(ctx, session)
}

// judged returns the session if the feed has nothing against it. A session whose tokens count no longer gets new ones
// first, so that it has the user's present roles.
func (s *Sessions) judged(ctx context.Context, session *Session) (*Session, error) {
	verdict, err := s.Judge(session)
	switch {
	case err != nil:
		return nil, err
	case verdict == Over:
		return nil, errors.Join(ErrNone, s.SignOut(ctx, session, FeedEnd))
	case verdict == Outdated:
		return s.renewed(ctx, session)
	}
	return session, nil
}

// renewed returns the session with new tokens, if these count.
func (s *Sessions) renewed(ctx context.Context, session *Session) (*Session, error) {
	session, err := s.renew(ctx, session)
	if errors.Is(err, ErrEnded) {
		return nil, ErrNone
	} else if err != nil {
		return nil, err
	}
	if verdict, err := s.Judge(session); err != nil || verdict != Valid {
		err = cmp.Or(err, error(&UnavailableError{RetryAfter: retryAfter, Err: errors.New("the provider gives no token that counts")}))
		s.flights.rest(session.ID, err)
		return nil, err
	}
	return session, nil
}

// loadFor is load for the value of a cookie. A session that was handed over is that of the host where it began.
func (s *Sessions) loadFor(ctx context.Context, id string, isFor func(*storage.BFFSession) bool) (*Session, error) {
	session, err := s.load(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !isFor(session.record):
		return nil, ErrNone
	case session.record.Parent == "":
		return session, nil
	}
	return s.load(ctx, session.record.Parent)
}

// Lend gives the browser the session at another host, which this answer comes from. Find returns the same session
// there, and both end together.
func (s *Sessions) Lend(ctx context.Context, w http.ResponseWriter, session *Session, host string) error {
	if s.Sealed() {
		return errors.New("a sealed session can be lent to no host")
	}
	value, id := newValue()
	now := storage.Now()
	record := &storage.BFFSession{Frontend: s.Frontend, ClientID: s.ClientID, Parent: session.ID, Host: host, CreatedAt: now, ActiveAt: now}
	s.seal(record, id, &tokens{})
	lent := s.session(id, record, 0)
	lent.ExpiresAt = session.ExpiresAt
	writes := append(s.refs(lent), storage.BFFSessions.Put(id, record, storage.Absent, lent.ExpiresAt))
	if err := s.Store.Apply(ctx, writes...); err != nil {
		return fmt.Errorf("store the session of another host: %w", err)
	}
	s.setCookie(w, value)
	return nil
}

// load returns the session of an ID, or ErrNone.
func (s *Sessions) load(ctx context.Context, id string) (*Session, error) {
	record, version, err := storage.BFFSessions.Get(ctx, s.Store, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, ErrNone
	} else if err != nil {
		return nil, fmt.Errorf("read the session: %w", err)
	}
	session := s.session(id, record, version)
	if record.Frontend != s.Frontend || record.ClientID != s.ClientID || record.Parent == "" && !time.Now().Before(session.Expires()) {
		return nil, ErrNone
	}
	return session, nil
}

// session is a record as callers see it.
func (s *Sessions) session(id string, r *storage.BFFSession, version uint64) *Session {
	return &Session{
		ID: id, Frontend: r.Frontend, ClientID: r.ClientID, GrantID: r.GrantID,
		User: provider.User{
			Subject: r.Subject, SID: r.SID, ACR: r.ACR, AMR: r.AMR,
			Roles: r.Roles, Groups: r.Groups, Claims: r.Claims, AuthTime: r.AuthTime,
		},
		CreatedAt: r.CreatedAt, ActiveAt: r.ActiveAt, TokensAt: r.TokensAt,
		IdleExpiresAt: r.ActiveAt.Add(s.Idle), ExpiresAt: r.CreatedAt.Add(s.Max),
		record: r, version: version,
	}
}

func setUser(r *storage.BFFSession, u *provider.User) {
	if u == nil {
		return
	}
	r.Subject, r.SID, r.ACR, r.AMR = u.Subject, u.SID, u.ACR, u.AMR
	r.Roles, r.Groups, r.Claims, r.AuthTime = u.Roles, u.Groups, u.Claims, u.AuthTime
}

// put is the write that stores a session. The record outlives the session, so that Watch finds it.
func (s *Sessions) put(session *Session, cond storage.Condition) storage.Write {
	return storage.BFFSessions.Put(session.ID, session.record, cond, session.Expires().Add(afterlife))
}

// refs are the writes that let a session be found by what it may end with.
func (s *Sessions) refs(session *Session) []storage.Write {
	var writes []storage.Write
	for by, value := range session.refKeys() {
		key := storage.BFFRefKey(by, session.ClientID, value, session.ID)
		writes = append(writes, storage.BFFRefs.Put(key, &storage.BFFRef{}, storage.Any, session.ExpiresAt))
	}
	return writes
}

func (s *Session) refKeys() map[string]string {
	if s.record.Parent != "" {
		return map[string]string{storage.BFFByParent: s.record.Parent}
	}
	keys := map[string]string{storage.BFFBySubject: s.Subject}
	if s.SID != "" {
		keys[storage.BFFBySID] = s.SID
	}
	return keys
}

// seal puts the tokens into the record.
func (s *Sessions) seal(r *storage.BFFSession, id string, t *tokens) {
	plain, err := json.Marshal(t)
	if err != nil { // tokens are plain data
		panic(fmt.Sprintf("encode tokens: %v", err))
	}
	r.Sealed = s.sealer.Seal(plain, []byte(id))
}

var errSealed = errors.New("open the tokens of a session")

// open returns the tokens of the session.
func (s *Sessions) open(session *Session) (*tokens, error) {
	t := &tokens{}
	if session.held != nil {
		return session.held, nil
	}
	if len(session.record.Sealed) == 0 {
		return t, nil
	}
	plain, err := s.sealer.Open(session.record.Sealed, []byte(session.ID))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSealed, err)
	}
	return t, json.Unmarshal(plain, t)
}

// have reports whether add has taken this grant, and nothing newer for its resource.
func (t *tokens) have(g *provider.Grant) bool {
	return g.AccessToken != "" && t.Access[g.Resource].Token == g.AccessToken && (g.RefreshToken == "" || t.Refresh == g.RefreshToken)
}

// add takes what a grant brought.
func (t *tokens) add(g *provider.Grant) {
	if g.RefreshToken != "" {
		t.Refresh = g.RefreshToken
	}
	if g.IDToken != "" {
		t.ID = g.IDToken
	}
	if g.AccessToken == "" {
		return
	}
	if t.Access == nil {
		t.Access = map[string]access{}
	}
	a := access{Token: g.AccessToken}
	if !g.ExpiresAt.IsZero() {
		a.DueAt = g.ExpiresAt.Add(-min(early, time.Until(g.ExpiresAt)/10)).UTC()
	}
	t.Access[g.Resource], t.Last = a, g.Resource
}

// activityParts is into how many parts the idle limit is divided: activity is recorded at most once in each.
const activityParts = 20

// Touch records that the user is active, at most once in a twentieth of the idle limit. recorded is false if that was
// done lately. It returns the session as it is now, or ErrEnded.
func (s *Sessions) Touch(ctx context.Context, session *Session) (now *Session, recorded bool, err error) {
	if s.Sealed() {
		return s.touchSealed(session)
	}
	err = storage.Retry(func() error {
		now, err = s.load(ctx, session.ID)
		if errors.Is(err, ErrNone) {
			return ErrEnded
		} else if err != nil {
			return err
		}
		at := storage.Now()
		if recorded = at.Sub(now.ActiveAt) >= s.Idle/activityParts; !recorded {
			return nil
		}
		now.record.ActiveAt = at
		now = s.session(now.ID, now.record, now.version)
		return s.Store.Apply(ctx, s.put(now, storage.At(now.version)))
	})
	if err != nil {
		return nil, false, err
	}
	return now, recorded, nil
}

// IDToken returns the ID token of the session, for the hint of a logout; empty: there is none.
func (s *Sessions) IDToken(session *Session) (string, error) {
	t, err := s.open(session)
	if err != nil {
		return "", err
	}
	return t.ID, nil
}
