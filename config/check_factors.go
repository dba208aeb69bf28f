package config

import (
	"slices"
	"strings"

	"github.com/authzd/authzd/authz/member"
)

// checkFactors applies the rules of second factors, and of the classes that name them.
func (l *loader) checkFactors(a *Accounts) {
	for role, demand := range a.FactorsOfRoles {
		var flaw *member.Flaw
		switch {
		case strings.TrimSpace(role) == "":
			flaw = problemf("name a role", "is no role")
		case !slices.Contains([]string{"optional", "required", "passkey"}, demand):
			flaw = problemf("write optional, required or passkey", "is none of them")
		}
		l.report(child("accounts.factors_of_roles", role), demand, flaw)
	}
	weakest := map[string]bool{}
	for i, class := range a.ACRClasses {
		path := element("accounts.acr_classes", i)
		var flaw *member.Flaw
		switch {
		case class.Name == "":
		case strings.ContainsAny(class.Name, " \t\r\n\"\\") || len(class.Name) > 255:
			flaw = problemf("write a URI or a short name", "is longer than 255 bytes, or has a space or a quotation mark")
		case strings.HasPrefix(class.Name, "urn:authzd:acr:") && class.Name != "urn:authzd:acr:2fa":
			flaw = problemf("choose another name", "is a name of authzd's own")
		case class.Name == "phrh":
			flaw = problemf("leave it out: passkeys that cannot leave their device have it", "is a name of authzd's own")
		case strengthOf(class.Needs) > 0 && strengthOf(class.Needs) < strengthOf(meanings[class.Name]):
			flaw = problemf("write needs: "+meanings[class.Name]+", or choose another name", "stands for more than %s", class.Needs)
		case weakest[class.Name]:
			flaw = problemf("remove one", "is there twice")
		}
		weakest[class.Name] = true
		l.report(path+".name", class.Name, flaw)
		if i > 0 && strengthOf(class.Needs) < strengthOf(a.ACRClasses[i-1].Needs) {
			l.report(path+".needs", class.Needs, problemf("list the weaker classes first", "is weaker than the class before"))
		}
	}
}

// meanings are what the names of classes say to every app that knows them.
var meanings = map[string]string{"urn:authzd:acr:2fa": "two_factors", "phr": "passkey"}

// strengthOf compares what classes need; 0: it is not known.
func strengthOf(needs string) int {
	return map[string]int{"one_factor": 1, "two_factors": 2, "passkey": 3}[needs]
}

// alwaysFactor reports whether a second factor is demanded of a user with these roles at every sign-in.
func (c *Config) alwaysFactor(roles []string) bool {
	demands := []string{"required", "passkey"}
	return slices.Contains(demands, c.Accounts.Factors) || slices.ContainsFunc(roles, func(role string) bool {
		return slices.Contains(demands, c.Accounts.FactorsOfRoles[role])
	})
}
