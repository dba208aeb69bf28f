package selfservice

import (
	"net/http"

	"github.com/authzd/authzd/authz/feed"
	"github.com/authzd/authzd/authz/interaction"
	"github.com/authzd/authzd/authz/mail"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

const leavePath = "/account/delete"

// LeavePage asks people whether their account shall be deleted.
func (s *Service) LeavePage(w http.ResponseWriter, r *http.Request) error {
	_, user, err := s.Interaction.Fresh(w, r, leavePath)
	if err != nil || user == nil {
		return err
	}
	s.Pages.Render(w, r, http.StatusOK, templates.DeleteAccount{
		Action: s.Issuer.URL(leavePath), Hidden: map[string]string{"user": user.ID}, AccountURL: s.Issuer.URL("/account"),
		ExportURL: s.Issuer.URL(exportPath), User: pages.User(user),
	})
	return nil
}

// Leave deletes the account of the person who is signed in, with all its sessions and grants.
func (s *Service) Leave(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	_, user, err := s.Interaction.Fresh(w, r, leavePath)
	if err != nil || user == nil {
		return err
	}
	if form.Get("decision") != "delete" || form.Get("user") != user.ID { // another tab has signed in somebody else
		http.Redirect(w, r, s.Issuer.URL(leavePath), http.StatusSeeOther)
		return nil
	}
	ctx := r.Context()
	err = storage.Retry(func() error {
		user, version, err := storage.Users.Get(ctx, s.Store, user.ID)
		if err != nil {
			return err
		}
		writes, err := s.Accounts.LeaveWrites(ctx, user, version)
		if err != nil {
			return err
		}
		ended, err := s.Logout.EndingWrites(ctx, user.ID)
		if err != nil {
			return err
		}
		writes = append(append(writes, ended...), s.Events.Left(ctx, user.ID, feed.User(user.ID))...)
		writes = append(writes, s.Outbox.Notify(user, r.Header.Get("Accept-Language"), mail.AccountDeleted{Where: interaction.WhereOf(r)})...)
		return s.Store.Apply(ctx, writes...)
	})
	if err != nil {
		return err
	}
	if err := s.Sessions.Forget(r.Context(), w, r); err != nil {
		return err
	}
	s.Pages.Render(w, r, http.StatusOK, templates.Notice{What: templates.AccountGone})
	return nil
}
