package config

import (
	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/password"
	"github.com/authzd/authzd/authz/users"
)

const mostMinLength = 64 // characters

func (l *loader) completeAccounts(a *Accounts) {
	fill(l, "accounts.registration", &a.Registration, "off")
	fill(l, "accounts.email_verification", &a.EmailVerification, "required")
	length, withFactor, never := password.UsualLength, password.UsualLengthWithFactor, 0
	passkeys := true
	if a.Factors == "" {
		a.Factors = "optional"
	}
	if len(a.ACRClasses) == 0 {
		a.ACRClasses = []ACRClass{{Name: "urn:authzd:acr:2fa", Needs: "two_factors"}}
	}
	fill(l, "accounts.passkeys.enabled", &a.Passkeys.Enabled, &passkeys)
	fill(l, "accounts.disable_password_after", &a.DisablePasswordAfter, &never)
	fill(l, "accounts.password.min_length", &a.Password.MinLength, &length)
	withFactor = min(withFactor, *a.Password.MinLength)
	fill(l, "accounts.password.min_length_with_factor", &a.Password.MinLengthWithFactor, &withFactor)
}

func (l *loader) checkAccounts() {
	for i, domain := range l.cfg.Accounts.AllowedDomains {
		l.report(element("accounts.allowed_domains", i), domain, domainFlaw(domain))
	}
	p := &l.cfg.Accounts.Password
	bounds := func(n int) *member.Flaw {
		if n < password.LeastLength || n > mostMinLength {
			return problemf("write a number from 6 to 64", "must be %d to %d", password.LeastLength, mostMinLength)
		}
		return nil
	}
	l.report("accounts.password.min_length", *p.MinLength, bounds(*p.MinLength))
	l.report("accounts.password.min_length_with_factor", *p.MinLengthWithFactor, bounds(*p.MinLengthWithFactor))
	if *p.MinLengthWithFactor > *p.MinLength {
		l.report("accounts.password.min_length_with_factor", *p.MinLengthWithFactor, problemf("lower it, or raise the other", "must not exceed accounts.password.min_length (%d)", *p.MinLength))
	}
	if n := *l.cfg.Accounts.DisablePasswordAfter; n != 0 && (n < 10 || n > 100) {
		l.report("accounts.disable_password_after", n, problemf("write a number from 10 to 100, or 0 for never", "must be 10 to 100, or 0"))
	}
	l.checkFactors(&l.cfg.Accounts)
	if p.LeaksURL != "" {
		l.report("accounts.password.leaks_url", p.LeaksURL, member.WebURLFlaw(p.LeaksURL))
	}
}

// domainFlaw returns why this is not the domain of e-mail addresses, or nil.
func domainFlaw(domain string) *member.Flaw {
	if _, err := users.NormalizeEmail("x@" + domain); err != nil {
		return problemf("write a domain such as example.com", "not the domain of e-mail addresses")
	}
	return nil
}

// warnOfAccounts is for what needs mail.
func (l *loader) warnOfAccounts() {
	a := &l.cfg.Accounts
	if a.Registration != "off" && !l.cfg.Mail.On() && !l.dev {
		l.note(&l.cfg.Warnings, "accounts.registration", a.Registration, problemf("set mail, or write off", "nobody can sign up or be invited without mail"))
	}
}

// PasswordPolicy returns the policy of new passwords, without a look-up of leaks.
func (c *Config) PasswordPolicy() *password.Policy {
	return &password.Policy{
		MinLength: *c.Accounts.Password.MinLength, MinLengthWithFactor: *c.Accounts.Password.MinLengthWithFactor,
		Issuer: c.Issuer, Always: c.alwaysFactor,
	}
}

// passwordRule returns the rule of the passwords of users of the file. Those of a demo may be anything.
func (l *loader) passwordRule() users.PasswordRule {
	if l.dev {
		return nil
	}
	return l.cfg.PasswordPolicy().Rule
}
