package selfservice

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/outbox"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// ResetPage asks for the address of an account, then for the code, then for a new password. With a link, it asks for
// the password at once.
func (s *Service) ResetPage(w http.ResponseWriter, r *http.Request) error {
	q, err := s.open(w, r)
	if err != nil {
		return err
	}
	if !q.params.Has("link") && !q.params.Has("id") {
		s.showForgot(w, q, http.StatusOK, templates.ForgotPassword{Email: q.LoginHint()})
		return nil
	}
	l, _, err := s.findReset(q, proof.Reset)
	switch {
	case err == nil:
		s.showSetPassword(w, q, http.StatusOK, l, templates.SetPassword{}, nil)
		return nil
	case !errors.Is(err, proof.ErrVoid):
		return err
	case q.params.Has("link"):
		return s.expired(w, q, proof.Reset, "", "/reset")
	}
	asked, err := s.Proofs.Asked(r.Context(), proof.Reset, q.params.Get("id"), q.browser)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Reset, "", "/reset")
	} else if err != nil {
		return err
	}
	s.showCode(w, q, http.StatusOK, "/reset", "/reset", asked, templates.NoProblem)
	return nil
}

func (s *Service) showForgot(w http.ResponseWriter, q *request, status int, p templates.ForgotPassword) {
	p.UILocales, p.Client, p.LoginURL = q.UILocales(), q.Client(), q.LoginURL()
	p.Action, p.Hidden = s.Issuer.URL("/reset"), q.Hidden(nil)
	s.Pages.Render(w, q.r, status, p)
}

// findReset returns the proof that a request shows by its link, or by a code that was typed in this browser, and its
// user. The error is proof.ErrVoid if it does not work, or if the user has changed since.
func (s *Service) findReset(q *request, kind proof.Kind) (*proof.Live, *storedUser, error) {
	ctx := q.r.Context()
	var l *proof.Live
	var err error
	if q.params.Has("link") {
		l, err = s.Proofs.ByLink(ctx, kind, q.params.Get("link"))
	} else {
		l, err = s.Proofs.Proved(ctx, kind, q.params.Get("id"), q.browser)
	}
	if err != nil {
		return nil, nil, err
	}
	user, version, err := storage.Users.Get(ctx, s.Store, l.UserID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, nil, proof.ErrVoid
	case err != nil:
		return nil, nil, err
	case user.Disabled, l.Pin != proof.PinOf(user), !sameAddress(user.Profile.Email, l.Email):
		return nil, nil, proof.ErrVoid
	}
	return l, &storedUser{user, version}, s.waitsFor(q, l)
}

// storedUser is a user as it was read.
type storedUser struct {
	*storage.User
	version uint64
}

func sameAddress(a, b string) bool {
	keyA, errA := users.NormalizeEmail(a)
	keyB, errB := users.NormalizeEmail(b)
	return errA == nil && errB == nil && keyA == keyB
}

func (s *Service) showSetPassword(w http.ResponseWriter, q *request, status int, l *proof.Live, p templates.SetPassword, refusal *password.Refusal) {
	hidden, page := map[string]string{"id": q.params.Get("id")}, "/reset"
	if q.params.Has("link") {
		hidden = map[string]string{"link": q.params.Get("link")}
	}
	if p.Invited {
		page = "/signup"
	}
	p.UILocales, p.Client, p.Action, p.Hidden, p.Email = q.UILocales(), q.Client(), s.Issuer.URL(page), q.Hidden(hidden), l.Email
	p.NewPassword = s.newPassword(nil, refusal)
	s.Pages.Render(w, q.r, status, p)
}

// ResetForm takes the forms of the page.
func (s *Service) ResetForm(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	q, err := s.openForm(w, r)
	switch {
	case err != nil:
		return err
	case q.params.Has("new-password"):
		return s.reset(w, q)
	case q.params.Has("otp"):
		ok, err := s.tryCode(w, q, proof.Reset, "/reset", "/reset")
		if ok {
			http.Redirect(w, r, q.URL("/reset", url.Values{"id": {q.params.Get("id")}}), http.StatusSeeOther)
		}
		return err
	case q.params.Get("again") == "yes":
		asked, err := s.Proofs.Asked(r.Context(), proof.Reset, q.params.Get("id"), q.browser)
		if errors.Is(err, proof.ErrVoid) {
			return s.expired(w, q, proof.Reset, "", "/reset")
		} else if err != nil {
			return err
		}
		return s.askReset(w, q, began, asked.Email)
	}
	return s.askReset(w, q, began, strings.TrimSpace(q.params.Get("email")))
}

// askReset sends a mail with a link and a code, if the address leads to a user who may have a new password. The browser
// can't tell.
func (s *Service) askReset(w http.ResponseWriter, q *request, began time.Time, address string) error {
	if _, err := users.NormalizeEmail(address); err != nil {
		s.showForgot(w, q, http.StatusUnprocessableEntity, templates.ForgotPassword{Email: address, Problem: templates.InvalidEmail})
		return nil
	}
	ctx := q.r.Context()
	wait, err := s.take(q.r, "reset", resetsOfNetwork, resetsOfAll)
	if err != nil {
		return err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		s.showForgot(w, q, http.StatusTooManyRequests, templates.ForgotPassword{Email: address, Problem: templates.TooManyMails})
		return nil
	}
	id := ""
	err = storage.Retry(func() error {
		user, err := s.Accounts.ByAddress(ctx, address)
		if err != nil {
			return err
		}
		ask := proof.Ask{Kind: proof.Reset, Email: address, Decoy: true, Browser: q.browser, Remote: remote(ctx), Client: q.ClientID(), Flow: q.Sealed()}
		var message mail.Message
		if user != nil && !user.Disabled {
			ask.UserID, ask.Pin = user.ID, proof.PinOf(user)
			if message, err = s.noPassword(ctx, user); err != nil {
				return err
			}
			ask.Decoy = message != nil
		}
		made, err := s.Proofs.Make(ctx, ask)
		if err != nil {
			return err
		}
		writes, mailed := made.Writes, made.MayMail && ask.UserID != ""
		if mailed {
			if message == nil {
				message = mail.ResetPassword{Proof: inMail(made, "/reset", proof.Reset)}
			}
			writes = append(writes, s.Outbox.Mail(outbox.Recipient(user, q.acceptLanguage()), message)...)
		}
		id = made.ID
		s.Events.ProofAsked(ctx, string(proof.Reset), ask.UserID, mailed)
		return s.Store.Apply(ctx, writes...)
	})
	if err != nil {
		return err
	}
	return s.checkMail(w, q, began, "/reset", id)
}

// noPassword returns the mail to a user who has no password and signs in in other ways: those stay the only ones. It
// is nil for others.
func (s *Service) noPassword(ctx context.Context, user *storage.User) (mail.Message, error) {
	if user.PasswordHash != "" || !user.PasswordEndedAt.IsZero() {
		return nil, nil
	}
	identities, err := s.Accounts.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	var ways []string
	for _, l := range identities {
		if s.Connectors.Has(l.Issuer) {
			ways = append(ways, s.Connectors.Name(l.Connector))
		}
	}
	if len(ways) == 0 {
		return nil, nil
	}
	return mail.NoPassword{Ways: strings.Join(oauth.Unique(ways), ", "), Link: "/login"}, nil
}

// reset takes the new password. It changes nothing else of how the user signs in: other factors are still asked for.
// All sessions and grants end, and all links that wait.
func (s *Service) reset(w http.ResponseWriter, q *request) error {
	l, user, err := s.findReset(q, proof.Reset)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Reset, "", "/reset")
	} else if err != nil {
		return err
	}
	typed := q.params.Get("new-password")
	if refusal := s.judge(q.r, user.ID, typed, person(user.User)); refusal != nil {
		s.showSetPassword(w, q, http.StatusUnprocessableEntity, l, templates.SetPassword{}, refusal)
		return nil
	}
	err = s.setPassword(q, proof.Reset, typed, nil)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Reset, user.ID, "/reset")
	} else if err != nil {
		return err
	}
	s.Pages.Render(w, q.r, http.StatusOK, templates.Notice{
		UILocales: q.UILocales(), Client: q.Client(), What: templates.PasswordSaved, Email: l.Email, NextURL: q.LoginURL(),
	})
	return nil
}

// person describes a user to the policy of passwords.
func person(user *storage.User) password.Person {
	described := account.Describe(user)
	return password.Of(&described)
}

// setPassword sets the password of the user of a proof, and uses it up. It looks at the proof again: another request may
// have used it. change, if not nil, changes more.
func (s *Service) setPassword(q *request, kind proof.Kind, typed string, change func(*storage.User)) error {
	ctx := q.r.Context()
	hash, err := s.Accounts.Hash(ctx, typed)
	if err != nil {
		return err
	}
	err = storage.Retry(func() error {
		l, user, err := s.findReset(q, kind)
		if err != nil {
			return err
		}
		changed := *user.User
		account.SetHash(&changed, hash)
		changed.Profile.EmailVerified = true // they have read the mail
		end := feed.User(user.ID)
		changed.Epoch++
		changed.NotBefore, changed.UpdatedAt = max(changed.NotBefore, end.Before()), storage.Now()
		if change != nil {
			change(&changed)
		}
		writes, err := s.Accounts.ChangeWrites(ctx, user.User, user.version, &changed)
		if err != nil {
			return err
		}
		ended, err := s.Logout.EndingWrites(ctx, user.ID)
		if err != nil {
			return err
		}
		distrust, err := s.Accounts.DistrustWrites(ctx, user.ID)
		if err != nil {
			return err
		}
		writes = append(append(append(writes, ended...), distrust...), l.UseWrites()...)
		writes = append(writes, voidOthers(user.ID, kind)...)
		writes = append(writes, s.Accounts.UnlockWrites(&changed)...)
		writes = append(writes, s.Events.PasswordProved(ctx, user.ID, string(kind), end)...)
		if kind == proof.Reset {
			writes = append(writes, s.Outbox.Notify(&changed, q.acceptLanguage(), mail.PasswordChanged{Link: "/reset", Where: interaction.WhereOf(q.r)})...)
		}
		return s.Store.Apply(ctx, writes...)
	})
	s.Accounts.Distrusted()
	return err
}

// voidOthers are the writes that void the proofs of a user of the other kinds.
func voidOthers(userID string, used proof.Kind) (writes []storage.Write) {
	for _, kind := range []proof.Kind{proof.Reset, proof.Invite, proof.Email} {
		if kind != used {
			writes = append(writes, proof.VoidWrites(userID, kind)...)
		}
	}
	return writes
}
