package account

import (
	"strings"

	"github.com/authzd/authzd/authz/users"
	"github.com/authzd/authzd/storage"
)

// apply sets the members of a description in a user, except for the password.
func apply(u users.User, user *storage.User) {
	if u.Email != user.Profile.Email || u.EmailVerified != user.Profile.EmailVerified {
		user.EmailFrom = storage.EmailByOperator
	}
	user.Username, user.Roles, user.Groups, user.Disabled = strings.TrimSpace(u.Username), u.Roles, u.Groups, u.Disabled
	user.Profile = storage.Profile{
		Name: u.Name, GivenName: u.GivenName, FamilyName: u.FamilyName, MiddleName: u.MiddleName, Nickname: u.Nickname,
		PreferredUsername: u.PreferredUsername, Profile: u.Profile, Picture: u.Picture, Website: u.Website,
		Email: u.Email, EmailVerified: u.EmailVerified, Gender: u.Gender, Birthdate: u.Birthdate, Zoneinfo: u.Zoneinfo,
		Locale: u.Locale, PhoneNumber: u.PhoneNumber, PhoneNumberVerified: u.PhoneNumberVerified,
	}
	if u.Address != (users.Address{}) {
		address := storage.Address(u.Address)
		user.Profile.Address = &address
	}
}

// Describe returns the description of a stored user, without the password.
func Describe(user *storage.User) users.User {
	p := user.Profile
	u := users.User{
		Username: user.Username, Name: p.Name, GivenName: p.GivenName, FamilyName: p.FamilyName, MiddleName: p.MiddleName,
		Nickname: p.Nickname, PreferredUsername: p.PreferredUsername, Profile: p.Profile, Picture: p.Picture, Website: p.Website,
		Email: p.Email, EmailVerified: p.EmailVerified, Gender: p.Gender, Birthdate: p.Birthdate, Zoneinfo: p.Zoneinfo,
		Locale: p.Locale, PhoneNumber: p.PhoneNumber, PhoneNumberVerified: p.PhoneNumberVerified,
		Roles: user.Roles, Groups: user.Groups, Disabled: user.Disabled,
	}
	if p.Address != nil {
		u.Address = users.Address(*p.Address)
	}
	return u
}
