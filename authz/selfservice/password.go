package selfservice

import (
	"errors"
	"net/http"
	"time"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/events"
	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/observe"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/authz/session"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// A person changes their password after a sign-in of just now, by the present one. One who has none gets one.
//
//	present, new -> right? -> policy -> one Apply: the password, the end of links, sessions and grants, the mail
//	                                 -> this browser goes on with a new session

const passwordPath = "/account/password"

// errChanged says that the user was changed by another request.
var errChanged = errors.New("the account was changed meanwhile")

// PasswordPage asks for the present password and a new one.
func (s *Service) PasswordPage(w http.ResponseWriter, r *http.Request) error {
	_, user, err := s.Interaction.Fresh(w, r, passwordPath)
	if err != nil || user == nil {
		return err
	}
	s.showPassword(w, r, http.StatusOK, user, templates.ChangePassword{EndOthers: true}, nil)
	return nil
}

func (s *Service) showPassword(w http.ResponseWriter, r *http.Request, status int, user *storage.User, p templates.ChangePassword, refusal *password.Refusal) {
	p.Action, p.AccountURL, p.Hidden = s.Issuer.URL(passwordPath), s.Issuer.URL("/account"), map[string]string{"user": user.ID}
	p.User, p.HasPassword, p.NewPassword = pages.User(user), user.PasswordHash != "", s.newPassword(user.Roles, refusal)
	s.Pages.Render(w, r, status, p)
}

// PasswordForm takes the form of the page.
func (s *Service) PasswordForm(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	signedIn, user, err := s.Interaction.Fresh(w, r, passwordPath)
	if err != nil || user == nil {
		return err
	}
	if form.Get("user") != user.ID { // another account is signed in by now
		http.Redirect(w, r, s.Issuer.URL(passwordPath), http.StatusSeeOther)
		return nil
	}
	again := templates.ChangePassword{EndOthers: form.Get("sign-out-others") == "yes"}
	if user.PasswordHash != "" {
		problem, err := s.confirm(w, r, user, form.Get("password"))
		if err != nil {
			return err
		}
		if problem != templates.NoProblem {
			status := http.StatusUnprocessableEntity
			if problem == templates.TooManyAttempts {
				status = http.StatusTooManyRequests
			}
			again.Problem = problem
			s.showPassword(w, r, status, user, again, nil)
			return nil
		}
	}
	typed := form.Get("new-password")
	if refusal := s.judge(r, user.ID, typed, person(user)); refusal != nil {
		s.showPassword(w, r, http.StatusUnprocessableEntity, user, again, refusal)
		return nil
	}
	err = s.changePassword(w, r, signedIn, user, typed, again.EndOthers)
	if errors.Is(err, errChanged) {
		http.Redirect(w, r, s.Issuer.URL(passwordPath), http.StatusSeeOther)
		return nil
	} else if err != nil {
		return err
	}
	s.Pages.Render(w, r, http.StatusOK, templates.Notice{What: templates.PasswordChanged, NextURL: s.Issuer.URL("/account")})
	return nil
}

// confirm checks the present password as a sign-in does: with its limits, its pace, and its events.
func (s *Service) confirm(w http.ResponseWriter, r *http.Request, user *storage.User, typed string) (templates.Problem, error) {
	ctx := r.Context()
	found, err := s.Accounts.AuthenticateOn(ctx, user.Username, typed, observe.Event(ctx).Remote(), s.Sessions.Device(r))
	throttled, wrong := new(account.ThrottledError), new(account.CredentialsError)
	switch {
	case errors.As(err, &throttled):
		s.Events.SignInFailed(ctx, events.MethodPassword, string(account.Throttled), user.ID)
		oauth.SetRetryAfter(w, throttled.RetryAfter)
		return templates.TooManyAttempts, nil
	case errors.As(err, &wrong):
		s.Events.SignInFailed(ctx, events.MethodPassword, string(wrong.Reason), user.ID)
		return templates.WrongPassword, nil
	case err == nil && found.ID != user.ID:
		return templates.WrongPassword, nil
	}
	return templates.NoProblem, err
}

// changePassword sets the password of the user of a session. endOthers ends all sessions and grants; this browser gets a
// new session.
func (s *Service) changePassword(w http.ResponseWriter, r *http.Request, signedIn *session.Session, user *storage.User, typed string, endOthers bool) error {
	ctx := r.Context()
	hash, err := s.Accounts.Hash(ctx, typed)
	if err != nil {
		return err
	}
	var changed storage.User
	err = storage.Retry(func() error {
		current, version, err := storage.Users.Get(ctx, s.Store, user.ID)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return errChanged
		case err != nil:
			return err
		case !signedIn.BelongsTo(current) || proof.PinOf(current) != proof.PinOf(user):
			return errChanged
		}
		changed = *current
		account.SetHash(&changed, hash)
		changed.UpdatedAt = storage.Now()
		var ends []feed.End
		var writes []storage.Write
		if endOthers {
			end := feed.User(user.ID)
			changed.Epoch++
			changed.NotBefore, ends = max(changed.NotBefore, end.Before()), []feed.End{end}
			if writes, err = s.Logout.EndingWrites(ctx, user.ID); err != nil {
				return err
			}
			distrust, err := s.Accounts.DistrustWrites(ctx, user.ID)
			if err != nil {
				return err
			}
			writes = append(writes, distrust...)
		}
		writes = append(writes, storage.Users.Put(user.ID, &changed, storage.At(version), time.Time{}))
		writes = append(writes, proof.AllWrites(user.ID)...)
		writes = append(writes, s.Accounts.UnlockWrites(&changed)...)
		writes = append(writes, s.Events.PasswordChanged(ctx, user.ID, ends...)...)
		writes = append(writes, s.Outbox.Notify(&changed, r.Header.Get("Accept-Language"), mail.PasswordChanged{Link: s.resetLink(), Where: interaction.WhereOf(r)})...)
		return s.Store.Apply(ctx, writes...)
	})
	if err != nil || !endOthers {
		return err
	}
	s.Accounts.Distrusted()
	return s.goOn(w, r, signedIn, &changed)
}

// resetLink returns the page for a person who has not changed the password, "" if there is none.
func (s *Service) resetLink() string {
	if s.Outbox.SendsMail() {
		return "/reset"
	}
	return ""
}

// goOn begins a session in place of one that has ended with all others, with all that was proved in it.
func (s *Service) goOn(w http.ResponseWriter, r *http.Request, ended *session.Session, user *storage.User) error {
	ctx := r.Context()
	known, _, err := s.Accounts.DeviceWrites(ctx, user.ID, s.Sessions.KeepDevice(w, r))
	if err != nil {
		return err
	}
	_, err = s.Sessions.Start(ctx, w, r, user, session.Login{
		AuthTime: ended.AuthTime, AMR: ended.AMR, ACR: ended.ACR, Level: ended.Level, Connector: ended.Connector, Device: ended.Device,
		Also: append(known, s.Accounts.TrustWrites(user, observe.Event(ctx).Remote())...),
	}, ended.Remember)
	return err
}
