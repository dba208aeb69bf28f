package config

import (
	"regexp"
	"strings"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/users"
)

// checkUsers applies the rules of each user, and that a name to sign in with leads to one of them: a user name,
// where upper and lower case are the same, or a verified address.
func (l *loader) checkUsers() {
	owners := map[string]int{} // of names, as they are compared -> index
	claim := func(name string, i int, path, value, hint string) {
		if j, taken := owners[name]; taken && j != i {
			earlier := l.originOf(element("users", j))
			l.report(path, value, problemf(hint, "given twice, first on line %d", earlier.line))
			return
		}
		owners[name] = i
	}
	rule := l.passwordRule()
	for i := range l.cfg.Users {
		u, path := &l.cfg.Users[i], element("users", i)
		l.reportAll(path, u.Problems(rule))
		if name, err := users.NormalizeUsername(u.Username); err == nil {
			claim(name, i, path+".username", u.Username, "choose another: upper and lower case are the same, and so are a user name and a verified address")
		}
		if address, err := users.NormalizeEmail(u.Email); err == nil && u.EmailVerified {
			claim(address, i, path+".email", u.Email, "a verified address belongs to one user")
		}
	}
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
	if c.Issuer != "" {
		l.report(path+".issuer", c.Issuer, checkUpstreamIssuer(c.Issuer))
	}
	if c.EmailAuthoritative && c.EmailVerified == "never" {
		l.report(path+".email_verified", "never", problemf("remove one of them", "contradicts email_authoritative, which is about verified addresses"))
	}
	if !l.faulty(path + ".type") {
		l.checkTypeOfConnector(c, path)
	}
	l.checkEach(path+".hosted_domains", c.HostedDomains, func(s string) *member.Flaw {
		if !domain.MatchString(s) {
			return problemf("write a domain in lower case, such as example.com", "not a domain")
		}
		return nil
	})
	scopes := c.Scopes
	if last := len(scopes) - 1; last > 0 && !l.given(element(path+".scopes", last)) {
		scopes = scopes[1:] // openid was put before those that were given
	}
	l.checkEach(path+".scopes", scopes, checkScope)
}

func (l *loader) checkTypeOfConnector(c *Connector, path string) {
	if c.Issuer == "" {
		l.report(path+".issuer", nil, problemf("set it to the provider's issuer, as in its discovery document", "is required with type oidc"))
	}
	if c.Type != "google" {
		if len(c.HostedDomains) > 0 {
			l.report(path+".hosted_domains", nil, problemf("remove it", "only Google has hosted domains"))
		}
		return
	}
	if !l.given(path + ".client_secret") {
		l.report(path+".client_secret", nil, problemf("set client_secret or client_secret_file", "is required with type google"))
	}
	if c.EmailAuthoritative {
		l.report(path+".email_authoritative", true, problemf("remove it", "Google tells by itself which addresses are its own"))
	}
}

// checkUpstreamIssuer is more patient than checkIssuer: others' issuers may end with a slash.
func checkUpstreamIssuer(s string) *member.Flaw {
	const most = 2048 // bytes
	switch {
	case strings.ContainsAny(s, "?#"):
		return problemf("remove the ? or # and what follows", "an issuer has neither query nor fragment")
	case len(s) > most:
		return problemf("write the issuer as the provider's discovery document has it", "longer than %d bytes", most)
	}
	return member.WebURLFlaw(s)
}
