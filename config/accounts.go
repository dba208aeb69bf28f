package config

// Accounts says how people's own accounts work.
type Accounts struct {
	// Password says which new passwords are accepted, wherever one is set: on a page, by the admin API, in this
	// file. A hash is taken as it is, and a sign-in takes any password that was set.
	Password Password `yaml:"password"`

	// DisablePasswordAfter is how many wrong passwords in a row end a user's password, 10 to 100. The account goes on:
	// the user signs in in other ways, and gets a new password by mail or from an operator. The standard (NIST SP
	// 800-63B-4 section 3.2.2) demands 100. But then anybody can take a user's password away, so the default deviates:
	// 0, and wrong passwords are only slowed down.
	DisablePasswordAfter *int `yaml:"disable_password_after"`
}

// Password says which new passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2). Each has up to 256 characters
// of any kind. Refused are common ones, those that are the user's name or address or this server's name, and, if
// leaks_url is given, those that leaked elsewhere.
type Password struct {
	// MinLength is how many characters a password has at least, where it is the only factor: 6 to 64. Fewer than
	// the default deviate from the standard.
	MinLength *int `yaml:"min_length"`

	// MinLengthWithFactor is the same for users of whom another factor is demanded at every sign-in, whatever the
	// client: 6 to 64, and not more than min_length. Fewer than the default deviate from the standard.
	MinLengthWithFactor *int `yaml:"min_length_with_factor"`

	// LeaksURL is the address of a service that knows leaked passwords, such as
	// https://api.pwnedpasswords.com/range of Have I Been Pwned, or a mirror. It gets the first 5 of the 40 digits
	// of a hash. If it does not answer within a second, the password counts as not leaked. A service in a private
	// network needs outbound.allow_private_networks. Default: none, and nobody is asked.
	LeaksURL string `yaml:"leaks_url"`
}
