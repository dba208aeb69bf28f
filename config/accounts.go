package config

// Accounts says how people's own accounts work.
type Accounts struct {
	// Registration says who may make an account: off (operators make all), invite (people whom an operator invites
	// with "authzd user invite") or open (everybody). invite and open need mail.
	Registration string `yaml:"registration" enum:"off,invite,open"`

	// AllowedDomains are the only domains whose e-mail addresses may sign up, such as example.com; those below them
	// are other ones. People who are invited, and users whom operators make, may have any. Default: all.
	AllowedDomains []string `yaml:"allowed_domains"`

	// EmailVerification says when a person who signs up has the account: required (once they have proved that they
	// read the mails of the address).
	EmailVerification string `yaml:"email_verification" enum:"required"`

	// Password says which new passwords are accepted, wherever one is set: on a page, by the admin API, in this
	// file. A hash is taken as it is, and a sign-in takes any password that was set.
	Password Password `yaml:"password"`

	// DisablePasswordAfter is how many wrong passwords in a row end a user's password, 10 to 100. The account goes on:
	// the user signs in in other ways, and gets a new password by mail or from an operator. The standard (NIST SP
	// 800-63B-4 section 3.2.2) demands 100. But then anybody can take a user's password away, so the default deviates:
	// 0, and wrong passwords are only slowed down.
	DisablePasswordAfter *int `yaml:"disable_password_after"`

	// Factors says of whom a second factor is demanded: optional of those who have set one up, required of
	// everybody. Who has none sets up an authenticator app, right after the password. With passkey, everybody needs a
	// passkey, and adds one there.
	Factors string `yaml:"factors" enum:"optional,required,passkey"`

	// FactorsOfRoles are other demands for users with a role: admin: required, or admin: passkey. The strictest counts.
	// Default: none.
	FactorsOfRoles map[string]string `yaml:"factors_of_roles"`

	// ACRClasses are the names by which apps demand factors (acr_values), the weakest first. A stronger sign-in has
	// a weaker class too. Default: urn:authzd:acr:2fa for two factors.
	ACRClasses []ACRClass `yaml:"acr_classes"`

	// Passkeys says how people sign in with passkeys.
	Passkeys Passkeys `yaml:"passkeys"`
}

// ACRClass is an authentication context class (OpenID Connect Core section 2): a name for how strongly users have proved
// who they are.
type ACRClass struct {
	// Name is the value of acr and acr_values.
	Name string `yaml:"name" required:"true"`

	// Needs is what a sign-in must have: one_factor, two_factors, or passkey.
	Needs string `yaml:"needs" required:"true" enum:"one_factor,two_factors,passkey"`
}

// Password says which new passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2). Each has up to 256 characters
// of any kind. Refused are common ones, those that are the user's name or address or this server's name, and, if
// leaks_url is given, those that leaked elsewhere.
type Password struct {
	// MinLength is how many characters a password has at least, where it is the only factor: 6 to 64. Fewer than
	// the default deviate from the standard.
	MinLength *int `yaml:"min_length"`

	// MinLengthWithFactor is the same for users of whom another factor is demanded at every sign-in, for any
	// client: 6 to 64, and not more than min_length. Fewer than the default deviate from the standard.
	MinLengthWithFactor *int `yaml:"min_length_with_factor"`

	// LeaksURL is the address of a service that knows leaked passwords, such as
	// https://api.pwnedpasswords.com/range of Have I Been Pwned, or a mirror. It gets the first 5 of the 40 digits
	// of a hash. If it does not answer within a second, the password counts as not leaked. A service in a private
	// network needs outbound.allow_private_networks. Default: none, and nobody is asked.
	LeaksURL string `yaml:"leaks_url"`
}

// Passkeys says how people sign in with passkeys: keys on their devices or in their password managers, instead of a
// password and a second factor. They need an issuer whose host is a domain or localhost, and no IP address.
type Passkeys struct {
	// Enabled offers passkeys: on the sign-in page, after a sign-in with a password, and on the account page.
	// Default: true; an issuer whose host is an IP address has none.
	Enabled *bool `yaml:"enabled"`

	// RPID is the domain that passkeys are for, without a port: the issuer's host, or a domain above it. Passkeys
	// of another domain do not work any more after a change. Default: the issuer's host.
	RPID string `yaml:"rp_id"`

	// RelatedOrigins are other origins that may use the same passkeys, such as https://example.de. Browsers read
	// them at /.well-known/webauthn on the host of rp_id, and accept 5 different names at most.
	RelatedOrigins []string `yaml:"related_origins"`

	// Authenticators are the models of security keys and password managers that people may add, by their AAGUID.
	// Keys that were added before stay. Default: all models.
	Authenticators []string `yaml:"authenticators"`

	// AttestationRootsFile is a PEM file with the root certificates of the makers. With it, a new passkey must
	// prove its model by an attestation that leads to one of them; without it, it is believed. Synchronised
	// passkeys have no attestation, so they cannot be added then.
	AttestationRootsFile string `yaml:"attestation_roots_file" path:"true"`
}
