package config

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/net/publicsuffix"

	"github.com/authzd/authzd/authz/member"
	"github.com/authzd/authzd/authz/weburl"
)

// maxRelatedNames is how many names browsers look at (Web Authentication Level 3 section 5.11.1).
const maxRelatedNames = 5

// checkPasskeys applies the rules of accounts.passkeys.
func (l *loader) checkPasskeys() {
	const at = "accounts.passkeys"
	p := &l.cfg.Accounts.Passkeys
	issuer, err := url.Parse(l.cfg.Issuer)
	if err != nil {
		return
	}
	host := issuer.Hostname()
	if _, err := netip.ParseAddr(host); err == nil && l.given(at+".enabled") && *p.Enabled {
		l.report(at+".enabled", true, problemf("give the issuer a domain, or localhost", "passkeys need a domain, and the issuer's host is an IP address"))
	}
	if p.RPID != "" {
		l.report(at+".rp_id", p.RPID, checkRPID(p.RPID))
	}
	l.checkEach(at+".related_origins", p.RelatedOrigins, checkRelatedOrigin)
	hosts := []string{host}
	for _, origin := range p.RelatedOrigins {
		if u, err := url.Parse(origin); err == nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	if len(p.RelatedOrigins) > 0 && relatedNames(hosts) > maxRelatedNames {
		l.report(at+".related_origins", nil, problemf("name fewer", "browsers accept %d different names at most, with the issuer's", maxRelatedNames))
	}
	l.checkEach(at+".authenticators", p.Authenticators, func(s string) *member.Flaw {
		if id, err := uuid.Parse(s); err != nil || id.String() != s || id == uuid.Nil {
			return problemf("write it like d548826e-79b4-db40-a3d8-11116f7e8349", "not an AAGUID")
		}
		return nil
	})
	if name := p.AttestationRootsFile; name != "" {
		l.report(at+".attestation_roots_file", name, checkCertificates(name))
	}
}

// checkPasskeyDemands refuses to demand passkeys where there are none: nobody could sign in.
func (l *loader) checkPasskeyDemands() {
	why, remedy := l.noPasskeys()
	if why == "" {
		return
	}
	refuse := func(path string, value any, instead string) {
		l.report(path, value, problemf(remedy+", or "+instead, "demands a passkey, and there are none: %s", why))
	}
	a := &l.cfg.Accounts
	if a.Factors == "passkey" {
		refuse("accounts.factors", a.Factors, "write required")
	}
	for i, c := range l.cfg.Connectors {
		if c.Factors == "passkey" {
			refuse(element("connectors", i)+".factors", c.Factors, "write required")
		}
	}
	for role, demand := range a.FactorsOfRoles {
		if demand == "passkey" {
			refuse(child("accounts.factors_of_roles", role), demand, "write required")
		}
	}
	for i, class := range a.ACRClasses {
		if class.Needs == "passkey" {
			refuse(element("accounts.acr_classes", i)+".needs", class.Needs, "remove the class")
		}
	}
	for i := range l.cfg.Clients {
		c, at := &l.cfg.Clients[i], element("clients", i)
		if c.Factors == "passkey" {
			refuse(at+".factors", c.Factors, "write required")
		}
		for j, class := range c.DefaultACRValues {
			if class == "phr" || class == "phrh" {
				refuse(element(at+".default_acr_values", j), class, "remove it")
			}
		}
	}
}

// noPasskeys returns why nobody can have a passkey, and what would change that; "": people can.
func (l *loader) noPasskeys() (why, remedy string) {
	if !*l.cfg.Accounts.Passkeys.Enabled {
		return "accounts.passkeys.enabled is false", "set accounts.passkeys.enabled to true"
	}
	issuer, err := url.Parse(l.cfg.Issuer)
	if err != nil {
		return "", ""
	}
	if _, err := netip.ParseAddr(issuer.Hostname()); err == nil {
		return "the issuer's host is an IP address", "give the issuer a domain, or localhost"
	}
	return "", ""
}

// checkRPID applies the rules of browsers to a relying party id (Web Authentication Level 3 section 5.1.2).
func checkRPID(id string) *member.Flaw {
	if id == "localhost" {
		return nil
	}
	if !domain.MatchString(id) {
		return problemf("write a domain in lower case, without a scheme and a port, such as example.com", "not a domain")
	}
	if suffix, _ := publicsuffix.PublicSuffix(id); suffix == id {
		return problemf("write a domain of your own", "everybody can have a domain below it")
	}
	return nil
}

// warnOfPasskeys is for what works in some browsers, or keeps nobody away.
func (l *loader) warnOfPasskeys(note func(path string, value any, p *member.Flaw)) {
	const at = "accounts.passkeys"
	p := l.cfg.Accounts.Passkeys
	issuer, err := url.Parse(l.cfg.Issuer)
	if err != nil {
		return
	}
	if host := issuer.Hostname(); p.RPID != "" && p.RPID != host && !strings.HasSuffix(host, "."+p.RPID) {
		note(at+".rp_id", p.RPID, problemf("serve what this server has at /.well-known/webauthn there too", "is no domain of the issuer's host: browsers ask https://%s/.well-known/webauthn whether the issuer may use its passkeys, and some do not ask", p.RPID))
	}
	if len(p.Authenticators) > 0 && p.AttestationRootsFile == "" {
		note(at+".authenticators", nil, problemf("give attestation_roots_file, to demand a proof", "an authenticator can claim to be of any model, so this keeps out honest people only"))
	}
}

// relatedNames counts the different names in a list of hosts: each is what stands before its public suffix.
func relatedNames(hosts []string) int {
	names := map[string]bool{}
	for _, host := range hosts {
		name := host
		if own, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
			suffix, _ := publicsuffix.PublicSuffix(own)
			name = strings.TrimSuffix(own, "."+suffix)
		}
		names[name] = true
	}
	return len(names)
}

func checkRelatedOrigin(s string) *member.Flaw {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && weburl.IsLoopback(u.Hostname())) || u.Host == "" || s != u.Scheme+"://"+u.Host || strings.ToLower(s) != s {
		return problemf("write it like https://example.de, without a path", "not an origin with https")
	}
	return nil
}
