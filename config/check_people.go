package config

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/passhash"
)

func (l *loader) checkUsers() {
	usernames, emails := map[string]int{}, map[string]int{} // in lower case -> index
	for i := range l.cfg.Users {
		u, path := &l.cfg.Users[i], element("users", i)
		l.checkUser(u, path)
		name := strings.ToLower(u.Username)
		if j, dup := usernames[name]; dup {
			earlier := l.originOf(element("users", j))
			l.report(path+".username", u.Username, problemf("upper and lower case are the same in user names", "given twice, first on line %d", earlier.line))
		}
		usernames[name] = i
		email := strings.ToLower(u.Email)
		if j, dup := emails[email]; dup && u.EmailVerified {
			earlier := l.originOf(element("users", j))
			l.report(path+".email", u.Email, problemf("a verified address belongs to one user", "given twice, first on line %d", earlier.line))
		}
		if u.EmailVerified {
			emails[email] = i
		}
	}
}

func (l *loader) checkUser(u *User, path string) {
	if u.Username != strings.TrimSpace(u.Username) || len(u.Username) > 255 {
		l.report(path+".username", u.Username, problemf("use up to 255 bytes without spaces around them", "not a user name"))
	}
	if u.Password != "" {
		l.report(path+".password", u.Password, checkPassword(string(u.Password), l.dev))
	}
	if u.Email != "" {
		l.report(path+".email", u.Email, checkEmail(u.Email))
	}
	if u.EmailVerified && u.Email == "" {
		l.report(path+".email_verified", true, problemf("set email", "there is no email"))
	}
	if u.PhoneNumberVerified && u.PhoneNumber == "" {
		l.report(path+".phone_number_verified", true, problemf("set phone_number", "there is no phone_number"))
	}
	if u.Birthdate != "" && !birthdate.MatchString(u.Birthdate) {
		l.report(path+".birthdate", u.Birthdate, problemf("write YYYY-MM-DD, 0000-MM-DD or YYYY", "not a date"))
	}
	for key, uri := range map[string]string{"profile": u.Profile, "picture": u.Picture, "website": u.Website} {
		if uri != "" {
			l.report(child(path, key), uri, checkAnyWebURL(uri))
		}
	}
	l.checkEach(path+".roles", u.Roles, checkNotEmpty)
	l.checkEach(path+".groups", u.Groups, checkNotEmpty)
}

var birthdate = regexp.MustCompile(`^[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$`)

// checkAnyWebURL admits http too: it is where a person's page happens to be.
func checkAnyWebURL(s string) *member.Flaw {
	u, p := parse(s)
	if p == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return problemf("write http:// or https:// and a host", "not a web address")
	}
	return p
}

func checkEmail(s string) *member.Flaw {
	if addr, err := mail.ParseAddress(s); err != nil || addr.Address != s || addr.Name != "" {
		return problemf("write name@example.com", "not an e-mail address")
	}
	return nil
}

// checkPassword refuses what looks like a hash but is none that can be verified: taken for plain
// text, the hash itself would sign in. Short passwords are for the files of a demo.
func checkPassword(s string, short bool) *member.Flaw {
	const least, most = 8, 1024 // characters, bytes
	switch {
	case len(s) > most:
		return problemf("", "longer than %d bytes", most)
	case passhash.Scheme(s) != "":
		if err := passhash.Check(s); err != nil {
			return problemf("set a password in plain text, or a hash of argon2id, bcrypt, scrypt or pbkdf2; put quotes around it, and look that nothing is cut off", "%v", err)
		}
	case !short && utf8.RuneCountInString(norm.NFC.String(s)) < least:
		return problemf("", "shorter than %d characters", least)
	}
	return nil
}

var (
	connectorID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	domain      = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

func (l *loader) checkConnector(c *Connector, path string) {
	if c.ID != "" && !connectorID.MatchString(c.ID) {
		l.report(path+".id", c.ID, problemf("use lower-case letters, digits, _ and -: it is part of a URL", "not an id"))
	}
	l.checkLabel(path+".name", c.Name)
	if l.faulty(path + ".type") {
		return // what follows depends on it
	}
	if c.Issuer == "" {
		l.report(path+".issuer", nil, problemf("set it to the provider's issuer, as in its discovery document", "is required with type oidc"))
	} else {
		l.report(path+".issuer", c.Issuer, checkUpstreamIssuer(c.Issuer))
	}
	if c.EmailAuthoritative && c.EmailVerified == "never" {
		l.report(path+".email_verified", "never", problemf("remove one of them", "contradicts email_authoritative, which is about verified addresses"))
	}
	if c.Type == "google" {
		if !l.given(path + ".client_secret") {
			l.report(path+".client_secret", nil, problemf("set client_secret or client_secret_file", "is required with type google"))
		}
		if c.EmailAuthoritative {
			l.report(path+".email_authoritative", true, problemf("remove it", "Google tells by itself which addresses are its own"))
		}
	} else if len(c.HostedDomains) > 0 {
		l.report(path+".hosted_domains", nil, problemf("remove it", "only Google has hosted domains"))
	}
	l.checkEach(path+".hosted_domains", c.HostedDomains, func(s string) *member.Flaw {
		if !domain.MatchString(s) {
			return problemf("write a domain in lower case, such as example.com", "not a domain")
		}
		return nil
	})
	l.checkEach(path+".scopes", c.Scopes, checkScope)
}

// checkUpstreamIssuer is more patient than checkIssuer: others' issuers may end with a slash.
func checkUpstreamIssuer(s string) *member.Flaw {
	if strings.ContainsAny(s, "?#") {
		return problemf("remove the ? or # and what follows", "an issuer has neither query nor fragment")
	}
	return checkWebURL(s)
}
