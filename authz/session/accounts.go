package session

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/authzd/authzd/storage"
)

// Several people, or one person with several accounts, can be signed in in one browser. It has a cookie for each
// session: the first is of the account in use, the others follow by their last use.
//
//	sign-in -> Start     its session moves to the front; the former session of the same account is gone
//	chooser -> Use       so does the session of the chosen account
//	logout  -> Forget    the sessions that live on move up

// MaxAccounts is how many accounts can be signed in in one browser. When another signs in, the session of the one
// that was unused for the longest time ends.
const MaxAccounts = 5

// Account is an account that is signed in in a browser.
type Account struct {
	Session *Session
	User    *storage.User
}

// Accounts returns the accounts that are signed in in this browser, that in use first.
func (m *Sessions) Accounts(ctx context.Context, r *http.Request) ([]Account, error) {
	var accounts []Account
	for a, err := range m.accounts(ctx, r) {
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// SignedIn returns the live session of the account in use and its user, or nil if nobody is signed in.
func (m *Sessions) SignedIn(ctx context.Context, r *http.Request) (*Session, *storage.User, error) {
	for a, err := range m.accounts(ctx, r) {
		return a.Session, a.User, err
	}
	return nil, nil, nil
}

func (m *Sessions) accounts(ctx context.Context, r *http.Request) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		for h, err := range m.held(ctx, r) {
			if err != nil {
				yield(Account{}, err)
				return
			}
			user, _, err := storage.Users.Get(ctx, m.store, h.UserID)
			switch {
			case errors.Is(err, storage.ErrNotFound):
			case err != nil:
				yield(Account{}, err)
				return
			case h.BelongsTo(user):
				if !yield(Account{h.Session, user}, nil) {
					return
				}
			}
		}
	}
}

// holding is a live session with the ticket by which a browser holds it.
type holding struct {
	*Session
	ticket ticket
}

// held reads the live sessions of a browser, that in use first. If there are several cookies of one name, a stale one
// does not hide a valid one.
func (m *Sessions) held(ctx context.Context, r *http.Request) iter.Seq2[holding, error] {
	return func(yield func(holding, error) bool) {
		var seen []string
		for _, tickets := range m.tickets(r) {
			for _, t := range tickets {
				if slices.Contains(seen, t.sid) {
					continue
				}
				s, err := m.LoadByID(ctx, t.sid)
				if err != nil {
					yield(holding{}, err)
					return
				}
				if s == nil || !t.opens(s) {
					continue
				}
				seen = append(seen, t.sid)
				if !yield(holding{s, t}, nil) {
					return
				}
				break
			}
		}
	}
}

func (m *Sessions) allHeld(ctx context.Context, r *http.Request) (all []holding, err error) {
	for h, err := range m.held(ctx, r) {
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// Use makes a session that the browser holds the one in use. It does nothing if the browser does not hold it.
func (m *Sessions) Use(ctx context.Context, w http.ResponseWriter, r *http.Request, sid string) error {
	all, err := m.allHeld(ctx, r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(h holding) bool { return h.ID == sid })
	if i > 0 {
		chosen := all[i]
		m.hold(w, r, slices.Insert(slices.Delete(all, i, i+1), 0, chosen))
	}
	return nil
}

// Forget deletes the cookies of sessions that have ended. The sessions that live on move up.
func (m *Sessions) Forget(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	all, err := m.allHeld(ctx, r)
	if err == nil {
		m.hold(w, r, all)
	}
	return err
}

// hold sets and deletes cookies, so that the browser holds these sessions in this order.
func (m *Sessions) hold(w http.ResponseWriter, r *http.Request, sessions []holding) {
	for slot, name := range m.slots {
		sent := r.CookiesNamed(name)
		switch {
		case slot >= len(sessions):
			if len(sent) > 0 {
				m.SetCookie(w, name, "", -time.Second)
			}
		case len(sent) != 1 || sent[0].Value != sessions[slot].ticket.String():
			m.setSlot(w, slot, sessions[slot].Session, sessions[slot].ticket)
		}
	}
}

// renew gives the browser the new secret of a session that it holds.
func (m *Sessions) renew(w http.ResponseWriter, r *http.Request, s *Session, secret string) {
	all := m.tickets(r)
	slot := slices.IndexFunc(all[:], func(tickets []ticket) bool {
		return slices.ContainsFunc(tickets, func(t ticket) bool { return t.sid == s.ID })
	})
	m.setSlot(w, max(slot, 0), s, ticket{s.ID, secret})
}

func (m *Sessions) setSlot(w http.ResponseWriter, slot int, s *Session, t ticket) {
	var lifetime time.Duration
	if s.Remember && m.config.RememberMe > 0 {
		_, absolute := m.Limits(s)
		lifetime = max(time.Until(absolute).Round(time.Second), time.Second)
	}
	m.SetCookie(w, m.slots[slot], t.String(), lifetime)
}
