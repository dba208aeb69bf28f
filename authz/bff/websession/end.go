package websession

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/authzd/authzd/storage"
)

// End ends a session and those that were handed over from it, and revokes its tokens at the provider. A session that
// has ended is no error. also are made in the same Apply as the end, if there is one.
func (s *Sessions) End(ctx context.Context, id string, why Cause, also ...storage.Write) error {
	var session *Session
	err := storage.Retry(func() error {
		session = nil
		record, version, err := storage.BFFSessions.Get(ctx, s.Store, id)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		session = s.session(id, record, version)
		return s.Store.Apply(ctx, append(s.ended(ctx, session, why), also...)...)
	})
	if err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	if session == nil { // but a part of its end may be left, if a process was killed
		session = &Session{ID: id, record: &storage.BFFSession{}}
	}
	return s.afterEnd(ctx, session, why)
}

// SignOut is End for a session of a request. It ends a sealed one too: here at once, elsewhere by the feed, because its
// refresh token is revoked.
func (s *Sessions) SignOut(ctx context.Context, session *Session, why Cause) error {
	if s.Sealed() {
		s.Retire(ctx, session.ID, session.held.Refresh)
		return nil
	}
	return s.End(ctx, session.ID, why)
}

// ended are the writes that end a session which has just been read, with the record of that.
func (s *Sessions) ended(ctx context.Context, session *Session, why Cause) []storage.Write {
	writes := []storage.Write{storage.BFFSessions.Delete(session.ID, storage.At(session.version))}
	for by, value := range session.refKeys() {
		writes = append(writes, storage.BFFRefs.Delete(storage.BFFRefKey(by, session.ClientID, value, session.ID), storage.Any))
	}
	if session.record.Parent != "" { // the end of its parent is recorded
		return writes
	}
	return append(writes, s.RecordEnd(ctx, session, why)...)
}

// afterEnd does what follows when a session is gone from the store. If nobody can open its tokens, they cannot be revoked
// either.
func (s *Sessions) afterEnd(ctx context.Context, session *Session, why Cause) error {
	s.watched.end(session.ID)
	if t, err := s.open(session); err == nil && t.Refresh != "" && why != TokensDead {
		s.revoke(ctx, t.Refresh)
	}
	return s.endAll(ctx, storage.BFFRefKey(storage.BFFByParent, s.ClientID, session.ID, ""), why)
}

const revokeTimeout = 3 * time.Second

// revoke tells the provider. If it cannot be told, the token dies at its own time; nobody has it any more.
func (s *Sessions) revoke(ctx context.Context, refreshToken string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if err := s.Revoke(ctx, refreshToken); err != nil {
		s.Logger.WarnContext(ctx, "a refresh token was not revoked at the provider", "frontend", s.Frontend, "cause", err.Error())
	}
}

// EndBySID ends the sessions of a session of the provider, which said that it is over.
func (s *Sessions) EndBySID(ctx context.Context, sid string) error {
	return s.endAll(ctx, storage.BFFRefKey(storage.BFFBySID, s.ClientID, sid, ""), BackChannel)
}

// EndBySubject ends all sessions of a user. The provider said so.
func (s *Sessions) EndBySubject(ctx context.Context, subject string) error {
	return s.endAll(ctx, storage.BFFRefKey(storage.BFFBySubject, s.ClientID, subject, ""), BackChannel)
}

// endAll ends the sessions whose references begin with a prefix. It goes on after an error.
func (s *Sessions) endAll(ctx context.Context, prefix string, why Cause) error {
	if s.Sealed() {
		return nil // nobody knows where the cookies are: the feed ends them
	}
	var errs []error
	for ref, err := range storage.BFFRefs.All(ctx, s.Store, prefix) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, s.End(ctx, ref.Key[len(prefix):], why))
	}
	return errors.Join(errs...)
}

// watched are the sessions that somebody waits for the end of.
type watched struct {
	mu       sync.Mutex
	sessions map[string]*watch // by ID
}

type watch struct {
	ended   chan struct{}
	session *Session // as it was
	waiting int
	looking atomic.Bool // Run waits for the store
}

// Ended returns a channel that is closed within two seconds after the session has ended, here or at another replica,
// or has new roles. Call stop when the end is of no more interest. Run must be running.
func (s *Sessions) Ended(session *Session) (ended <-chan struct{}, stop func()) {
	s.watched.mu.Lock()
	defer s.watched.mu.Unlock()
	w := s.watched.sessions[session.ID]
	if w == nil {
		w = &watch{ended: make(chan struct{}), session: session.clone()}
		s.watched.sessions[session.ID] = w
	}
	w.waiting++
	return w.ended, sync.OnceFunc(func() { s.watched.leave(session.ID, w) })
}

func (w *watched) leave(id string, left *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if left.waiting--; left.waiting == 0 && w.sessions[id] == left {
		delete(w.sessions, id)
	}
}

func (w *watched) end(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.sessions[id]; one != nil {
		close(one.ended)
		delete(w.sessions, id)
	}
}

func (w *watched) all() map[string]*watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.sessions)
}

// same reports whether the session is worth what it was when somebody began to wait for its end.
func (s *Sessions) same(session *Session, w *watch) bool {
	verdict, err := s.Judge(session)
	return (err != nil || verdict == Valid) && slices.Equal(session.Roles, w.session.Roles) && slices.Equal(session.Groups, w.session.Groups)
}

// present returns a watched session as it is now, or ErrNone.
func (s *Sessions) present(ctx context.Context, w *watch) (*Session, error) {
	if !s.Sealed() {
		return s.load(ctx, w.session.ID)
	}
	session, err := s.shelf.newest(w.session.clone())
	if err == nil && !time.Now().Before(session.Expires()) {
		err = ErrNone
	}
	return session, err
}

const (
	lookEvery    = time.Second            // how often Run asks whether watched sessions have ended elsewhere
	lookPatience = 800 * time.Millisecond // for the store, with one session
	looksAtOnce  = 16
)

// Run closes the channels of Ended until ctx ends. A session that the store does not answer for holds up no other.
func (s *Sessions) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var looks sync.WaitGroup
	defer looks.Wait()
	slots := make(chan struct{}, looksAtOnce)
	for {
		news := s.Changed()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-news:
		}
		for id, w := range s.watched.all() {
			if !w.looking.CompareAndSwap(false, true) {
				continue // the look before has no answer yet
			}
			select {
			case <-ctx.Done():
				return
			case slots <- struct{}{}:
			}
			looks.Go(func() {
				s.look(ctx, id, w)
				w.looking.Store(false)
				<-slots
			})
		}
	}
}

// look closes the channel of a watched session if it has ended. An error of the store ends nothing.
func (s *Sessions) look(ctx context.Context, id string, w *watch) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	session, err := s.present(ctx, w)
	if errors.Is(err, ErrNone) || err == nil && !s.same(session, w) {
		s.watched.end(id)
	}
}
