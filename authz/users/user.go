// Package users describes a user, as the operator does: in the configuration file, or through the admin API. It owns
// the members and their rules; authz/account keeps and signs in those that are described.
//
//	config, admin API -> User -> Problems -> account
//
// It also has the forms of names and passwords under which these are compared.
package users

import (
	_ "embed"

	"github.com/authzd/authzd/authz/member"
)

// Source is the source of this file, whose comments are the manual of the members.
//
//go:embed user.go
var Source []byte

// User is what an operator says of a user: the standard claims, with the names of OpenID Connect Core section 5.1,
// and what the server itself needs.
type User struct {
	// Username to sign in with; upper and lower case are the same.
	Username string `json:"username,omitempty" yaml:"username" required:"true"`

	// Password in plain text, as accounts.password demands it, or its hash: argon2id, bcrypt, scrypt or pbkdf2 in the
	// PHC or modular crypt format. Text that looks like another hash is refused. Without one, the user can't sign
	// in by password.
	Password member.Secret `json:"-" yaml:"password"`

	// Name is the full name.
	Name string `json:"name,omitempty" yaml:"name"`
	// GivenName is the first name.
	GivenName string `json:"given_name,omitempty" yaml:"given_name"`
	// FamilyName is the last name.
	FamilyName string `json:"family_name,omitempty" yaml:"family_name"`
	// MiddleName is what stands between.
	MiddleName string `json:"middle_name,omitempty" yaml:"middle_name"`
	// Nickname is a casual name.
	Nickname string `json:"nickname,omitempty" yaml:"nickname"`
	// PreferredUsername is a short name for display.
	PreferredUsername string `json:"preferred_username,omitempty" yaml:"preferred_username"`
	// Profile is the URL of the user's profile page.
	Profile string `json:"profile,omitempty" yaml:"profile"`
	// Picture is the URL of the user's picture.
	Picture string `json:"picture,omitempty" yaml:"picture"`
	// Website is the URL of the user's site.
	Website string `json:"website,omitempty" yaml:"website"`
	// Email address.
	Email string `json:"email,omitempty" yaml:"email"`
	// EmailVerified says that the address is known to be the user's.
	EmailVerified bool `json:"email_verified,omitempty" yaml:"email_verified"`
	// Gender in any words.
	Gender string `json:"gender,omitempty" yaml:"gender"`
	// Birthdate as YYYY-MM-DD; 0000 for an unsaid year, or the year alone.
	Birthdate string `json:"birthdate,omitempty" yaml:"birthdate"`
	// Zoneinfo is an IANA time zone, such as Europe/Paris.
	Zoneinfo string `json:"zoneinfo,omitempty" yaml:"zoneinfo"`
	// Locale is a language tag, such as en-GB.
	Locale string `json:"locale,omitempty" yaml:"locale"`
	// PhoneNumber is best given in E.164 form.
	PhoneNumber string `json:"phone_number,omitempty" yaml:"phone_number"`
	// PhoneNumberVerified says that the number is known to be the user's.
	PhoneNumberVerified bool `json:"phone_number_verified,omitempty" yaml:"phone_number_verified"`
	// Address is the postal address.
	Address Address `json:"address,omitzero" yaml:"address"`

	// Roles are carried in every access token of the user (RFC 9068 section 2.2.3.1).
	Roles []string `json:"roles,omitempty" yaml:"roles"`

	// Groups are carried in tokens when the scope groups is granted.
	Groups []string `json:"groups,omitempty" yaml:"groups"`

	// Disabled users can't sign in or refresh.
	Disabled bool `json:"disabled,omitempty" yaml:"disabled"`
}

// Address is a postal address (OpenID Connect Core section 5.1.1).
type Address struct {
	// Formatted is the whole address as on a label.
	Formatted string `json:"formatted,omitempty" yaml:"formatted" multiline:"true"`
	// StreetAddress is street and number.
	StreetAddress string `json:"street_address,omitempty" yaml:"street_address" multiline:"true"`
	// Locality is the town.
	Locality string `json:"locality,omitempty" yaml:"locality"`
	// Region is the state or province.
	Region string `json:"region,omitempty" yaml:"region"`
	// PostalCode is the zip or post code.
	PostalCode string `json:"postal_code,omitempty" yaml:"postal_code"`
	// Country is its name.
	Country string `json:"country,omitempty" yaml:"country"`
}
