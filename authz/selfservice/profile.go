package selfservice

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/authzd/authzd/authz/account"
	"github.com/authzd/authzd/authz/oauth"
	"github.com/authzd/authzd/authz/pages"
	"github.com/authzd/authzd/storage"
	"github.com/authzd/authzd/templates"
)

const profilePath = "/account/profile"

// ProfilePage lets people change their profile.
func (s *Service) ProfilePage(w http.ResponseWriter, r *http.Request) error {
	_, user, err := s.Interaction.Person(w, r, profilePath)
	if err != nil || user == nil {
		return err
	}
	s.showProfile(w, r, http.StatusOK, user, user, templates.NoProblem)
	return nil
}

// showProfile draws the page of a user with the values of another, which they have typed.
func (s *Service) showProfile(w http.ResponseWriter, r *http.Request, status int, user, typed *storage.User, problem templates.Problem) {
	p := typed.Profile
	s.Pages.Render(w, r, status, templates.EditProfile{
		Action: s.Issuer.URL(profilePath), Hidden: map[string]string{"user": user.ID}, AccountURL: s.Issuer.URL("/account"), User: pages.User(user),
		Name: p.Name, GivenName: p.GivenName, FamilyName: p.FamilyName, Nickname: p.Nickname,
		Username: typed.Username, UsernameFixed: s.Accounts.IsNamed(user.Username), Locale: p.Locale, Zoneinfo: p.Zoneinfo, Problem: problem,
	})
}

// ProfileForm takes the form of the page.
func (s *Service) ProfileForm(w http.ResponseWriter, r *http.Request) error {
	form, err := oauth.PageForm(w, r)
	if err != nil {
		return err
	}
	_, user, err := s.Interaction.Person(w, r, profilePath)
	if err != nil || user == nil {
		return err
	}
	if form.Get("user") != user.ID { // another tab has signed in somebody else
		http.Redirect(w, r, s.Issuer.URL(profilePath), http.StatusSeeOther)
		return nil
	}
	typed, problem := s.typedProfile(user, form)
	if problem == templates.NoProblem && typed.Username != user.Username {
		if _, fresh, err := s.Interaction.Fresh(w, r, profilePath); err != nil || fresh == nil { // it signs in
			return err
		}
		if problem, err = s.judgeUsername(w, r, user, typed.Username); err != nil {
			return err
		}
	}
	if problem != templates.NoProblem {
		status := http.StatusUnprocessableEntity
		if problem == templates.TooManyAttempts {
			status = http.StatusTooManyRequests // takeChange has recorded it
		} else {
			s.Pages.Refused(r, user.ID, string(problem))
		}
		s.showProfile(w, r, status, user, typed, problem)
		return nil
	}
	err = s.saveProfile(r, user.ID, form)
	if taken := new(account.TakenError); errors.As(err, &taken) { // at this moment
		s.showProfile(w, r, http.StatusUnprocessableEntity, user, typed, templates.UsernameTaken)
		return nil
	} else if err != nil {
		return err
	}
	http.Redirect(w, r, s.Issuer.URL("/account"), http.StatusSeeOther)
	return nil
}

// saveProfile changes what differs from the form, and records which members those are.
func (s *Service) saveProfile(r *http.Request, userID string, form url.Values) error {
	ctx := r.Context()
	return storage.Retry(func() error {
		user, version, err := storage.Users.Get(ctx, s.Store, userID)
		if err != nil {
			return err
		}
		changed, _ := s.typedProfile(user, form)
		members := changedMembers(user, changed)
		if len(members) == 0 {
			return nil
		}
		changed.UpdatedAt = storage.Now()
		writes, err := s.Accounts.ChangeWrites(ctx, user, version, changed)
		if err != nil {
			return err
		}
		return s.Store.Apply(ctx, append(writes, s.Events.ProfileChanged(ctx, userID, members)...)...)
	})
}

// typedProfile returns the user with the values of the form, and what is wrong with them. The form has every member, so
// one that it lacks is empty; only the username stays.
func (s *Service) typedProfile(user *storage.User, form url.Values) (*storage.User, templates.Problem) {
	typed, problem := *user, templates.NoProblem
	for _, m := range profileMembers {
		if m.name == "username" && !form.Has(m.name) {
			continue
		}
		value, ok := cleanName(form.Get(m.name))
		if !ok {
			value, problem = form.Get(m.name), templates.InvalidName
		}
		*m.of(&typed) = value
	}
	p := &typed.Profile
	if problem == templates.NoProblem && (!isLocale(p.Locale) && p.Locale != user.Profile.Locale || !isZone(p.Zoneinfo) && p.Zoneinfo != user.Profile.Zoneinfo) {
		problem = templates.UnknownZone
	}
	return &typed, problem
}

// profileMembers are what people can change in their profile.
var profileMembers = []struct {
	name string
	of   func(*storage.User) *string
}{
	{"name", func(u *storage.User) *string { return &u.Profile.Name }},
	{"given_name", func(u *storage.User) *string { return &u.Profile.GivenName }},
	{"family_name", func(u *storage.User) *string { return &u.Profile.FamilyName }},
	{"nickname", func(u *storage.User) *string { return &u.Profile.Nickname }},
	{"username", func(u *storage.User) *string { return &u.Username }},
	{"locale", func(u *storage.User) *string { return &u.Profile.Locale }},
	{"zoneinfo", func(u *storage.User) *string { return &u.Profile.Zoneinfo }},
}

func changedMembers(before, after *storage.User) (names []string) {
	for _, m := range profileMembers {
		if *m.of(before) != *m.of(after) {
			names = append(names, m.name)
		}
	}
	return names
}

func isLocale(tag string) bool {
	_, err := language.Parse(tag)
	return tag == "" || err == nil
}

// isZone reports whether a time zone is one of the IANA database.
func isZone(name string) bool {
	if name == "" {
		return true
	}
	_, err := time.LoadLocation(name)
	return err == nil && name != "Local" && !slices.Contains(strings.Split(name, "/"), "..")
}

// judgeUsername returns why the user can't have a username, or NoProblem. It counts, because the answer says whether
// another user has it.
func (s *Service) judgeUsername(w http.ResponseWriter, r *http.Request, user *storage.User, name string) (templates.Problem, error) {
	if s.Accounts.IsNamed(user.Username) { // the file would make another user of that name
		return templates.UsernameFixed, nil
	}
	wait, err := s.takeChange(r, user.ID)
	if err != nil {
		return "", err
	}
	if wait > 0 {
		oauth.SetRetryAfter(w, wait)
		return templates.TooManyAttempts, nil
	}
	address := ""
	if user.Profile.EmailVerified {
		address = user.Profile.Email
	}
	err = s.Accounts.CheckChosenName(r.Context(), name, address, user.ID)
	taken := new(account.TakenError)
	switch {
	case errors.Is(err, account.ErrUnusableName):
		return templates.UnusableUsername, nil
	case errors.Is(err, account.ErrReservedName):
		return templates.ReservedUsername, nil
	case errors.As(err, &taken):
		return templates.UsernameTaken, nil
	}
	return templates.NoProblem, err
}
