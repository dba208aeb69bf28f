package selfservice

import (
	"errors"
	"net/http"

	"github.com/authzd/authzd/authz/proof"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

// invitation draws the page of an invitation's link: an operator has made the account, and its user chooses the first
// password.
func (s *Service) invitation(w http.ResponseWriter, q *request) error {
	l, user, err := s.findReset(q, proof.Invite)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Invite, "", "")
	} else if err != nil {
		return err
	}
	s.showSetPassword(w, q, http.StatusOK, l, templates.SetPassword{Invited: true, Name: user.Profile.Name}, nil)
	return nil
}

// acceptInvitation takes the form of the page. It signs nobody in: the link may have been opened anywhere.
func (s *Service) acceptInvitation(w http.ResponseWriter, q *request) error {
	l, user, err := s.findReset(q, proof.Invite)
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Invite, "", "")
	} else if err != nil {
		return err
	}
	name, named := cleanName(q.params.Get("name"))
	typed := q.params.Get("new-password")
	p := templates.SetPassword{Invited: true, Name: q.params.Get("name")}
	switch {
	case name == "" || typed == "":
		p.Problem = templates.MissingDetail
	case !named:
		p.Problem = templates.InvalidName
	}
	if p.Problem != templates.NoProblem {
		s.Pages.Refused(q.r, user.ID, string(p.Problem))
		s.showSetPassword(w, q, http.StatusUnprocessableEntity, l, p, nil)
		return nil
	}
	who := person(user.User)
	who.Names = append(who.Names, name)
	if refusal := s.judge(q.r, user.ID, typed, who); refusal != nil {
		s.showSetPassword(w, q, http.StatusUnprocessableEntity, l, p, refusal)
		return nil
	}
	err = s.setPassword(q, proof.Invite, typed, func(user *storage.User) { user.Profile.Name = name })
	if errors.Is(err, proof.ErrVoid) {
		return s.expired(w, q, proof.Invite, user.ID, "")
	} else if err != nil {
		return err
	}
	s.Pages.Render(w, q.r, http.StatusOK, templates.Notice{UILocales: q.UILocales(), What: templates.AccountReady, Email: l.Email, NextURL: q.LoginURL()})
	return nil
}
